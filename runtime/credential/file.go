package credential

import (
	"context"
	"time"
)

// look is how old what was read of a file may get: tokens are rotated in place, by others, without a word.
const look = time.Second

// File is the Fetch of a secret that read gets from a file: it is looked at once a second while it is used.
func File(read func() (string, error)) Fetch {
	return func(context.Context) (Token, error) {
		secret, err := read()
		return Token{Secret: secret, Look: look}, err
	}
}
