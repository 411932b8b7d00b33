package socket

import (
	"math"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// pace is the least time between two rounds of the paced poller while there is much to tell.
const pace = time.Millisecond

// shared are the pollers of all Polled connections. They run as long as there is one.
var shared pollers

type pollers struct {
	mu            sync.Mutex
	users         int
	prompt, paced *poller
}

func (s *pollers) enter() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		if s.prompt, err = newPoller(); err != nil {
			return err
		}
		if s.paced, err = newPacedPoller(); err != nil {
			s.prompt.close()
			return err
		}
	}
	s.users++
	return nil
}

func (s *pollers) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 {
		s.prompt.close()
		s.paced.close()
	}
}

// poller tells connections of what happens to them (epoll(7), edge-triggered). While it has nothing to tell, the runtime's
// poller waits for it, as for any descriptor.
//
//	connections ─► events ─► [gate, of a paced one] ─► the runtime's poller
//
// What happens within a pause of a paced poller does not wake the process: its gate lets one word through and is shut
// until it is opened again.
type poller struct {
	events int      // the epoll of the connections
	wake   *os.File // what the runtime's poller waits for: events, or the gate
	raw    syscall.RawConn
	gate   bool
	last   time.Time // when a paced one told last

	mu    sync.Mutex
	conns []*polled // by slot
	free  []int32
}

func newEpoll() (int, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	return fd, nil
}

func newPoller() (*poller, error) {
	events, err := newEpoll()
	if err != nil {
		return nil, err
	}
	return (&poller{events: events}).start(events)
}

func newPacedPoller() (*poller, error) {
	events, err := newEpoll()
	if err != nil {
		return nil, err
	}
	gate, err := newEpoll()
	if err == nil {
		if err = control(gate, syscall.EPOLL_CTL_ADD, events, syscall.EPOLLIN|syscall.EPOLLONESHOT, 0); err != nil {
			_ = syscall.Close(gate)
		}
	}
	if err != nil {
		_ = syscall.Close(events)
		return nil, err
	}
	return (&poller{events: events, gate: true}).start(gate)
}

func control(epoll, op, fd int, events uint32, slot int32) error {
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(epoll, op, fd, &syscall.EpollEvent{Events: events, Fd: slot}))
}

// start runs the poller. It owns the descriptor that it waits for.
func (p *poller) start(wake int) (*poller, error) {
	err := syscall.SetNonblock(wake, true) // so that package os waits for it with the runtime's poller
	if err == nil {
		p.wake = os.NewFile(uintptr(wake), "epoll")
		p.raw, err = p.wake.SyscallConn()
	}
	if err != nil {
		_ = syscall.Close(wake)
		if p.gate {
			_ = syscall.Close(p.events)
		}
		return nil, err
	}
	run := p.round
	if p.gate {
		run = p.paced
	}
	go func() { _ = p.raw.Read(run) }() // until close
	return p, nil
}

func (p *poller) close() {
	_ = p.wake.Close()
	if p.gate {
		_ = syscall.Close(p.events)
	}
}

// add has the connection told from now on, at once where there is something already.
func (p *poller) add(c *polled) error {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		c.slot, p.free = p.free[n-1], p.free[:n-1]
		p.conns[c.slot] = c
	} else {
		c.slot = int32(min(len(p.conns), math.MaxInt32)) // descriptors are fewer
		p.conns = append(p.conns, c)
	}
	p.mu.Unlock()
	err := control(p.events, syscall.EPOLL_CTL_ADD, c.fd, syscall.EPOLLIN|syscall.EPOLLOUT|syscall.EPOLLRDHUP|edge, c.slot)
	if err != nil {
		p.forget(c)
	}
	return err
}

// remove ends that. A word that is on its way may still come, to a connection that then has the slot too: it finds nothing.
func (p *poller) remove(c *polled) {
	_ = control(p.events, syscall.EPOLL_CTL_DEL, c.fd, 0, 0)
	p.forget(c)
}

func (p *poller) forget(c *polled) {
	p.mu.Lock()
	p.conns[c.slot] = nil
	p.free = append(p.free, c.slot)
	p.mu.Unlock()
}

const batch = 128

// round tells all that there is to tell, and says that it is not done: the runtime is to wait and call again.
func (p *poller) round(uintptr) (done bool) {
	p.tell()
	return false
}

// tell tells connections what has happened and returns of how many things.
func (p *poller) tell() (told int) {
	var events [batch]syscall.EpollEvent
	for {
		n := ready(p.events, events[:])
		if n <= 0 {
			return told
		}
		p.mu.Lock()
		for i := range events[:n] {
			e := &events[i]
			c := p.conns[e.Fd]
			if c == nil {
				continue
			}
			if e.Events&(syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
				c.ended.Store(true)
			}
			c.tell()
		}
		p.mu.Unlock()
		if told += n; n < batch {
			return told
		}
	}
}

// paced tells at once what comes after a quiet time, and then what came in each pause, as long as that is more than one
// thing. So a lone stream does not wait, and many share what it costs to wake up.
func (p *poller) paced(gate uintptr) (done bool) {
	var word [1]syscall.EpollEvent
	if ready(int(gate), word[:]) <= 0 {
		return false
	}
	for busy := true; busy; {
		now := time.Now()
		told := p.tell()
		if busy = told > 1 || told == 1 && now.Sub(p.last) < pace; busy {
			time.Sleep(pace)
		}
		p.last = now
	}
	return control(int(gate), syscall.EPOLL_CTL_MOD, p.events, syscall.EPOLLIN|syscall.EPOLLONESHOT, 0) != nil
}

// ready asks an epoll without waiting. The scheduler is not told: the call does not block.
func ready(epoll int, events []syscall.EpollEvent) int {
	for {
		n, _, err := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0) //nolint:gosec // as package syscall does it
		switch err {
		case 0:
			return int(n)
		case syscall.EINTR:
		default:
			return -1
		}
	}
}
