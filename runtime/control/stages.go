package control

import (
	"sync"

	"github.com/sluicegate/sluice/runtime/filter"
)

// tallies count what happened to filters, by filter and a word of a closed set.
type tallies struct {
	mu     sync.Mutex
	counts map[[2]string]int64
}

// maxTallies bounds the pairs: names of filters come from whoever may deploy.
const maxTallies = 1024

// add counts one.
func (t *tallies) add(name, word string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{name, word}
	if _, ok := t.counts[key]; !ok && len(t.counts) >= maxTallies {
		key[0] = "other"
	}
	if t.counts == nil {
		t.counts = map[[2]string]int64{}
	}
	t.counts[key]++
}

// read gives each pair and its count.
func (t *tallies) read(add func(float64, ...string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, n := range t.counts {
		add(float64(n), key[0], key[1])
	}
}

// counts count by a word of a closed set.
type counts struct{ tallies }

func (c *counts) add(word string) { c.tallies.add("", word) }

func (c *counts) read(add func(float64, ...string)) {
	c.tallies.read(func(n float64, labels ...string) { add(n, labels[1]) })
}

// stageFailed notes that a filter did not go live.
func (c *Controller) stageFailed(name string, err error) {
	at := filter.StageOf(err)
	c.failed.add(name, at)
	if !c.dry && c.generation() != nil { // at the start, the faults are printed
		c.log.Error("a filter did not go live, the version before stays", "filter", name, "stage", at, "error", err.Error())
	}
}

// rolledBack counts a version that was taken back.
func (c *Controller) rolledBack(name, why string) { c.rollbacks.add(name, why) }
