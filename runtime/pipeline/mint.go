package pipeline

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Mint makes the ids that callers get for state on a model server, and reads them again. An id holds the model server's
// own and says at which endpoint it is; it is good for the principal that got it and for no other: its HMAC-SHA256 (RFC
// 2104) is over the kind, tenant, principal, model, endpoint and the model server's id. Nothing is kept of those given.
type Mint struct{ key []byte }

// NewMint makes a Mint. Without a key it has one at random: its ids end with the process.
func NewMint(key []byte) *Mint {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
	}
	return &Mint{key: key}
}

// Bytes of an id before the model server's own: which endpoint, and the code that proves it.
const (
	placeSize = 8
	proofSize = 16
)

// place is where state is.
type place struct{ model, endpoint string }

// sum is the HMAC over the parts, each with its length before it.
func (m *Mint) sum(parts ...string) []byte {
	h := hmac.New(sha256.New, m.key)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func (m *Mint) proof(kind string, who *exchange.Principal, at place, id string) []byte {
	return m.sum("id", kind, who.Tenant, who.ID, at.model, at.endpoint, id)[:proofSize]
}

func (m *Mint) where(at place) []byte { return m.sum("place", at.model, at.endpoint)[:placeSize] }

// give is the id for the principal. It begins as the model server's does, such as with resp_.
func (m *Mint) give(kind string, who *exchange.Principal, at place, id string) string {
	b := append(m.where(at), m.proof(kind, who, at, id)...)
	prefix, _, named := strings.Cut(id, "_")
	if !named {
		prefix = "id"
	}
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(append(b, id...))
}

// take reads an id that the principal sent. places are where it may be.
func (m *Mint) take(kind string, who *exchange.Principal, given string, places func(yield func(place) bool)) (at place, id string, ok bool) {
	_, coded, _ := strings.Cut(given, "_")
	b, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil || len(b) <= placeSize+proofSize {
		return place{}, "", false
	}
	id = string(b[placeSize+proofSize:])
	for at := range places {
		if hmac.Equal(m.where(at), b[:placeSize]) && hmac.Equal(m.proof(kind, who, at, id), b[placeSize:placeSize+proofSize]) {
			return at, id, true
		}
	}
	return place{}, "", false
}

// given are the kinds of ids that leave as the gateway's own.
var given = map[string]bool{"previous_response": true, "conversation": true}

// keeps tells whether the model server keeps something of the exchange: only then its ids are of use, and are minted.
func keeps(r *wire.Request) bool {
	for i := range r.Reach {
		switch r.Reach[i].Kind {
		case "store", "background", "previous_response", "conversation":
			return true
		}
	}
	return false
}

// mint puts the gateway's own ids in the place of the model server's.
func (p *producer) mint(ids []wire.ID) {
	if len(ids) == 0 || !keeps(p.r.x.Request) {
		return
	}
	for _, id := range ids {
		if s := id.Node.Bytes(); given[id.Kind] && len(s) > 0 {
			at := place{p.head.Model, p.head.Endpoint}
			id.Node.SetBytes([]byte(p.r.snap.IDs.give(id.Kind, p.r.x.Principal, at, string(s))))
		}
	}
}
