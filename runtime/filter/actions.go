package filter

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// maxKinds bounds the kinds that a filter may come up with.
const maxKinds = 256

// kind is what a filter calls one sort of finding, with what is done to it in each direction.
type kind struct {
	name   string
	action [2]Action
	place  int // among the filter's kinds, in the order in which they came up
	found  [2]atomic.Int64
}

// kinds interns a filter's kinds, so that a finding costs no allocation.
type kinds struct {
	mu      sync.RWMutex
	byName  map[string]*kind
	actions Actions
}

func (k *kinds) init(a Actions) {
	k.actions = a
	k.byName = map[string]*kind{}
}

// find gives the kind of a name, or nil when it is no kind's name or one too many.
func (k *kinds) find(name []byte) *kind {
	if len(name) > maxKind {
		return nil
	}
	k.mu.RLock()
	found := k.byName[string(name)]
	k.mu.RUnlock()
	if found != nil || !kindName(name) {
		return found
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if found = k.byName[string(name)]; found == nil && len(k.byName) < maxKinds {
		s := string(name)
		found = &kind{name: s, place: len(k.byName), action: [2]Action{pick(k.actions.Request, k.actions.DefaultRequest, s), pick(k.actions.Answer, k.actions.DefaultAnswer, s)}}
		k.byName[s] = found
	}
	return found
}

// pick chooses the action for a kind.
func pick(named map[string]Action, fallback Action, kind string) Action {
	if a, ok := named[kind]; ok {
		return a
	}
	if fallback != "" {
		return fallback
	}
	return Mask
}

func kindName[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > maxKind || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// check finds actions that can't be.
func (a *Actions) check(haveKey bool) error {
	for _, side := range []struct {
		d        Direction
		named    map[string]Action
		fallback Action
	}{{OnRequest, a.Request, a.DefaultRequest}, {OnAnswer, a.Answer, a.DefaultAnswer}} {
		if side.fallback != "" {
			if err := checkAction(side.d, "every other kind", side.fallback, haveKey); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(side.named)) {
			if !kindName(name) {
				return fmt.Errorf("the action for %q on %s: a kind is 1 to 32 of a-z, 0-9 and _, a letter first", name, side.d)
			}
			if err := checkAction(side.d, name, side.named[name], haveKey); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkAction(d Direction, name string, a Action, haveKey bool) error {
	switch a {
	case Mask, Block, Report:
	case Token:
		if d == OnAnswer {
			return fmt.Errorf("the action for %s on answers is token, which exists for requests only: use mask or hmac", name)
		}
	case HMAC:
		if !haveKey {
			return fmt.Errorf("the action for %s on %s is hmac, but no HMAC key is configured", name, d)
		}
	default:
		return fmt.Errorf("the action for %s on %s is %q: want token, mask, hmac, block or report", name, d, a)
	}
	return nil
}

// tokens tells whether any finding on requests may become a token.
func (a *Actions) tokens() bool {
	if a.DefaultRequest == Token {
		return true
	}
	for _, x := range a.Request {
		if x == Token {
			return true
		}
	}
	return false
}
