package policy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/strictjson"
)

// The decision log has one line for each decision, in the format of OPA's decision log events (openpolicyagent.org, "Decision
// Logs"), so that what reads those reads these. The input is the whole of what any policy may read, and not only what
// this one did, so that another policy can be asked about it later; but prompt text is never in it. Where the policy has
// read text, `erased` names it, and `custom.text` tells its length and a salted digest.

// Logged is one decision to be logged.
type Logged struct {
	Exchange *exchange.Exchange
	Facts    Facts         // as Decide got them
	Admit    bool          // the answer is admit's, which denied; else decision's
	Took     time.Duration // what asking took
	Err      error         // why there is no valid answer; nil if there is one
}

// decisionInput and admitInput are the whole inputs without text.
var (
	decisionInput = newPlan([][]string{nil}, true, false)
	admitInput    = newPlan([][]string{nil}, false, false)
)

// eventLog is what writing events needs beside the policy.
type eventLog struct {
	salt   [32]byte
	text   bool   // the policy reads prompt text
	origin []byte // labels and bundles, as events have them
	models atomic.Pointer[loggedModels]
}

// loggedModels is input.models as events have it.
type loggedModels struct {
	facts []ModelFacts
	json  []byte
}

// AppendEvent appends the event of a decision as one line of JSON. It reads the exchange and keeps nothing of it.
func (p *Policy) AppendEvent(dst []byte, l Logged) []byte {
	x := l.Exchange
	dst = append(dst, `{"decision_id":`...)
	dst = strictjson.AppendString(dst, x.Decision.ID)
	dst = append(dst, `,"path":"sluice/`...)
	if l.Admit {
		dst = append(dst, `admit"`...)
	} else {
		dst = append(dst, `decision"`...)
	}
	now := l.Facts.Now
	if now.IsZero() {
		now = x.Start
	}
	dst = append(now.UTC().AppendFormat(append(dst, `,"timestamp":"`...), time.RFC3339Nano), '"')
	dst = append(dst, p.log.origin...)
	if x.Client.IP.IsValid() {
		dst = append(x.Client.IP.WithZone("").AppendTo(append(dst, `,"requested_by":"`...)), '"')
	}
	v := &view{}
	v.set(x, now)
	dst = append(dst, `,"input":`...)
	if l.Admit {
		dst = v.appendJSON(dst, admitInput, nil)
	} else {
		dst = v.appendJSON(dst, decisionInput, p.log.modelsJSON(l.Facts.Models))
	}
	dst = l.appendResult(dst)
	if calls := l.calls(); calls != nil {
		dst = append(append(dst, `,"nd_builtin_cache":`...), calls...)
	}
	dst = append(dst, `,"metrics":{"timer_rego_query_eval_ns":`...)
	dst = append(strconv.AppendInt(dst, l.Took.Nanoseconds(), 10), '}')
	if p.log.text && !l.Admit {
		dst = append(dst, `,"erased":["/input/prompt/messages","/input/prompt/text"]`...)
	}
	dst = append(dst, `,"custom":{"request_id":`...)
	dst = strictjson.AppendString(dst, x.ID)
	dst = strconv.AppendUint(append(dst, `,"generation":`...), x.Generation, 10)
	if p.log.text && !l.Admit {
		dst = p.log.appendText(dst, v)
	}
	return append(dst, "}}\n"...)
}

// appendText tells of the text what may be told.
func (l *eventLog) appendText(dst []byte, v *view) []byte {
	h := hmac.New(sha256.New, l.salt[:])
	h.Write([]byte(promptText(v).str))
	dst = strconv.AppendInt(append(dst, `,"text":{"chars":`...), int64(v.characters()), 10)
	dst = append(dst, `,"hmac_sha256":"`...)
	return append(hex.AppendEncode(dst, h.Sum(nil)), `"}`...)
}

// originOf says which gateway decided and by which policy.
func originOf(o Options, s Source) []byte {
	var dst []byte
	if len(o.Labels) > 0 {
		labels, _ := json.Marshal(o.Labels) // of texts, which cannot fail
		dst = append(append(dst, `,"labels":`...), labels...)
	}
	parts := s.parts
	if len(parts) == 0 {
		parts = []*part{{name: "policy", revision: s.Revision()}}
	}
	dst = append(dst, `,"bundles":{`...)
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(strictjson.AppendString(dst, p.name), `:{"revision":`...)
		dst = append(strictjson.AppendString(dst, p.revision), '}')
	}
	return append(dst, '}')
}

// modelsJSON is input.models, written anew only when the facts have changed.
func (l *eventLog) modelsJSON(facts []ModelFacts) []byte {
	m := l.models.Load()
	if m != nil && len(m.facts) == len(facts) && (len(facts) == 0 || &m.facts[0] == &facts[0]) {
		return m.json
	}
	doc := make(map[string]any, len(facts))
	for i := range facts {
		doc[facts[i].Name] = facts[i].document()
	}
	m = &loggedModels{facts: facts, json: (&view{}).jsonAny(nil, doc)}
	l.models.Store(m)
	return m.json
}

// result is a decision as its event has it: the fields of the rule's value, those that say nothing left out.
type result struct {
	Allowed     bool              `json:"allowed"`
	Reasons     []string          `json:"reasons,omitempty"`
	Message     string            `json:"message,omitempty"`
	HTTPStatus  int               `json:"http_status,omitempty"`
	Filters     []string          `json:"filters,omitempty"`
	Models      []string          `json:"models,omitempty"`
	Endpoints   *labelled         `json:"endpoints,omitempty"`
	Cache       *cached           `json:"cache,omitempty"`
	Allow       []string          `json:"allow,omitempty"`
	Restore     *restored         `json:"restore,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Debug       bool              `json:"debug,omitempty"`
}

type labelled struct {
	Labels map[string]string `json:"labels"`
}

type cached struct {
	Mode  string  `json:"mode"`
	Scope string  `json:"scope"`
	TTL   float64 `json:"ttl_seconds"`
}

type restored struct {
	Tools []string `json:"tools"`
}

// resultOf is the value of a decision.
func resultOf(d *exchange.Decision) result {
	r := result{
		Allowed: d.Allowed, Reasons: d.Reasons, Message: d.Message, HTTPStatus: d.HTTPStatus, Models: d.Models,
		Headers: d.Headers, Annotations: d.Annotations, Debug: d.Debug, Allow: d.Allow,
	}
	if len(d.Endpoints) > 0 {
		r.Endpoints = &labelled{d.Endpoints}
	}
	if d.Allowed {
		r.Cache = &cached{string(d.Cache.Mode), string(d.Cache.Scope), d.Cache.TTL.Seconds()}
		if r.Cache.Mode == "" {
			r.Cache.Mode = "off"
		}
		if r.Cache.Scope == "" {
			r.Cache.Scope = "principal"
		}
	}
	if len(d.Restore) > 0 {
		r.Restore = &restored{d.Restore}
	}
	return r
}

// result is the decision that was made; of none, what an error is to the caller.
func (l *Logged) result() result {
	switch a := &l.Exchange.Admission; {
	case l.Err != nil:
		return result{Reasons: []string{"policy_failed"}}
	case l.Admit:
		return result{Allowed: a.Allowed, Reasons: a.Reasons, Message: a.Message, HTTPStatus: a.HTTPStatus, Filters: a.Filters}
	}
	return resultOf(&l.Exchange.Decision)
}

// calls are what non-deterministic built-ins gave; nil: none were kept.
func (l *Logged) calls() []byte {
	if l.Admit {
		return l.Exchange.Admission.Calls
	}
	return l.Exchange.Decision.Calls
}

func (l *Logged) appendResult(dst []byte) []byte {
	if l.Err != nil {
		message := "the policy gave no valid decision"
		if fault := (*exchange.Error)(nil); errors.As(l.Err, &fault) && fault.Cause != nil {
			message = fault.Cause.Error() // where and why, without the values at hand
		}
		return append(strictjson.AppendString(append(dst, `,"error":{"code":"policy_failed","message":`...), message), '}')
	}
	b, err := json.Marshal(l.result())
	if err != nil {
		return dst // not reached: strings, numbers and maps of strings
	}
	return append(append(dst, `,"result":`...), b...)
}
