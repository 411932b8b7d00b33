//go:build race

package abi_test

// raceDetector leaves Go's guests out: nothing here is concurrent, and modules of megabytes take minutes to load under the
// race detector.
const raceDetector = true
