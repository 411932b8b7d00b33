package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/sluicegate/sluice/runtime/reuse"
)

// Key is the SHA-256 (FIPS 180-4) of Parts. It is never shown to anyone.
type Key [sha256.Size]byte

// Parts are all that an answer may depend on. What is missing here leaks or answers wrongly, so the list is closed.
type Parts struct {
	Tenant    string
	Principal string // "" where the decision widens the scope to the tenant
	Operation string // the caller's operation
	Model     string // digest of the first allowed model's definition
	Filters   string // digest of the filters that ran, of their settings and of the facts granted to them
	Body      []byte // the final request less stream and stream_options
}

// At is the key of flights of one generation: what is in flight under one policy is never joined under another.
func (k Key) At(generation uint64) Key {
	var b [len(k) + 8]byte
	copy(b[:], k[:])
	binary.BigEndian.PutUint64(b[len(k):], generation)
	return sha256.Sum256(b[:])
}

type keyer struct {
	h   hash.Hash
	buf []byte // all parts but the body, in front of it
	sum [sha256.Size]byte
}

var keyers = reuse.Pool[keyer]{Name: "cache keys", New: func() *keyer { return &keyer{h: sha256.New()} }}

// Key hashes the parts, each behind its length, so that no two lists of parts meet in one key.
func (p Parts) Key() Key {
	k := keyers.Get()
	defer keyers.Put(k)
	k.buf = k.buf[:0]
	for _, s := range [...]string{p.Tenant, p.Principal, p.Operation, p.Model, p.Filters} {
		k.buf = append(binary.BigEndian.AppendUint64(k.buf, uint64(len(s))), s...)
	}
	k.h.Reset()
	k.h.Write(k.buf)
	k.h.Write(p.Body)
	return Key(k.h.Sum(k.sum[:0]))
}
