//go:build unix

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// instance is one of the gateways that are restarted in turn.
type instance struct {
	dir, url, admin string
	ready           atomic.Bool // as its /readyz said last
	cmd             *exec.Cmd
	served          atomic.Int64
}

// fleet is gateways behind a client that goes round those which say that they are ready, as a load balancer would.
type fleet struct {
	t         *testing.T
	instances []*instance
	client    *http.Client
	next      atomic.Int64
	asked     atomic.Int64
	failed    atomic.Int64
}

const restartKey = "slk_restarts"

// TestRestarts restarts two gateways in turn under load, with SIGTERM, as often as SLUICE_RESTARTS says: no request fails,
// no stream is cut.
func TestRestarts(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("SLUICE_RESTARTS"))
	if err != nil {
		t.Skip("set SLUICE_RESTARTS to how often")
	}
	model := httptest.NewServer(http.HandlerFunc(slowWords))
	defer model.Close()
	f := &fleet{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: time.Minute}}
	for range 2 {
		f.instances = append(f.instances, newInstance(t, model.URL))
	}
	ctx, stop := context.WithCancel(t.Context())
	var background, load sync.WaitGroup
	for _, i := range f.instances {
		i.start(t)
		background.Go(func() { i.watch(ctx) })
	}
	f.await(true)
	for worker := range 16 {
		load.Go(func() {
			for ctx.Err() == nil {
				f.request(worker%4 == 0)
			}
		})
	}
	for n := range times {
		i := f.instances[n%2]
		if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := i.cmd.Wait(); err != nil {
			t.Errorf("restart %d: the gateway ended with %v", n, err)
		}
		i.start(t)
		f.await(i.ready.Load())
	}
	stop()
	load.Wait()
	background.Wait()
	f.client.CloseIdleConnections()
	for n, i := range f.instances {
		_ = i.cmd.Process.Signal(syscall.SIGTERM)
		_ = i.cmd.Wait()
		if i.served.Load() == 0 {
			t.Errorf("instance %d served nothing", n)
		}
	}
	t.Logf("%d restarts, %d and %d requests, %d failed", times, f.instances[0].served.Load(), f.instances[1].served.Load(), f.failed.Load())
}

// slowWords is a model server that takes its time: a whole answer after 2 ms, a stream of ten words within 200 ms.
func slowWords(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !strings.Contains(string(body), `"stream":true`) {
		time.Sleep(2 * time.Millisecond)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"whole"},"finish_reason":"stop"}]}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for range 10 {
		_, _ = io.WriteString(w, `data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}`+"\n\n")
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// newInstance writes the configuration of a gateway on ports of its own.
func newInstance(t *testing.T, model string) *instance {
	t.Helper()
	i := &instance{dir: t.TempDir(), url: freeAddress(t), admin: freeAddress(t)}
	text := fmt.Sprintf(`listen: %s
admin: {listen: %q, token: ephemeral}
auth: {keys: [{id: load, tenant: load, roles: [developer], sha256: %x}]}
models: [{name: m, endpoints: [{name: one, provider: openai, url: "%s/v1"}]}]
policy: {path: "builtin:default", timeout: 1s}
drain: {delay: 1s, timeout: 30s}
log: {access: false}
`, i.url, i.admin, sha256.Sum256([]byte(restartKey)), model)
	if err := os.WriteFile(filepath.Join(i.dir, "sluice.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// freeAddress is one on which nothing listens at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (i *instance) start(t *testing.T) {
	t.Helper()
	cache := filepath.Join(i.dir, "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sluice", "serve", "--cache-dir", cache)
	cmd.Dir, cmd.Stderr = i.dir, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // where the test gave up before its end
	i.cmd = cmd
}

// watch asks the instance at short intervals whether it is ready.
func (i *instance) watch(ctx context.Context) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("http://" + i.admin + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
		}
		i.ready.Store(err == nil && resp.StatusCode == http.StatusOK)
	}
}

// await waits until every instance is ready. Of one that was ready a moment ago it waits first that it was seen to go.
func (f *fleet) await(stale bool) {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all := true
		for _, i := range f.instances {
			all = all && i.ready.Load()
		}
		if all && !stale {
			return
		}
		stale = stale && all
	}
	f.t.Fatal("an instance does not become ready")
}

// request sends one request to the next instance that is ready, and once: what fails has failed.
func (f *fleet) request(stream bool) {
	var at *instance
	for at == nil {
		if i := f.instances[f.next.Add(1)%2]; i.ready.Load() {
			at = i
		}
	}
	if err := f.ask(at, stream); err != nil {
		f.failed.Add(1)
		f.t.Errorf("a request failed: %v", err)
	}
	at.served.Add(1)
}

func (f *fleet) ask(at *instance, stream bool) error {
	body := fmt.Sprintf(`{"model":"m","stream":%v,"messages":[{"role":"user","content":"number %d"}]}`, stream, f.asked.Add(1)) // none like another, which would share its call
	req, err := http.NewRequest(http.MethodPost, "http://"+at.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Api-Key", restartKey)
	req.GetBody = nil // so that net/http does not send it again of its own accord
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	case stream && (strings.Count(string(text), "word ") != 10 || !strings.HasSuffix(string(text), "data: [DONE]\n\n")):
		return fmt.Errorf("a stream was cut: %q", text)
	}
	return nil
}
