package filter

import "errors"

// The stages that a filter passes on its way to being live, in order. A failure in one of them keeps what was live
// before; logs, metrics and readiness name the stage by these words, a closed set.
const (
	StageRead      = "read"      // its files are read, or its image is fetched
	StageSize      = "size"      // nothing is larger than allowed
	StageSignature = "signature" // the signature, the version and the grants
	StageABI       = "abi"       // the module speaks a known ABI
	StageRewrite   = "rewrite"   // metering is put into its code
	StageCompile   = "compile"   // it is compiled and instantiated
	StageConfig    = "on_config" // it takes its configuration
	StageSelfTest  = "self_test" // its own vectors hold
	StageSnapshot  = "snapshot"  // its memory is kept, to be put back later
	StageWarm      = "warm"      // the warm-up calls
	StageSwap      = "swap"      // it goes live
)

// Stages are all stages, in order.
func Stages() []string {
	return []string{
		StageRead, StageSize, StageSignature, StageABI, StageRewrite, StageCompile, StageConfig, StageSelfTest, StageSnapshot,
		StageWarm, StageSwap,
	}
}

// StageError is a failure of one stage. errors.As finds it in what Engine.Load returns.
type StageError struct {
	Stage string // one of Stages
	Err   error
}

// Error is the stage's name and what failed.
func (e *StageError) Error() string { return e.Stage + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *StageError) Unwrap() error { return e.Err }

// at names the stage of an error, unless it is nil or names one already.
func at(stage string, err error) error {
	if err == nil || StageOf(err) != "" {
		return err
	}
	return &StageError{Stage: stage, Err: err}
}

// StageOf is the stage that an error names, "" if it names none.
func StageOf(err error) string {
	var e *StageError
	if errors.As(err, &e) {
		return e.Stage
	}
	return ""
}
