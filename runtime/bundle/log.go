package bundle

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/open-policy-agent/opa/v1/logging"
)

// logger is the program's log as OPA sees it. OPA never learns that debug records are wanted: at that level it writes
// answers of servers and headers into the log.
type logger struct {
	log    *slog.Logger
	plugin string
}

// ours are beginnings of records that tell what Status tells.
var ours = []string{"Bundle load failed", "Bundle activation failed", "Bundle download failed", "OCI - Bundle download failed", "Bundle loaded and activated"}

func (l *logger) write(level slog.Level, format string, args []any) {
	text := fmt.Sprintf(format, args...)
	for _, start := range ours {
		if strings.HasPrefix(text, start) {
			return
		}
	}
	l.log.Log(context.Background(), level, "OPA: "+withoutQuery(text), "plugin", l.plugin)
}

// Debug drops a record.
func (*logger) Debug(string, ...any) {}

// Info writes what OPA finds worth telling, which is much, as debug.
func (l *logger) Info(format string, args ...any) { l.write(slog.LevelDebug, format, args) }

// Warn writes a warning.
func (l *logger) Warn(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// Error writes a warning: what fails is tried again.
func (l *logger) Error(format string, args ...any) { l.write(slog.LevelWarn, format, args) }

// WithFields keeps the plugin's name.
func (l *logger) WithFields(fields map[string]any) logging.Logger {
	out := *l
	if name, ok := fields["plugin"].(string); ok {
		out.plugin = name
	}
	return &out
}

// GetLevel is never debug.
func (*logger) GetLevel() logging.Level { return logging.Info }

// SetLevel changes nothing.
func (*logger) SetLevel(logging.Level) {}
