//go:build race

package main

// raceDetector tells scripts to leave out what takes minutes under it, such as loading a module of megabytes.
const raceDetector = true
