package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluicegate/sluice/runtime/artifact"
)

// The names below deploy.path that are the gateway's own. They begin with a dot, so that nothing there is taken for a
// filter that somebody put down.
const (
	stateFile   = ".state.json"
	versionsDir = ".versions"
)

// ref names one version of a filter.
type ref struct {
	ID      string `json:"id,omitempty"` // of the artifact; "" inside the program
	Digest  string `json:"digest"`       // SHA-256 of the module, hex
	Version string `json:"version,omitempty"`
	Source  string `json:"source"` // where it came from
}

// history is what is remembered of one filter: which version was chosen, what to go back to, and the highest version
// that was ever accepted.
type history struct {
	Base     string        `json:"base,omitempty"` // what the configuration named when Live was chosen
	Live     ref           `json:"live"`
	Pinned   bool          `json:"pinned,omitempty"` // Live is not what the configuration names: it was deployed, or gone back to
	Previous *ref          `json:"previous,omitempty"`
	Canary   *canaryChoice `json:"canary,omitempty"` // deployed; one of the configuration is not here
	Off      []offCanary   `json:"off,omitempty"`    // canaries that were switched off, the last ones
	Highest  string        `json:"highest,omitempty"`
}

// canaryChoice is a version that some principals get.
type canaryChoice struct {
	ref
	Share       int     `json:"share"`
	MaxFailures float64 `json:"max_failures"`
	MinCalls    int     `json:"min_calls"`
}

// offCanary is a canary that was switched off. It is not taken up again unless it is deployed anew.
type offCanary struct {
	ref
	Reason string    `json:"reason"` // failures or operator
	At     time.Time `json:"at"`
	Beside string    `json:"beside"` // digest of the version that was live then
}

// maxOff bounds the canaries that are remembered.
const maxOff = 8

// state is the history of every filter by name.
type state map[string]*history

// clone is a deep copy.
func (s state) clone() state {
	out := state{}
	for name, h := range s {
		out[name] = h.clone()
	}
	return out
}

func (h *history) clone() *history {
	c := *h
	c.Previous, c.Canary, c.Off = copyOf(h.Previous), copyOf(h.Canary), slices.Clone(h.Off)
	return &c
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// of gives a filter's history, an empty one where nothing is remembered. Only a copy may be changed.
func (s state) of(name string) *history {
	if h := s[name]; h != nil {
		return h.clone()
	}
	return &history{}
}

// known tells whether the filter has ever been live.
func (h *history) known() bool { return h.Live.Digest != "" }

// keeps tells whether what is live came of an image's repository, or was chosen in its place.
func (h *history) keeps(image string) bool {
	repository, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository = repository[:i]
	}
	return h.known() && (h.Pinned || strings.HasPrefix(h.Live.Source, repository+"@"))
}

// raise notes a version that was accepted.
func (h *history) raise(version string) {
	if artifact.Compare(version, h.Highest) > 0 {
		h.Highest = version
	}
}

// switchOff notes that a canary was switched off.
func (h *history) switchOff(r ref, reason string) {
	h.forgive(r.Digest)
	h.Off = append(h.Off, offCanary{ref: r, Reason: reason, At: time.Now().UTC().Truncate(time.Second), Beside: h.Live.Digest})
	h.Off = h.Off[max(0, len(h.Off)-maxOff):]
	if h.Canary != nil && h.Canary.Digest == r.Digest {
		h.Canary = nil
	}
}

// forgive takes a canary up again.
func (h *history) forgive(digest string) {
	h.Off = slices.DeleteFunc(h.Off, func(o offCanary) bool { return o.Digest == digest })
}

func (h *history) isOff(digest string) bool {
	return slices.ContainsFunc(h.Off, func(o offCanary) bool { return o.Digest == digest })
}

// ids are the artifacts that must stay on the disk.
func (h *history) ids() []string {
	out := []string{h.Live.ID}
	if h.Previous != nil {
		out = append(out, h.Previous.ID)
	}
	if h.Canary != nil {
		out = append(out, h.Canary.ID)
	}
	return out
}

// savedState is the form of the state's file.
type savedState struct {
	Filters state `json:"filters"`
}

// loadState reads what a deploy folder remembers; a folder that has no state yet remembers nothing.
func loadState(dir string) (state, error) {
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	saved := savedState{}
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s, which says what was deployed and which versions were accepted: %w; restore it, or remove it to begin anew", stateFile, err)
	}
	for name, h := range saved.Filters {
		if h == nil || !filterName.MatchString(name) || !h.wellFormed() {
			return nil, fmt.Errorf("%s says of the filter %.64q what this program never writes; restore it, or remove it to begin anew", stateFile, name)
		}
	}
	if saved.Filters == nil {
		return state{}, nil
	}
	return saved.Filters, nil
}

// The forms of names that become parts of paths.
var (
	filterName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	idForm     = regexp.MustCompile(`^([0-9a-f]{32})?$`)
)

// wellFormed tells whether the history can be used as it is.
func (h *history) wellFormed() bool {
	return (h.Highest == "" || artifact.ValidVersion(h.Highest)) &&
		!slices.ContainsFunc(h.ids(), func(id string) bool { return !idForm.MatchString(id) })
}

// save writes the state into a deploy folder.
func (s state) save(dir string) error {
	b, err := json.MarshalIndent(savedState{s}, "", "  ")
	if err != nil {
		return err
	}
	return artifact.WriteFile(filepath.Join(dir, stateFile), append(b, '\n'))
}

func (s state) same(o state) bool { return reflect.DeepEqual(s, o) }

// versionDir is where a version of a filter is kept.
func versionDir(dir, name, id string) string { return filepath.Join(dir, versionsDir, name, id) }

// prune removes the versions of a filter that its history does not name. What cannot be removed stays.
func (h *history) prune(dir, name string) {
	folder := filepath.Join(dir, versionsDir, name)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	keep := h.ids()
	for _, e := range entries {
		if !slices.Contains(keep, e.Name()) {
			_ = os.RemoveAll(filepath.Join(folder, e.Name()))
		}
	}
}
