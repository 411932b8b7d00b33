package pipeline

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// Mint makes the ids that callers get for state on a model server, and reads them again. An id holds the model server's
// own and says at which endpoint it is; it is good for the principal that got it and for no other: its HMAC-SHA256 (RFC
// 2104) is over the kind, tenant, principal, model, endpoint and the model server's id. Nothing is kept of those given.
// Ids are made with the first key and read with any.
type Mint struct{ keys []mintKey }

// NewMint makes a Mint. Without a key it has one at random: its ids end with the process. An empty key is none: with it
// anybody could make ids.
func NewMint(keys ...[]byte) *Mint {
	m := &Mint{}
	for _, key := range keys {
		if len(key) > 0 {
			m.keys = append(m.keys, key)
		}
	}
	if len(m.keys) == 0 {
		key := make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
		m.keys = []mintKey{key}
	}
	return m
}

// mintKey is one of a Mint's keys.
type mintKey []byte

// Bytes of an id before the model server's own: which endpoint, and the code that proves it.
const (
	placeSize = 8
	proofSize = 16
)

// place is where state is.
type place struct{ model, endpoint string }

// sum is the HMAC over the parts, each with its length before it.
func (k mintKey) sum(parts ...string) []byte {
	h := hmac.New(sha256.New, k)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func (k mintKey) proof(kind string, who *exchange.Principal, at place, id string) []byte {
	return k.sum("id", kind, who.Tenant, who.ID, at.model, at.endpoint, id)[:proofSize]
}

// where is what an id says of where the state is. Each key says it otherwise, so it tells the key too.
type where [placeSize]byte

func (k mintKey) where(at place) where { return where(k.sum("place", at.model, at.endpoint)) }

// origin is where an id is from: the place, and the key that it was made with.
type origin struct {
	place
	key mintKey
}

// origins are all endpoints under each key, by what an id says: however many keys there are, an id is proved with one.
func (m *Mint) origins(models map[string]*Model) map[where]origin {
	out := map[where]origin{}
	for name, model := range models {
		for _, e := range model.Pool.Endpoints() {
			at := place{name, e.Name()}
			for _, k := range m.keys {
				out[k.where(at)] = origin{at, k}
			}
		}
	}
	return out
}

// give is the id for the principal. It begins as the model server's does, such as with resp_.
func (m *Mint) give(kind string, who *exchange.Principal, at place, id string) string {
	k := m.keys[0]
	to := k.where(at)
	b := append(to[:], k.proof(kind, who, at, id)...)
	prefix, _, named := strings.Cut(id, "_")
	if !named {
		prefix = "id"
	}
	return prefix + "_" + base64.RawURLEncoding.EncodeToString(append(b, id...))
}

// take reads an id that the principal sent.
func (s *Snapshot) take(kind string, who *exchange.Principal, given string) (at place, id string, ok bool) {
	_, coded, _ := strings.Cut(given, "_")
	b, err := base64.RawURLEncoding.Strict().DecodeString(coded)
	if err != nil || len(b) <= placeSize+proofSize {
		return place{}, "", false
	}
	from, known := s.origins[where(b)]
	if !known {
		return place{}, "", false
	}
	id = string(b[placeSize+proofSize:])
	return from.place, id, hmac.Equal(from.key.proof(kind, who, from.place, id), b[placeSize:placeSize+proofSize])
}

// minted is an id of a model server. A stream has the same few ids in all of its events.
type minted struct{ kind, id string }

// keeps tells whether the model server keeps something of the exchange: only then its ids are of use, and are minted.
func keeps(r *wire.Request) bool {
	for i := range r.Reach {
		switch r.Reach[i].Kind {
		case "store", "background", "previous_response", "conversation", "item_reference":
			return true
		}
	}
	return false
}

// numbers are the numbers of a token in a text that a model server keeps: of its value, and the same in each exchange of
// the principal. By their order of appearance two values would have one token, and an answer that goes on from the text of
// an earlier exchange would be restored wrongly. Each key gives one, so that tokens of before a rotation are read as well.
// Seven digits are not taken for any number that filters look for.
func (r *run) numbers(kind, value string) []int {
	who := r.x.Principal
	out := make([]int, 0, len(r.snap.IDs.keys))
	for _, k := range r.snap.IDs.keys {
		sum := k.sum("number", who.Tenant, who.ID, kind, value)
		out = append(out, 1_000_000+int(binary.BigEndian.Uint32(sum)%9_000_000))
	}
	return out
}

// mint puts the gateway's own ids in the place of the model server's. Each is made once, however often it comes.
func (p *producer) mint(ids []wire.ID) {
	if len(ids) == 0 || !keeps(p.r.x.Request) {
		return
	}
	for _, id := range ids {
		s := id.Node.Bytes()
		if len(s) == 0 {
			continue
		}
		own, known := p.r.minted[minted{id.Kind, string(s)}]
		if !known {
			own = p.own(minted{id.Kind, string(s)})
		}
		id.Node.SetBytes(own)
	}
}

// own makes the gateway's id.
func (p *producer) own(id minted) []byte {
	if p.r.minted == nil {
		p.r.minted = map[minted][]byte{}
	}
	own := []byte(p.r.snap.IDs.give(id.kind, p.r.x.Principal, place{p.head.Model, p.head.Endpoint}, id.id))
	p.r.minted[id] = own
	return own
}

// given puts the model server's own ids in the place of those that the gateway gave to this principal for things that the
// request has whole: an item may be sent again as it came. One that is no such id is the caller's own word and stays.
func (r *run) given() error {
	for _, g := range r.x.Request.Given {
		own := g.Text.Bytes()
		_, id, ok := r.snap.take("item_reference", r.x.Principal, string(own))
		if !ok {
			continue
		}
		if err := g.Text.Edit([]strictjson.Edit{{End: len(own), With: []byte(id)}}); err != nil {
			return exchange.Fail(exchange.StageParse, wire.Internal, "internal error", err)
		}
	}
	return nil
}
