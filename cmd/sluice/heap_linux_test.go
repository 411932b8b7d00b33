package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"
)

// What the heap grows into after useHugePages lies where the kernel was asked for huge pages. It runs in a process of its own,
// whose heap no other test has shaped.
func TestHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("a kernel without huge pages: ", err)
	}
	if os.Getenv("SLUICE_HUGE_PAGES") == "" {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHugePages$", "-test.v")
		again.Env = append(os.Environ(), "SLUICE_HUGE_PAGES=here")
		said, err := again.CombinedOutput()
		if t.Logf("%s", said); err != nil || !strings.Contains(string(said), "--- PASS: TestHugePages") {
			t.Errorf("by itself: %v", err)
		}
		return
	}
	useHugePages()
	const each = 16 << 10
	objects := make([][]byte, hugeHeap/2/each)
	for i := range objects {
		objects[i] = make([]byte, each)
	}
	advised := advisedRegions(t)
	in := 0
	for _, o := range objects {
		at := uintptr(unsafe.Pointer(unsafe.SliceData(o)))
		for _, r := range advised {
			if r.from <= at && at < r.to {
				in++
				break
			}
		}
	}
	t.Logf("%d of %d objects, in %d regions", in, len(objects), len(advised))
	if 4*in < 3*len(objects) { // free places elsewhere are used, too
		t.Errorf("%d of %d objects lie where huge pages were asked for", in, len(objects))
	}
}

type region struct{ from, to uintptr }

// advisedRegions reads which mappings of this process have the flag "hg"; see proc_pid_smaps(5).
func advisedRegions(t *testing.T) (found []region) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	var r region
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		switch first, rest, _ := strings.Cut(lines.Text(), " "); {
		case first == "VmFlags:":
			if strings.Contains(rest+" ", " hg ") || strings.HasPrefix(rest, "hg ") {
				found = append(found, r)
			}
		case strings.Contains(first, "-"):
			if _, err := fmt.Sscanf(first, "%x-%x", &r.from, &r.to); err != nil {
				t.Fatal(err)
			}
		}
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return found
}
