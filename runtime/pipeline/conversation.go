package pipeline

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// conversation is a number that the requests of one conversation have in common and others hardly ever: of the tenant, of
// all that the system says before, and of the first that the user says. It is of the text as it is sent, and the same at every
// instance of the gateway. 0 is no conversation: there is no user who says anything. The text itself is not kept.
func conversation(x *exchange.Exchange) uint64 {
	h := sha256.New()
	add := func(b []byte) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		_, _ = h.Write(n[:]) // a hash takes everything
		_, _ = h.Write(b)
	}
	add([]byte(x.Principal.Tenant))
	for i := range x.Request.Segments {
		s := &x.Request.Segments[i]
		if !s.Prompt || s.Role != wire.RoleSystem && s.Role != wire.RoleUser {
			continue
		}
		add(s.Text.Bytes())
		if s.Role == wire.RoleUser {
			return max(binary.LittleEndian.Uint64(h.Sum(nil)), 1)
		}
	}
	return 0
}
