package wire

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// Every code has a status of HTTP's and a meaning, is spelled as codes are, and is retried only where a retry may help.
func TestCodes(t *testing.T) {
	for _, c := range Codes() {
		if s := c.Status(); s < 400 || s > 599 || http.StatusText(s) == "" && s != 499 {
			t.Errorf("%s: status %d", c, s)
		}
		if c.About() == "" || strings.ToLower(string(c)) != string(c) || strings.ContainsAny(string(c), " -") {
			t.Errorf("%s: spelling or meaning", c)
		}
		if client := c.Status() < 500; client && c.Retry() && c.Status() != 408 && c.Status() != 429 {
			t.Errorf("%s: a %d would be retried", c, c.Status())
		}
	}
	if Code("nonsense").Status() != 500 || Code("nonsense").Retry() {
		t.Error("an unknown code must be a defect of the gateway")
	}
}

// SDKs retry 408, 409, 429 and 5xx: no verdict may carry one of those.
func TestCodesOfVerdictsAreNotRetried(t *testing.T) {
	for _, c := range []Code{DeniedByPolicy, RejectedByFilter, OpaqueContent, UnsupportedField, UnknownModel, Unauthenticated} {
		if s := c.Status(); s == 408 || s == 409 || s == 429 || s >= 500 || c.Retry() {
			t.Errorf("%s: status %d, retry %v", c, s, c.Retry())
		}
	}
}

// The codes of the strict door are the gateway's own, by the same names.
func TestCodesOfStrictJSON(t *testing.T) {
	all := Codes()
	for _, c := range []strictjson.Code{
		strictjson.InvalidJSON, strictjson.DuplicateKey, strictjson.InvalidNumber, strictjson.InvalidUTF8,
		strictjson.LoneSurrogate, strictjson.TooDeep, strictjson.TooLarge,
	} {
		if !slices.Contains(all, Code(c)) {
			t.Errorf("%s is not in the table of codes", c)
		}
	}
}

func TestFault(t *testing.T) {
	f := func(fault Fault, text string, status int) {
		t.Helper()
		if fault.Error() != text || fault.HTTPStatus() != status {
			t.Errorf("got %q %d, want %q %d", fault.Error(), fault.HTTPStatus(), text, status)
		}
	}
	f(Fault{Code: TooDeep, Message: "too deep"}, "too_deep: too deep", 400)
	f(Fault{Code: MissingField, Param: "messages", Message: "none"}, "missing_field: messages: none", 400)
	f(Fault{Code: DeniedByPolicy, Status: 451, Message: "no"}, "denied_by_policy: no", 451)
}

func TestNames(t *testing.T) {
	for r, want := range map[Role]string{
		RoleOther: "other", RoleSystem: "system", RoleUser: "user", RoleAssistant: "assistant",
		RoleTool: "tool", RoleDefinition: "definition", 99: "other",
	} {
		if r.String() != want {
			t.Errorf("role %d is %q, want %q", r, r, want)
		}
	}
	for op, want := range map[Operation]string{
		ChatCompletions: "chat", Inference: "chat", Completions: "text_completion", Embeddings: "embeddings", ListModels: "models",
	} {
		if op.GenAI() != want {
			t.Errorf("%s is %q, want %q", op, op.GenAI(), want)
		}
	}
	if (Usage{Input: 2, Output: 3}).Total() != 5 {
		t.Error("total")
	}
}

func TestChars(t *testing.T) {
	doc, err := strictjson.Parse([]byte(`["grüße","ab","not counted"]`), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r := Request{}
	for e := range doc.Root().Elements() {
		r.Segments = append(r.Segments, Segment{Prompt: !e.Is("not counted"), Text: doc.Text(e)})
	}
	if got := r.Chars(); got != 7 {
		t.Errorf("%d characters, want 7", got)
	}
}

// What repeats an edited text in another form goes with the edit, and only that.
func TestSetTextTakesOutCopies(t *testing.T) {
	const body = `{"a":{"text":"secret","logprobs":["secret"]},"b":{"text":"fine","logprobs":["fine"]}}`
	doc, err := strictjson.ReadReply([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var pieces []Piece
	var copies []Copy
	for i, key := range []string{"a", "b"} {
		choice := doc.Root().Get(key)
		pieces = append(pieces, Piece{Lane: Lane{Choice: i, Field: "text"}, Node: choice.Get("text")})
		copies = append(copies, Copy{Choice: i, Owner: choice, Key: "logprobs"})
	}
	const want = `{"a":{"text":"***"},"b":{"text":"fine","logprobs":["fine"]}}`
	ev := Event{Doc: doc, Pieces: pieces, Copies: copies}
	ev.SetText(0, []byte("***"))
	if got := string(doc.Append(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	a := Answer{Doc: doc, Pieces: pieces, Copies: copies}
	a.SetText(1, []byte("gone"))
	if got := string(doc.Append(nil)); got != `{"a":{"text":"***"},"b":{"text":"gone"}}` {
		t.Errorf("got %s", got)
	}
}

// What is reported later on an answer takes the place of what was said before, an estimate's as well, and what it does not
// tell stays.
func TestUsageThen(t *testing.T) {
	f := func(first, later, want Usage) {
		t.Helper()
		if got := first.Then(later); got != want {
			t.Errorf("%+v, then %+v: %+v, want %+v", first, later, got, want)
		}
	}
	estimate := Usage{Input: 3, Estimated: true}
	known := Usage{Input: 8, Cached: 5, Output: 7, Known: true}
	f(Usage{Input: 8, Cached: 5, Known: true}, Usage{Output: 7, Known: true}, known)
	f(estimate, known, known)
	f(estimate, Usage{Input: 3, Output: 2, Estimated: true}, Usage{Input: 3, Output: 2, Estimated: true})
	f(estimate, Usage{Output: 7, Known: true}, Usage{Input: 3, Output: 7, Known: true, Estimated: true})
	f(Usage{}, estimate, estimate)
}
