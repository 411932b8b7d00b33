package strictjson

import (
	"math"
	"strconv"
	"testing"
)

func TestNode(t *testing.T) {
	d := mustParse(t, ` {"a":[1,"t\u0065xt",true,null,{"k":2}],"\u0062":"plain","c":{}}`)
	defer d.Release()
	root := d.Root()
	if got := string(d.Bytes()); got[0] != ' ' {
		t.Errorf("Bytes is %q", got)
	}
	if root.Kind() != Object || root.Len() != 3 || root.Offset() != 1 {
		t.Errorf("root is %v of %d at %d", root.Kind(), root.Len(), root.Offset())
	}
	a := root.Get("a")
	kinds := []Kind{Number, String, Bool, Null, Object}
	i := 0
	for e := range a.Elements() {
		if e.Kind() != kinds[i] {
			t.Errorf("element %d is %v, want %v", i, e.Kind(), kinds[i])
		}
		i++
	}
	if i != 5 || a.Len() != 5 || string(a.Raw()) != `[1,"t\u0065xt",true,null,{"k":2}]` {
		t.Errorf("a has %d elements: %s", i, a.Raw())
	}
	var keys []string
	for k, v := range root.Members() {
		keys = append(keys, k.Str()+"="+v.Kind().String())
	}
	if got := keys[0] + " " + keys[1] + " " + keys[2]; got != "a=array b=string c=object" {
		t.Errorf("members are %s", got)
	}
	if b := root.Get("b"); !b.Is("plain") || b.Is("plai") || b.Str() != "plain" {
		t.Errorf("b is %q", b.Str())
	}
	for range root.Members() {
		break
	}
	for e := range a.Elements() {
		if e.Kind() == String {
			if !e.Is("text") || e.Is("tex") || e.Is(`t\u0065xt`) || string(e.Bytes()) != "text" {
				t.Errorf("the string is %q", e.Bytes())
			}
			break
		}
	}
}

func TestAbsentNode(t *testing.T) {
	d := mustParse(t, `{"a":1}`)
	defer d.Release()
	for _, n := range []Node{{}, d.Root().Get("b"), d.Root().Get("a").Get("b"), d.Root().Get("b").Get("c")} {
		_, isBool := n.Bool()
		_, isInt := n.Int64()
		if n.Kind() != Invalid || n.Kind().String() != "absent" || n.Raw() != nil || n.Bytes() != nil || n.Str() != "" || n.Len() != 0 || n.Offset() != -1 || n.Is("") || isBool || isInt {
			t.Errorf("an absent node says something: %+v", n)
		}
		for range n.Members() {
			t.Error("an absent node has a member")
		}
		for range n.Elements() {
			t.Error("an absent node has an element")
		}
	}
}

func TestNodeInt64(t *testing.T) {
	f := func(raw string, want int64, wantOK bool) {
		t.Helper()
		d := mustParse(t, raw)
		defer d.Release()
		if got, ok := d.Root().Int64(); got != want && ok || ok != wantOK {
			t.Errorf("%s: got %d, %v", raw, got, ok)
		}
	}
	f("0", 0, true)
	f("-12", -12, true)
	f(strconv.Itoa(math.MaxInt64), math.MaxInt64, true)
	f("9223372036854775808", 0, false)
	f("1.0", 0, false)
	f("1e2", 0, false)
	f(`"1"`, 0, false)
	f("true", 0, false)
}

func TestNodeBool(t *testing.T) {
	d := mustParse(t, `[true,false,1]`)
	defer d.Release()
	want := [][2]bool{{true, true}, {false, true}, {false, false}}
	i := 0
	for e := range d.Root().Elements() {
		if value, ok := e.Bool(); value != want[i][0] || ok != want[i][1] {
			t.Errorf("%s is %v, %v", e.Raw(), value, ok)
		}
		i++
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	body := chat(8, 200)
	allocs := testing.AllocsPerRun(100, func() {
		d, err := Parse(body, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if countNodes(d.Root()) < 8 || !d.Root().Get("model").Is("model-a") {
			t.Fatal("misread")
		}
		for m := range d.Root().Get("messages").Elements() {
			if d.Text(m.Get("content")).Len() == 0 {
				t.Fatal("no text")
			}
		}
		d.Release()
	})
	if allocs >= 1 && !racing {
		t.Errorf("reading a request allocates %v times", allocs)
	}
}
