package wire

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write ERRORS.md anew from the table of codes")

// errorsPage is ERRORS.md as the table of codes has it: ascending by status, then by name.
func errorsPage() string {
	var b strings.Builder
	b.WriteString(`# Error codes

Every error that Sluice answers with carries one of these codes, and so does the audit record of its exchange. The
shape is that of the API called:

| called | shape |
|---|---|
| ` + "`/v1/...`" + ` | ` + "`" + `{"error": {"message", "type", "param", "code"}}` + "`" + `, all four always there |
| ` + "`/v1/messages`" + ` and below | ` + "`" + `{"type": "error", "error": {"type", "message", "code"}, "request_id"}` + "`" + `, with ` + "`param`" + ` where a field is at fault |
| ` + "`/inference`" + ` and everything else | ` + "`" + `{"detail": message, "code": code}` + "`" + ` |

Either has a ` + "`reason`" + ` as well where a policy or filter gave one: its own word.

Retry: the same request may succeed later. Where it may not, and where Sluice has tried model servers already, the
answer says ` + "`x-should-retry: false`" + `. The status is the code's usual one: a policy may set another for
` + "`denied_by_policy`" + `, ` + "`upstream_rejected`" + ` keeps the model server's 400, 413 or 422, and a compressed body is refused with
415 and ` + "`invalid_request`" + `.

| status | code | retry | meaning |
|---|---|---|---|
`)
	all := Codes()
	slices.SortFunc(all, func(a, b Code) int { return cmp.Or(cmp.Compare(a.Status(), b.Status()), cmp.Compare(a, b)) })
	for _, c := range all {
		retry := "no"
		if c.Retry() {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", c.Status(), c, retry, c.About())
	}
	b.WriteString(`
An error after the first byte of a stream comes as its last event, in the same shape, and no ` + "`[DONE]`" + ` follows. A
message never holds text of the prompt, of the model server's answer, or a secret.

This page is written by ` + "`go test ./runtime/wire -run Page -update`" + `.
`)
	return b.String()
}

// The page that callers read is the table that the code uses.
func TestErrorsPage(t *testing.T) {
	want := errorsPage()
	if *update {
		if err := os.WriteFile("ERRORS.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("ERRORS.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("ERRORS.md is not what the table of codes says: go test ./runtime/wire -run Page -update")
	}
}
