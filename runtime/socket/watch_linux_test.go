package socket

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watching is a Watcher and a listener for connections to watch.
type watching struct {
	*testing.T
	w *Watcher
	l net.Listener
}

func watch(t *testing.T) watching {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = l.Close()
		_ = w.Close()
	})
	return watching{t, w, l}
}

// pair is the two ends of a connection, and what is told of the first.
func (t watching) pair() (ours, theirs *net.TCPConn, told chan string, stop func()) {
	t.Helper()
	peer, err := net.Dial("tcp", t.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := t.l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	told = make(chan string, 4)
	if stop, err = t.w.Watch(Direct(nc).(syscall.Conn), func() { told <- "gone" }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = peer.Close(), nc.Close() })
	return nc.(*net.TCPConn), peer.(*net.TCPConn), told, stop
}

// watched is how many are watched.
func (t watching) watched() int {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	return len(t.w.gone)
}

// flush has all told that happened so far: another connection's end is told after it.
func (t watching) flush() {
	t.Helper()
	_, theirs, told, _ := t.pair()
	_ = theirs.Close()
	<-told
}

// The peer's end is told once, however it comes and whatever lies unread before it.
func TestWatch(t *testing.T) {
	w := watch(t)
	for name, leave := range map[string]func(c *net.TCPConn){
		"sending half": func(c *net.TCPConn) { _ = c.CloseWrite() },
		"closed":       func(c *net.TCPConn) { _ = c.Close() },
		"reset":        func(c *net.TCPConn) { _, _ = c.SetLinger(0), c.Close() },
		"unread":       func(c *net.TCPConn) { _, _ = c.Write([]byte("a request")); _ = c.CloseWrite() },
	} {
		_, theirs, told, stop := w.pair()
		leave(theirs)
		<-told
		_ = theirs.Close() // a second end of one who has only closed its sending half
		w.flush()
		if len(told) > 0 {
			t.Errorf("%s: told again", name)
		}
		stop()
		stop()
	}
	if n := w.watched(); n != 0 {
		t.Errorf("%d are watched", n)
	}
}

// Who closed before it was watched is told of, too.
func TestWatchAfterwards(t *testing.T) {
	w := watch(t)
	ours, theirs, told, stop := w.pair()
	stop()
	_ = theirs.CloseWrite()
	w.flush()
	if len(told) > 0 {
		t.Error("told after stop")
	}
	late := make(chan struct{})
	stop, err := w.w.Watch(ours, func() { close(late) })
	if err != nil {
		t.Fatal(err)
	}
	<-late
	stop()
	_ = ours.Close()
	if _, err := w.w.Watch(ours, func() {}); err == nil {
		t.Error("a closed connection is watched")
	}
	if n := w.watched(); n != 0 {
		t.Errorf("%d are watched", n)
	}
}

// Data is not told of, nor what we close ourselves; nor is an end of another that got its descriptor.
func TestNotTold(t *testing.T) {
	w := watch(t)
	ours, theirs, told, stop := w.pair()
	for range 3 {
		_, _ = theirs.Write(make([]byte, 100<<10))
		w.flush()
	}
	_ = ours.CloseWrite()
	w.flush()
	_ = ours.Close() // unwatched by the kernel
	stop()
	_, other, _, _ := w.pair()
	_ = other.Close()
	w.flush()
	if len(told) > 0 {
		t.Error("told")
	}
}

// Many connections at once, that leave, are stopped or both, from many goroutines.
func TestWatchMany(t *testing.T) {
	w := watch(t)
	var told atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		ours, theirs, ended, stop := w.pair()
		all.Go(func() {
			switch i % 3 {
			case 0:
				_ = theirs.Close()
				<-ended
				told.Add(1)
			case 1:
				stop()
				_ = ours.Close()
			default:
				all.Go(func() { _ = theirs.CloseWrite() })
				stop()
				_ = ours.Close()
			}
		})
	}
	all.Wait()
	if n := w.watched(); n != 0 || told.Load() != 67 {
		t.Errorf("%d are watched, %d were told of", n, told.Load())
	}
}

// Close ends a Watcher that watches; those that use it then are told that it is closed.
func TestWatcherClose(t *testing.T) {
	w := watch(t)
	ours, theirs, told, stop := w.pair()
	if err := w.w.Close(); err != nil {
		t.Error(err)
	}
	_ = theirs.Close()
	if _, err := ours.Read(make([]byte, 1)); err == nil {
		t.Error("read something")
	}
	stop()
	if _, err := w.w.Watch(ours, func() {}); err == nil {
		t.Error("a closed Watcher watches")
	}
	if n := w.watched(); n != 0 || len(told) > 0 {
		t.Errorf("%d are watched, %d told", n, len(told))
	}
}
