//go:build race

package filter

// raceDetector leaves out what is long and has nothing concurrent in it, or makes it run a part of what it has: see alone
// and some.
const raceDetector = true
