package meter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// The specification's own test suite, as the module cache has it with wazero's
// source, runs here twice, step by step: as it is, and rewritten with a refill
// every few units. Both must do the same, and each byte that a step changes must be marked as written. Skipped when the suite is not there.

// suites are the parts that can be metered.
var suites = []string{"v1", "v2", "tail-call", "extended-const"}

const suiteFeatures = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst

// script is a test script in the form that wast2json writes.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type, Filename, Name, As string
	Line                     int
	ModuleType               string `json:"module_type"`
	Action                   struct {
		Type, Module, Field string
		Args                []value
	}
}

type value struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

func TestSpecificationSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("runs thousands of modules")
	}
	root := suiteRoot(t)
	var calls atomic.Int64
	t.Run("scripts", func(t *testing.T) {
		for _, suite := range suites {
			scripts, err := filepath.Glob(filepath.Join(root, suite, "testdata", "*.json"))
			if err != nil || len(scripts) == 0 {
				t.Fatalf("no scripts in %s: %v", suite, err)
			}
			for i, path := range scripts {
				if raceDetector && i%16 != 0 {
					continue
				}
				t.Run(suite+"/"+strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
					t.Parallel()
					calls.Add(int64(runScript(t, root, path)))
				})
			}
		}
	})
	if n := calls.Load(); n < 40_000 && !raceDetector {
		t.Errorf("%d calls made, the suite has more", n)
	}
	if marked.Load() < 400 && !raceDetector {
		t.Errorf("%d calls changed a memory, the suite has more", marked.Load())
	}
	t.Logf("%d calls gave the same, %d changed a memory", calls.Load(), marked.Load())
}

// suiteRoot finds the suites in the source of the wazero that we build with.
func suiteRoot(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	root := filepath.Join(strings.TrimSpace(string(dir)), "internal", "integration_test", "spectest")
	if _, stat := os.Stat(root); err != nil || stat != nil {
		t.Skip("wazero's source with the specification suite is not in the module cache")
	}
	return root
}

// runScript returns how many calls the script made.
func runScript(t *testing.T, root, path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile(filepath.Join(root, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	plain, metered := newWorld(t, host, false), newWorld(t, host, true)
	for i, c := range s.Commands {
		if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
			c.As = s.Commands[i+1].As // a module can't be renamed once it runs
		}
		want, got := plain.do(filepath.Dir(path), c), metered.do(filepath.Dir(path), c)
		for _, w := range metered.watched {
			w.check(t, c.Line)
		}
		if want != got {
			t.Errorf("line %d, %s %s:\nas it is:  %s\nrewritten: %s", c.Line, c.Type, c.Action.Field, want, got)
		}
	}
	for _, w := range metered.watched {
		marked.Add(int64(w.writes))
	}
	return metered.calls
}

// marked counts the steps that changed a memory.
var marked atomic.Int64

// world is a runtime in which a script's modules live.
type world struct {
	r       wazero.Runtime
	metered bool
	calls   int
	last    api.Module
	named   map[string]api.Module
	watched map[api.Module]*watch
}

func newWorld(t *testing.T, host []byte, metered bool) *world {
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(suiteFeatures).
		WithMemoryCapacityFromMax(false))
	t.Cleanup(func() { r.Close(context.Background()) })
	if metered {
		addRefill(t, r, func(int64) int64 { return 3 })
	}
	if _, err := r.InstantiateWithConfig(ctx, host, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return &world{r: r, metered: metered, named: map[string]api.Module{}, watched: map[api.Module]*watch{}}
}

// addRefill adds the host module that metered guests import.
func addRefill(t testing.TB, r wazero.Runtime, refill func(debt int64) int64) {
	t.Helper()
	fn := api.GoFunc(func(_ context.Context, stack []uint64) {
		debt := int64(stack[0])
		if debt < 1 {
			panic(fmt.Sprintf("refill with a debt of %d", debt))
		}
		stack[0] = uint64(refill(debt))
	})
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := r.NewHostModuleBuilder(meter.DefaultModule).NewFunctionBuilder().
		WithGoFunction(fn, i64, i64).Export(meter.DefaultName).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

// do carries out a command and tells what came of it, in words that are the same
// for equal behaviour.
func (w *world) do(dir string, c command) string {
	switch c.Type {
	case "module":
		m, err := w.instantiate(dir, c.Filename, c.As)
		w.last = m
		if c.Name != "" {
			w.named[c.Name] = m
		}
		return cause(err)
	case "register":
		return ""
	case "assert_malformed", "assert_invalid":
		if c.ModuleType == "text" {
			return ""
		}
		_, err := w.instantiate(dir, c.Filename, "")
		return fmt.Sprint(err != nil)
	case "assert_unlinkable", "assert_uninstantiable":
		_, err := w.instantiate(dir, c.Filename, "")
		return fmt.Sprint(err != nil)
	}
	return w.act(c)
}

func (w *world) instantiate(dir, file, name string) (api.Module, error) {
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		panic(err)
	}
	var info meter.Info
	if w.metered {
		if b, info, err = meter.Rewrite(b, meter.Options{MaxTable: 1<<32 - 1}); err != nil {
			return nil, err
		}
	}
	m, err := w.r.InstantiateWithConfig(context.Background(), b, wazero.NewModuleConfig().WithName(name))
	if err == nil && w.metered && name == "" && info.MemoryMin > 0 && info.MemoryMin < 32 && !slices.Contains(info.Unrestorable, "imported memory") {
		w.watched[m] = newWatch(m, info) // its memory is its own: nobody can import it
	}
	return m, err
}

// act calls a function or reads a global.
func (w *world) act(c command) string {
	m := w.last
	if c.Action.Module != "" {
		m = w.named[c.Action.Module]
	}
	if m == nil {
		return "no module"
	}
	if c.Action.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(c.Action.Field).Get())
	}
	fn := m.ExportedFunction(c.Action.Field)
	if fn == nil {
		return "no function"
	}
	var args []uint64
	for _, v := range c.Action.Args {
		args = append(args, v.words()...)
	}
	results, err := fn.Call(context.Background(), args...)
	w.calls++
	for i, kind := range fn.Definition().ResultTypes() {
		if err == nil && (kind == api.ValueTypeExternref || kind == 0x70) && !slices.Contains([]uint64{0}, results[i]) {
			results[i] = 1 // an address, which differs from run to run
		}
	}
	return fmt.Sprint(results, cause(err))
}

// cause is the first line of an error: the lines after it show indexes that a
// rewrite changes.
func cause(err error) string {
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// words returns a value as the words that wazero passes it in.
func (v value) words() []uint64 {
	lanes, ok := v.Value.([]any)
	if !ok {
		text, _ := v.Value.(string)
		n := number(text)
		if v.Type == "externref" && text != "null" {
			n++
		}
		return []uint64{n}
	}
	var b bytes.Buffer
	width := 16 / len(lanes)
	for _, l := range lanes {
		n := number(l.(string))
		for i := range width {
			b.WriteByte(byte(n >> (8 * i)))
		}
	}
	words := make([]uint64, 2)
	for i, c := range b.Bytes() {
		words[i/8] |= uint64(c) << (8 * (i % 8))
	}
	return words
}

func number(text string) uint64 {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return uint64(n)
}
