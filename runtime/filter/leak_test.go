package filter

import (
	"context"
	"testing"

	"github.com/sluicegate/sluice/runtime/wire"
)

// memo is a guest that sets a label when a condition tells that it remembers something, and then sees to it that it does.
type memo struct {
	name     string
	module   *asm
	remember []byte
	is       []byte // the condition
}

// asm puts the guest together: a text sets the label where the condition holds, then the guest remembers.
func (m *memo) asm() []byte {
	a := m.module
	if a == nil {
		a = builder("sluice.label")
	} else {
		a.with = map[byte][]byte{11: builder().with[11]}
		a.imp("sluice", "label", "iiii:i").memory()
	}
	notWarm := cat(get(0), []byte{0x2d, 0, 0}, num(int(warmText[0])), []byte{0x47}) // what the warm-up leaves is in the snapshot
	body := cat(when(notWarm, when(m.is, str("kkk"), str("true"), callTo(0), drop), m.remember), settleAll)
	return a.fn("sluice_abi_v1", ":i", i32(3)...).fn("alloc", "i:i", i32(16)...).fn("on_text", "iiiI:I", body...).bytes()
}

// memos are all the places in which a guest may keep something.
func memos() []memo {
	global := func(declaration ...byte) *asm { return &asm{globals: [][]byte{declaration}} }
	at := func(address int, load, store []byte) ([]byte, []byte) {
		return cat(num(address), num(1), store), cat(num(address), load, num(1), []byte{0x46})
	}
	out := []memo{
		{"a global", global(0x7f, 1, 0x41, 0, 0x0b), []byte{0x41, 1, 0x24, 0}, []byte{0x23, 0}},
		{"a long global", global(0x7e, 1, 0x42, 0, 0x0b), []byte{0x42, 1, 0x24, 0}, []byte{0x23, 0, 0xa7}},
		{"a float global", global(0x7d, 1, 0x43, 0, 0, 0, 0, 0x0b), []byte{0x43, 0, 0, 0x80, 0x3f, 0x24, 0}, []byte{0x23, 0, 0xa8}},
		{"a double global", global(0x7c, 1, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b), []byte{0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x24, 0}, []byte{0x23, 0, 0xaa}},
		{"a vector global", global(cat([]byte{0x7b, 1, 0xfd, 12}, make([]byte, 16), []byte{0x0b})...), cat(num(1), []byte{0xfd, 17, 0x24, 0}), []byte{0x23, 0, 0xfd, 0x53}},
		{"a reference global", global(0x70, 1, 0xd0, 0x70, 0x0b), []byte{0xd2, 1, 0x24, 0}, []byte{0x23, 0, 0xd1, 0x45}},
		{"grown memory", nil, cat(num(1), []byte{0x40, 0}, drop), cat([]byte{0x3f, 0}, num(3), []byte{0x4b})},
		{"a filled range", nil, cat(num(120_000), num(1), num(50_000), []byte{0xfc, 11, 0}), cat(num(169_999), []byte{0x2d, 0, 0})},
		{"a copied range", nil, cat(num(150_000), num(stringsAt), num(20), []byte{0xfc, 10, 0, 0}), cat(num(150_019), []byte{0x2d, 0, 0})},
		{"a vector store", nil, cat(num(140_000), num(1), []byte{0xfd, 17, 0xfd, 11, 0, 0}), cat(num(140_012), []byte{0x28, 2, 0})},
		{"a store over a granule's end", nil, cat(num(131_068), []byte{0x42, 0x7f, 0x37, 0, 0}), cat(num(131_075), []byte{0x2d, 0, 0})},
		{"a grown table", &asm{table: true}, cat([]byte{0xd0, 0x70}, num(1), []byte{0xfc, 15, 0}, drop), cat([]byte{0xfc, 16, 0}, num(1), []byte{0x4b})},
		{"a table's element", &asm{table: true}, []byte{0x41, 0, 0xd2, 1, 0x26, 0}, []byte{0x41, 0, 0x25, 0, 0xd1, 0x45}},
		{"a filled table", &asm{table: true}, []byte{0x41, 0, 0xd2, 1, 0x41, 1, 0xfc, 17, 0}, []byte{0x41, 0, 0x25, 0, 0xd1, 0x45}},
	}
	for name, address := range map[string]int{"the first word": 0, "behind the text": 60_000, "between": 99_000, "the last word": 3*pageSize - 4} {
		remember, is := at(address, []byte{0x28, 2, 0}, []byte{0x36, 2, 0})
		out = append(out, memo{name, nil, remember, is})
	}
	return out
}

// TestGuestsRemember has guests that keep something wherever a guest can: within an exchange they find it again, and
// from one exchange to the next never, in whatever order exchanges begin and end, over requests and streams.
func TestGuestsRemember(t *testing.T) {
	e := engine(t, Options{})
	for _, m := range memos() {
		t.Run(m.name, func(t *testing.T) {
			s := Spec{Name: "memo", Module: m.asm(), Request: true, Answer: true, Limits: Limits{Instances: 3, MemoryPages: 64}}
			f := loadWith(t, e, s)
			x := exchangeOf(t, "red", []byte(`{"model":"m","messages":[{"role":"user","content":"one"},{"role":"user","content":"two"}]}`))
			p := begin(t, x, f)
			if err := p.Request(context.Background()); err != nil || x.Labels["memo"]["kkk"] != true {
				t.Fatalf("it does not even try: %v, %v", x.Labels, err)
			}
			p.Close()
			for _, streamed := range []bool{false, true} {
				for _, closeFirst := range []bool{true, false} {
					forgets(t, f, streamed, closeFirst)
				}
			}
		})
	}
}

// forgets has exchanges of several tenants run one after the other, each with one call of the guest. They end before
// the next begins, or all together at the end.
func forgets(t *testing.T, f *Filter, streamed, closeFirst bool) {
	t.Helper()
	var open []*Pass
	for i, tenant := range []string{"red", "blue", "red", "green", "red", "blue", "yellow", "red"} {
		p := begin(t, ask(t, tenant, "some text"), f)
		open = append(open, p)
		var err error
		if streamed {
			fd := feed{r: &p.runs[0], t: newProgress(OnAnswer, wire.RoleAssistant, false, true)}
			_, err = fd.push(context.Background(), nil, []byte("some text"), true)
		} else {
			err = p.Request(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.x.Labels["memo"]["kkk"] != nil {
			t.Errorf("exchange %d, of %s (streamed %t, closed %t): it remembers one before", i, tenant, streamed, closeFirst)
		}
		if closeFirst {
			p.Close()
		}
	}
	for _, p := range open {
		p.Close()
	}
	allBack(t, f)
}

// A module that can't be put back gets a fresh instance for each exchange and says why; one that can is put back.
func TestFreshOrPutBack(t *testing.T) {
	e := engine(t, Options{})
	for _, m := range memos() {
		f := loadWith(t, e, Spec{Name: "memo", Module: m.asm(), Request: true, Answer: true, Limits: Limits{MemoryPages: 64}})
		ok, why := f.Restorable()
		if ok != (len(why) == 0) || ok != (f.mod.snap != nil) {
			t.Errorf("%s: restorable %t, %v", m.name, ok, why)
		}
		before := f.Stats()
		for range 3 {
			p := begin(t, ask(t, "red", "some text"), f)
			if err := p.Request(context.Background()); err != nil {
				t.Fatal(err)
			}
			p.Close()
		}
		st := f.Stats()
		grows := m.name == "grown memory"
		if discarded := st.Discarded - before.Discarded; (discarded == 3) != (!ok || grows) || ok && !grows && (discarded != 0 || st.Instances != 1) {
			t.Errorf("%s: restorable %t, %d instances discarded in 3 exchanges, %d alive", m.name, ok, discarded, st.Instances)
		}
	}
}

// An instance that trapped is thrown away, whatever the hook it trapped in.
func TestTrappedIsDiscarded(t *testing.T) {
	e := engine(t, Options{})
	for _, foe := range traps() {
		if foe.stage != "" || foe.code != "" || foe.want == "on_request returned 5" {
			continue
		}
		f := loadWith(t, e, Spec{Name: "foe", Module: foe.module, Request: foe.hook == "", Answer: foe.hook != "", Whole: WholeBuffer, Limits: limits})
		before := f.Stats().Discarded
		foe.setOff(t, f)
		if st := f.Stats(); st.Discarded <= before || st.Instances != 0 {
			t.Errorf("%s: %d discarded, %d alive", foe.name, st.Discarded-before, st.Instances)
		}
	}
}
