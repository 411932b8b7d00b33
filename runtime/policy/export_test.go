package policy

// RaceDetector is for the tests outside of the package.
const RaceDetector = raceDetector
