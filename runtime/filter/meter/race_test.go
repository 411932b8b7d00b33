//go:build race

package meter_test

// raceDetector makes the long tests run a part of what they have: nothing here
// is concurrent, and compiling modules under the race detector is slow.
const raceDetector = true
