package modelserver_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicegate/sluice/runtime/internal/modelserver"
)

func ask(t *testing.T, s *modelserver.Server, body string) (int, string, error) {
	t.Helper()
	res, err := http.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, string(got), err
}

func TestScript(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := modelserver.New(t, modelserver.JSON(`{"a":1}`), modelserver.Error(429, "n"), modelserver.Answer("one two"))
	f := func(body string, status int, want string) {
		t.Helper()
		got, text, err := ask(t, s, body)
		if got != status || !strings.Contains(text, want) || err != nil {
			t.Errorf("got %d %q %v, want %d %q", got, text, err, status, want)
		}
	}
	f(`{}`, 200, `{"a":1}`)
	f(`{}`, 429, `"param":"n"`)
	f(`{"model":"m"}`, 200, `"content":"one two"`)
	f(`{"stream":true}`, 200, "data: "+modelserver.Delta("one ")+"\n\ndata: "+modelserver.Delta("two")+"\n\ndata: "+modelserver.Finish+"\n\ndata: [DONE]\n\n")
	s.Script(modelserver.Raw("HTTP/1.1 201 Odd\r\nContent-Length: 2\r\n\r\nhi"))
	f(`{}`, 201, "hi")
	seen := s.Requests()
	if len(seen) != 5 || string(seen[2].Body) != `{"model":"m"}` || seen[0].Path != "/v1/chat/completions" {
		t.Errorf("recorded %+v", seen)
	}
}

func TestDeath(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	s := modelserver.New(t, modelserver.Die(modelserver.Events(0, "1")), modelserver.Die(nil))
	if status, text, err := ask(t, s, ``); status != 200 || text != "data: 1\n\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d %q %v", status, text, err)
	}
	if _, _, err := ask(t, s, ``); err == nil {
		t.Error("a dead server answered")
	}
}
