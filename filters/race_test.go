//go:build race

package filters_test

// raceDetector leaves out what takes long under it and has nothing in it that is concurrent: Go's guests, compilers, texts
// of megabytes.
const raceDetector = true
