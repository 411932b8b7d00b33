package http1

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// parse reads a request's head, its blank line included. ok is false where it is not plain: whoever reads it otherwise than
// net/http, or than what stands before us, must not get to decide what it means. So it takes the narrowest reading of RFC
// 9112: lines end in CRLF, names are tokens, values hold no control characters, no line is folded, Host comes once,
// Content-Length once at most and in digits, and nothing is said of codings, expectations and protocols.
func parse(head string, base *http.Request) (r *http.Request, ok bool) {
	line, rest, ok := cutLine(head)
	q := &request{Request: *base}
	if r = &q.Request; !ok || !q.line(line) {
		return nil, false
	}
	r.Header = make(http.Header, strings.Count(rest, "\n"))
	values := q.values[:0]
	length := false
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return nil, false
		}
		if line == "" {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !token(name) || !plainText(value) {
			return nil, false
		}
		name, value = canonical(name), strings.Trim(value, " \t")
		switch name {
		case "Host":
			if r.Host != "" || !hostName(value) {
				return nil, false
			}
			r.Host = value
			continue
		case "Content-Length":
			if r.ContentLength, ok = digits(value); !ok || length {
				return nil, false
			}
			length = true
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return nil, false
			}
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Pragma": // net/http reads something into each
			return nil, false
		}
		values = append(values, value)
		if have := r.Header[name]; have != nil {
			r.Header[name] = append(have, value)
		} else {
			r.Header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	if rest != "" || r.Host == "" || r.Method == http.MethodGet && r.ContentLength > 0 {
		return nil, false
	}
	r.Body = http.NoBody
	return r, true
}

// cutLine cuts off the first line. ok is false where it ends in a line feed alone.
func cutLine(s string) (line, rest string, ok bool) {
	n := strings.IndexByte(s, '\n')
	if n < 1 || s[n-1] != '\r' {
		return "", "", false
	}
	return s[:n-1], s[n+1:], true
}

// request is an http.Request with room for what most have: one allocation instead of three.
type request struct {
	http.Request
	url    url.URL
	values [8]string // of headers
}

// line reads the first line.
func (r *request) line(line string) bool {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if method != http.MethodGet && method != http.MethodPost || version != "HTTP/1.1" || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
		return false
	}
	simple := true
	for i := range len(target) {
		switch c := target[i]; {
		case c <= ' ' || c >= 0x7f || c == '#':
			return false
		case !pathByte[c]:
			simple = false
		}
	}
	r.Method, r.RequestURI = method, target
	if simple {
		r.url.Path = target
		r.URL = &r.url
		return true
	}
	var err error
	r.URL, err = url.ParseRequestURI(target)
	return err == nil
}

// table tells for each byte whether it is one of the set, or a letter or digit.
func table(set string) (t [256]bool) {
	for c := range t {
		t[c] = '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c < 0x80 && strings.IndexByte(set, byte(c)) >= 0
	}
	return t
}

var (
	pathByte  = table("/-._~")           // those that mean themselves in a path
	tokenByte = table("!#$%&'*+-.^_`|~") // RFC 9110, section 5.6.2
	hostByte  = table("-._:[]")          // of names, addresses and ports; RFC 3986, section 3.2.2, has more
)

func all(s string, t *[256]bool) bool {
	for i := range len(s) {
		if !t[s[i]] {
			return false
		}
	}
	return s != ""
}

func token(s string) bool    { return all(s, &tokenByte) }
func hostName(s string) bool { return all(s, &hostByte) }

// plainText tells whether a value has no control characters but tabs.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// digits reads a length, of at most 18 digits, which always fit.
func digits(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// known has the names that clients send, as they are and in small letters, as HTTP/2 made usual.
var known = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Anthropic-Beta", "Anthropic-Version", "Authorization", "Cache-Control",
		"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Host", "Origin", "Referer",
		"Sec-Fetch-Mode", "Traceparent", "Tracestate", "User-Agent", "X-Api-Key", "X-Forwarded-For", "X-Request-Id",
		"X-Stainless-Arch", "X-Stainless-Async", "X-Stainless-Lang", "X-Stainless-Os", "X-Stainless-Package-Version",
		"X-Stainless-Retry-Count", "X-Stainless-Runtime", "X-Stainless-Runtime-Version", "X-Stainless-Timeout",
	} {
		m[name], m[strings.ToLower(name)] = name, name
	}
	return m
}()

// canonical is a header's name as http.Header has it.
func canonical(name string) string {
	if name, ok := known[name]; ok {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}
