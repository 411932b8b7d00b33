package socket

import (
	"math"
	"os"
	"sync"
	"syscall"
)

// Watcher tells of connections that their peer has closed, its sending half at least, while nobody reads from them. It costs
// a system call for each connection and nothing for what comes on it.
type Watcher struct {
	file *os.File
	raw  syscall.RawConn
	done chan struct{}

	mu   sync.Mutex
	last int32
	gone map[int32]func()
}

// NewWatcher makes a Watcher, which works until Close.
func NewWatcher() (*Watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that package os waits for it with its own poller
		_ = syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	w := &Watcher{file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), gone: map[int32]func(){}}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	go w.watch()
	return w, nil
}

// Watch has gone called, once at most and from another goroutine, when the peer closes c or breaks it. stop ends that, and
// must be called before c is closed or given away; a call of gone may be under way still.
func (w *Watcher) Watch(c syscall.Conn, gone func()) (stop func(), err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	id := w.name(gone)
	// What is hung up or broken is told unasked (epoll_ctl(2)).
	if err := w.control(raw, syscall.EPOLL_CTL_ADD, &syscall.EpollEvent{Events: syscall.EPOLLRDHUP | edge, Fd: id}); err != nil {
		w.forget(id)
		return nil, err
	}
	return func() {
		w.forget(id)
		_ = w.control(raw, syscall.EPOLL_CTL_DEL, nil) // one that is closed has left already
	}, nil
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// Close ends the Watcher.
func (w *Watcher) Close() error {
	err := w.file.Close()
	<-w.done
	return err
}

func (w *Watcher) control(of syscall.RawConn, op int, event *syscall.EpollEvent) error {
	var failed error
	err := w.raw.Control(func(epoll uintptr) {
		err := of.Control(func(fd uintptr) {
			failed = os.NewSyscallError("epoll_ctl", syscall.EpollCtl(int(epoll), op, int(fd), event))
		})
		if err != nil {
			failed = err
		}
	})
	if err != nil {
		return err
	}
	return failed
}

func (w *Watcher) name(gone func()) int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if w.last == math.MaxInt32 {
			w.last = 0
		}
		w.last++
		if w.gone[w.last] == nil {
			w.gone[w.last] = gone
			return w.last
		}
	}
}

func (w *Watcher) forget(id int32) {
	w.mu.Lock()
	delete(w.gone, id)
	w.mu.Unlock()
}

// watch waits for events, until Close.
func (w *Watcher) watch() {
	defer close(w.done)
	events := make([]syscall.EpollEvent, 64)
	_ = w.raw.Read(func(fd uintptr) (done bool) { // that it was closed is no news
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 {
				return err != nil
			}
			for _, e := range events[:n] {
				w.tell(e.Fd)
			}
		}
	})
}

func (w *Watcher) tell(id int32) {
	w.mu.Lock()
	gone := w.gone[id]
	delete(w.gone, id)
	w.mu.Unlock()
	if gone != nil {
		gone()
	}
}
