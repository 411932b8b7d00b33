//go:build race

package abi_test

// raceDetector leaves out Go's guests and the second host: nothing here is concurrent, and modules of megabytes take minutes
// to load under the race detector.
const raceDetector = true
