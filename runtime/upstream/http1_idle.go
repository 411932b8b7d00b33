package upstream

import (
	"sync"
	"time"
)

// idleConns keeps the connections that no exchange uses. The one used last is taken first, so that surplus ones age and
// go. It runs no goroutine: a timer is set while there is anything to age.
type idleConns struct {
	limit int

	mu     sync.Mutex
	conns  []*conn // by the time they became idle, ascending
	reaper *time.Timer
	closed bool
}

// get takes a connection that still stands, or nil.
func (p *idleConns) get(now time.Time) *conn {
	for {
		c := p.pop()
		if c == nil {
			return nil
		}
		if now.Sub(c.since) < keepIdle && c.quiet() {
			c.answered = false
			return c
		}
		_ = c.Close()
	}
}

func (p *idleConns) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns)
	if n == 0 {
		return nil
	}
	c := p.conns[n-1]
	p.conns[n-1] = nil
	p.conns = p.conns[:n-1]
	return c
}

// put keeps c, unless the list is closed or full; then it is the caller's to close.
func (p *idleConns) put(c *conn, now time.Time) bool {
	c.since = now
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.conns) >= p.limit {
		return false
	}
	p.conns = append(p.conns, c)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(keepIdle, p.reap)
	}
	return true
}

// reap closes what has been idle for too long and comes back while anything is left.
func (p *idleConns) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(p.conns) && now.Sub(p.conns[n].since) >= keepIdle {
		_ = p.conns[n].Close()
		n++
	}
	p.conns = append(p.conns[:0], p.conns[n:]...)
	clear(p.conns[len(p.conns) : len(p.conns)+n])
	if len(p.conns) == 0 || p.closed {
		p.reaper = nil
		return
	}
	p.reaper.Reset(keepIdle - now.Sub(p.conns[0].since))
}

// close closes what is idle; what comes back later is not kept.
func (p *idleConns) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
}
