package upstream_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exampleContext is never cancelled.
var exampleContext = context.Background()

// exampleTB lets an example start a model server, which it stops itself.
type exampleTB struct{ testing.TB }

func (exampleTB) Cleanup(func()) {}
func (exampleTB) Helper()        {}
