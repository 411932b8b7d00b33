//go:build race

package rules_test

// raceDetector leaves out what has nothing concurrent in it and is long.
const raceDetector = true
