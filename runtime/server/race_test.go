//go:build race

package server_test

// raceDetector leaves out what has nothing concurrent in it: see alone.
const raceDetector = true
