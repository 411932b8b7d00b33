package control

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
)

// events tells of writing in the folders of the files. Without a working watcher it tells nothing, and polling does it
// alone.
type events struct {
	wake  chan struct{} // one signal for each burst
	files atomic.Pointer[fileSet]
	w     *fsnotify.Watcher // nil: none works here
	done  chan struct{}
}

func newEvents(log *slog.Logger) *events {
	e := &events{wake: make(chan struct{}, 1), done: make(chan struct{})}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file events here, changes are found by polling", "error", err)
		close(e.done)
		return e
	}
	e.w = w
	go e.run()
	return e
}

// follow watches the folders of those files, and no others. It wakes: what changed before it began gives no event.
func (e *events) follow(files fileSet) {
	if e.w == nil {
		return
	}
	e.files.Store(&files)
	dirs := files.dirs()
	for _, d := range e.w.WatchList() {
		if !dirs[d] {
			_ = e.w.Remove(d) // it may be gone already
		}
	}
	for d := range dirs {
		_ = e.w.Add(d) // a folder that cannot be watched is polled
	}
	e.signal()
}

func (e *events) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) run() {
	defer close(e.done)
	for {
		select {
		case _, ok := <-e.w.Errors:
			if !ok {
				return
			}
		case ev, ok := <-e.w.Events:
			if !ok {
				return
			}
			if e.matters(ev) {
				e.signal()
			}
		}
	}
}

// matters tells whether an event may be a change. Writing to a file that is none of ours is not: the audit log often
// stands in the same folder, and is written all the time.
func (e *events) matters(ev fsnotify.Event) bool {
	if ev.Op&^(fsnotify.Write|fsnotify.Chmod) != 0 {
		return true
	}
	files := e.files.Load()
	if files == nil {
		return false
	}
	_, ours := files.files[filepath.Clean(ev.Name)]
	return ours
}

func (e *events) close() {
	if e.w != nil {
		_ = e.w.Close() // nothing is lost with it
	}
	<-e.done
}
