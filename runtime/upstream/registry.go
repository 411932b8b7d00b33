package upstream

import "sync"

// Registry keeps what survives a change of the configuration: the endpoints' records and the transports with their idle
// connections. A part lives as long as any Endpoint or Caller of any generation uses it. The zero value is ready, and a
// Registry is safe for concurrent use.
type Registry struct {
	mu         sync.Mutex
	records    map[string]*record
	transports map[string]*Transport
}

// acquire gives the record of that key, a new one if there is none, and counts its user.
func (r *Registry) acquire(key string) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.records[key]
	if rec == nil {
		rec = newRecord()
		if r.records == nil {
			r.records = map[string]*record{}
		}
		r.records[key] = rec
	}
	rec.refs++
	return rec
}

// release counts a user less; the record of none is forgotten.
func (r *Registry) release(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.records[key]; rec != nil {
		if rec.refs--; rec.refs <= 0 {
			delete(r.records, key)
		}
	}
}

// Transport gives the transport of exactly these options, shared with all who asked the same before. Every one of them
// closes it; the last one really does.
func (r *Registry) Transport(o TransportOptions) (*Transport, error) {
	fresh, err := NewTransport(o)
	if err != nil {
		return nil, err
	}
	key := fresh.o.key()
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.transports[key]; t != nil {
		t.refs++
		return t, nil
	}
	if r.transports == nil {
		r.transports = map[string]*Transport{}
	}
	fresh.registry, fresh.refs = r, 1
	r.transports[key] = fresh
	return fresh, nil
}

// drop counts a user of t less and tells whether it was the last.
func (r *Registry) drop(t *Transport) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.refs--; t.refs > 0 {
		return false
	}
	delete(r.transports, t.o.key())
	return true
}
