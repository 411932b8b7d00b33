package control

import (
	"errors"
	"os"
	"slices"
	"sync"

	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/config"
)

// listeners finds where to listen and the admin listener's credential. Nothing is opened: that is for the start.
func (b *builder) listeners() {
	var err error
	if b.gen.addresses, err = b.cfg.Addresses(os.Environ()); err != nil {
		b.noteAll(err)
	}
	admin := b.cfg.Admin
	switch {
	case admin == nil || admin.Token == nil:
	case admin.Token.Ephemeral:
		b.gen.token = b.c.admin.get()
	default:
		if b.gen.token, err = admin.Token.Resolve(b.cfg.Dir()); err != nil {
			b.fault("admin.token", "%v", err)
		}
	}
}

// noteAll notes faults that config found.
func (b *builder) noteAll(err error) {
	var faults config.Faults
	if errors.As(err, &faults) {
		b.faults = append(b.faults, faults...)
		return
	}
	b.fault("", "%v", err)
}

// Addresses are where to listen, in the order to try.
func (c *Controller) Addresses() []string {
	if gen := c.generation(); gen != nil {
		return gen.addresses
	}
	return nil
}

// AdminToken is the credential of control calls, "" if the listener has none. It changes when the secret that the
// configuration refers to does.
func (c *Controller) AdminToken() string {
	if gen := c.generation(); gen != nil {
		return gen.token
	}
	return ""
}

// adminToken is the token made at random, once in a process.
type adminToken struct {
	once  sync.Once
	token string
}

func (t *adminToken) get() string {
	t.once.Do(func() { t.token, _ = auth.NewKey() })
	return t.token
}

// sameListener tells whether two admin sections ask for the same listener. Their tokens may differ: those are read anew.
func sameListener(a, b *config.Admin) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Listen == b.Listen && a.Socket == b.Socket && (a.TLS == nil) == (b.TLS == nil) && slices.Equal(a.Hosts, b.Hosts)
}
