//go:build race

package server_test

// raceDetector has the walks over every place of a body try a part of them: each request is like the others to it.
const raceDetector = true
