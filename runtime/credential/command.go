package credential

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Command is a program that writes a secret to its standard output.
type Command struct {
	Args []string      // the program and its arguments; there is no shell between
	Dir  string        // it runs there; "" means where the gateway does
	JSON string        // the field of the JSON object that it writes; "" means that it writes the secret alone
	TTL  time.Duration // how long the secret is kept; 0 means until the exp of a JSON Web Token, or 5 minutes
}

const (
	commandTTL = 5 * time.Minute
	maxOutput  = 64 << 10 // bytes of a command's output, or of a token endpoint's answer

	// lastBreath is how long a killed command's output may stay open, in the hands of its children.
	lastBreath = time.Second
)

// Fetch runs the command. What it writes to standard error is thrown away: it may hold anything.
func (c Command) Fetch(ctx context.Context) (Token, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // the program is the operator's own choice
	out := &bounded{limit: maxOutput}
	cmd.Dir, cmd.Stdout, cmd.WaitDelay = c.Dir, out, lastBreath
	alone(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Token{}, errors.New("the command did not end in time and was killed")
	case out.over:
		return Token{}, fmt.Errorf("the command writes more than %d bytes; it is to write the secret alone", maxOutput)
	case errors.As(err, &exit):
		return Token{}, fmt.Errorf("the command failed with exit code %d; run it by hand", exit.ExitCode())
	case err != nil:
		return Token{}, errors.New("the command cannot be run; check that it is there and may be executed")
	}
	return c.token(out.text.Bytes())
}

func (c Command) token(out []byte) (Token, error) {
	t := Token{Secret: strings.TrimRight(string(out), "\r\n"), Look: c.TTL}
	if c.JSON != "" {
		var ok bool
		if t.Secret, ok = field(out, c.JSON); !ok {
			return Token{}, fmt.Errorf("the command writes no JSON object with text in its field %s", c.JSON)
		}
	}
	if t.Look == 0 && expiry(t.Secret).IsZero() {
		t.Look = commandTTL
	}
	return t, nil
}

// field gets a field of a JSON object; a dot steps into an object.
func field(text []byte, path string) (string, bool) {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return "", false
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	s, ok := v.(string)
	return s, ok
}

// bounded takes so many bytes, and fails the writer of more.
type bounded struct {
	text  bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.limit {
		b.over = true
		return 0, errors.New("too much")
	}
	return b.text.Write(p)
}
