package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluicegate/sluice/runtime/wire"
)

// Bounds of a file of vectors. A text is run once for each of its characters, so the time grows with its square.
const (
	maxVectorFile = 8 << 20
	maxVectorSet  = 10_000
	maxVectorText = 16 << 10
)

// Vector is one self-test of a filter: what goes in and what must come out (filters/abi, "Self-test vectors").
type Vector struct {
	Name      string
	Config    []byte     // what on_config gets; nil: no configuration
	On        *Direction // nil: each direction that the module has a hook for
	Role      *wire.Role // nil: user on requests, assistant on answers
	Arguments bool       // the text is JSON, the arguments of a tool call
	Facts     map[string]string

	Text *string // for on_text; nil where there is a Body
	Want *string // the text edited, findings spelled <kind:text>; nil: not checked

	Body     json.RawMessage            // for on_request or on_response
	Set      map[string]json.RawMessage // the parameters set, all of them; nil: not checked
	Messages []VectorMessage            // the messages added, all of them; nil: not checked

	Labels map[string]any // bool, int64 or string; all of them; nil: not checked
	Reject string         // the verdict's code; "": there must be none
}

// VectorMessage is a message that on_request adds.
type VectorMessage struct {
	Where string `json:"where"` // "first" or "last"
	Role  string `json:"role"`  // "system", "user" or "assistant"
	Text  string `json:"text"`
}

// ParseVectors reads a file of vectors. It is strict: an unknown or repeated key, a value of a wrong type, two vectors of
// one name and keys that contradict each other are faults. All faults are in the error, one a line, each with the
// vector's number, counted from 1, its name, and the key.
func ParseVectors(file []byte) ([]Vector, error) {
	if len(file) > maxVectorFile {
		return nil, fmt.Errorf("the vectors have %d bytes, over the limit of %d", len(file), maxVectorFile)
	}
	var raw []json.RawMessage
	if err := decode(file, &raw); err != nil {
		return nil, fmt.Errorf("the vectors are no JSON list of objects: %w", err)
	}
	if len(raw) > maxVectorSet {
		return nil, fmt.Errorf("there are %d vectors, over the limit of %d", len(raw), maxVectorSet)
	}
	out := make([]Vector, len(raw))
	first := map[string]int{}
	var faults []error
	for i := range raw {
		v := &out[i]
		for _, err := range v.parse(raw[i]) {
			faults = append(faults, fmt.Errorf("vector %d (%q): %w", i+1, v.Name, err))
		}
		if n := first[v.Name]; n > 0 && v.Name != "" {
			faults = append(faults, fmt.Errorf("vector %d (%q): name: vector %d has it too", i+1, v.Name, n))
		}
		first[v.Name] = i + 1
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return out, nil
}

// decode reads one JSON value that is all of b.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}

// jsonError says what encoding/json found in the words of a file's author.
func jsonError(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return fmt.Errorf("want %s, not a JSON %s", jsonNouns[kind.Type.Kind().String()], kind.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

var jsonNouns = map[string]string{"string": "a string", "bool": "true or false", "slice": "a list", "map": "an object", "struct": "an object"}

// members reads an object's members, by key, and refuses a key that comes twice.
func members(b []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, jsonError(err)
		}
		key, _ := t.(string) // between members there is nothing else
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%s: the key comes twice", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%s: %w", key, jsonError(err))
		}
		out[key] = value
	}
	return out, nil
}

// vectorKeys is every key of a vector, in the order of the documentation.
var vectorKeys = []string{"name", "config", "on", "role", "arguments", "facts", "text", "want", "body", "set", "messages", "labels", "reject"}

// parse reads one vector and returns its faults.
func (v *Vector) parse(b []byte) (faults []error) {
	raw, err := members(b)
	if err != nil {
		return []error{err}
	}
	_ = json.Unmarshal(raw["name"], &v.Name) // so that faults can name it; read for good below
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(vectorKeys, key) {
			faults = append(faults, fmt.Errorf("%s: unknown key; there are %s", key, strings.Join(vectorKeys, ", ")))
			continue
		}
		if err := v.member(key, raw[key]); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	if err := v.check(); err != nil {
		return []error{err}
	}
	return nil
}

// member reads the value of one key.
func (v *Vector) member(key string, b json.RawMessage) error {
	if string(b) == "null" && key != "body" {
		return errors.New("it is null: leave the key out")
	}
	switch key {
	case "name":
		return decode(b, &v.Name)
	case "config":
		return v.config(b)
	case "on":
		return v.on(b)
	case "role":
		return v.role(b)
	case "arguments":
		return decode(b, &v.Arguments)
	case "facts":
		return v.facts(b)
	case "text":
		return decode(b, &v.Text)
	case "want":
		return decode(b, &v.Want)
	case "body":
		v.Body = b
		return nil
	case "set":
		set, err := members(b)
		v.Set = set
		return err
	case "messages":
		return v.messages(b)
	case "labels":
		return v.labels(b)
	default:
		return decode(b, &v.Reject)
	}
}

func (v *Vector) config(b json.RawMessage) error {
	var text string
	switch b[0] {
	case '{':
		v.Config = b
		return nil
	case '"':
		err := decode(b, &text)
		v.Config = append([]byte{}, text...)
		return err
	}
	return errors.New("want an object, or a string that is taken as the bytes")
}

func (v *Vector) on(b json.RawMessage) error {
	var name string
	if err := decode(b, &name); err != nil {
		return err
	}
	for d, word := range directionWords {
		if word == name {
			on := Direction(d)
			v.On = &on
			return nil
		}
	}
	return fmt.Errorf("want %q or %q, not %q", directionWords[0], directionWords[1], name)
}

// directionWords are the directions as files spell them.
var directionWords = [2]string{"request", "response"}

func (v *Vector) role(b json.RawMessage) error {
	var name string
	if err := decode(b, &name); err != nil {
		return err
	}
	var words []string
	for r := wire.RoleOther; r <= wire.RoleDefinition; r++ {
		if r.String() == name {
			v.Role = &r
			return nil
		}
		words = append(words, r.String())
	}
	return fmt.Errorf("want one of %s, not %q", strings.Join(words, ", "), name)
}

func (v *Vector) facts(b json.RawMessage) error {
	raw, err := members(b)
	if err != nil {
		return err
	}
	v.Facts = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !knownFact(name) {
			return fmt.Errorf("%s is no fact: want one of %s", name, strings.Join(append(factNames[:], factRole), ", "))
		}
		var value string
		if err := decode(raw[name], &value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v.Facts[name] = value
	}
	return nil
}

func (v *Vector) messages(b json.RawMessage) error {
	var raw []json.RawMessage
	if err := decode(b, &raw); err != nil {
		return err
	}
	v.Messages = []VectorMessage{}
	for i := range raw {
		m, err := parseMessage(raw[i])
		if err != nil {
			return fmt.Errorf("message %d: %w", i+1, err)
		}
		v.Messages = append(v.Messages, m)
	}
	return nil
}

func parseMessage(b json.RawMessage) (m VectorMessage, err error) {
	raw, err := members(b)
	if err != nil {
		return m, err
	}
	for key, value := range raw {
		into, ok := map[string]*string{"where": &m.Where, "role": &m.Role, "text": &m.Text}[key]
		if !ok {
			return m, fmt.Errorf("%s: unknown key; there are where, role, text", key)
		}
		if err := decode(value, into); err != nil {
			return m, fmt.Errorf("%s: %w", key, err)
		}
	}
	switch {
	case m.Where != "first" && m.Where != "last":
		return m, fmt.Errorf("where: want \"first\" or \"last\", not %q", m.Where)
	case !slices.Contains(messageRoles, m.Role):
		return m, fmt.Errorf("role: want one of %s, not %q", strings.Join(messageRoles, ", "), m.Role)
	}
	return m, nil
}

// messageRoles are those of messages that a filter may add.
var messageRoles = []string{wire.RoleSystem.String(), wire.RoleUser.String(), wire.RoleAssistant.String()}

func (v *Vector) labels(b json.RawMessage) error {
	raw, err := members(b)
	if err != nil {
		return err
	}
	v.Labels = map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		var word string
		text := string(raw[name])
		switch {
		case text[0] == '"':
			if err := decode(raw[name], &word); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			v.Labels[name] = word
			continue
		case text == "null", text[0] == '{', text[0] == '[':
		default:
			if v.Labels[name] = labelValue(text); v.Labels[name] != any(text) {
				continue
			}
		}
		return fmt.Errorf("%s: want true, false, an integer of 64 bits or a string", name)
	}
	return nil
}

// check finds keys that are missing or contradict each other.
func (v *Vector) check() error {
	switch {
	case v.Name == "":
		return errors.New("name: it has none")
	case !utf8.ValidString(v.Name) || strings.ContainsAny(v.Name, "\r\n"):
		return errors.New("name: want one line")
	case (v.Text == nil) == (v.Body == nil):
		return errors.New("text: want either text or body")
	case v.Reject != "" && !rejectCode.MatchString(v.Reject):
		return errors.New("reject: a code is 1 to 64 of a-z, 0-9 and _")
	case v.Body != nil:
		return v.checkBody()
	case v.Set != nil || v.Messages != nil:
		return errors.New("set, messages: only with a body")
	case *v.Text == "":
		return errors.New("text: it is empty; the gateway shows no filter an empty text")
	case len(*v.Text) > maxVectorText:
		return fmt.Errorf("text: %d bytes, over the limit of %d; it is run once for each character", len(*v.Text), maxVectorText)
	case v.Want != nil && v.Reject != "":
		return errors.New("want: there is no text to compare beside reject")
	}
	return nil
}

// checkBody is check for what goes to on_request or on_response.
func (v *Vector) checkBody() error {
	switch {
	case v.Want != nil || v.Arguments || v.Role != nil:
		return errors.New("want, arguments, role: only with a text")
	case (v.Set != nil || v.Messages != nil) && v.On != nil && *v.On == OnAnswer:
		return errors.New("set, messages: only on requests")
	}
	return nil
}
