//go:build race

package policy

// raceDetector leaves out what has nothing concurrent in it and is long.
const raceDetector = true
