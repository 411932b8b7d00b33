package wire

// Fault is a failure as a caller may see it: a stable code, its HTTP status, a safe message. It never holds text of a
// prompt, of a model server's answer, or a secret.
type Fault struct {
	Code       Code
	Status     int    // HTTP status; 0 means the code's own
	Message    string // one sentence: what was wrong and what to do
	Param      string // the field at fault, such as "messages[0].role"; may be empty
	Reason     string // a filter's or policy's own word for it; may be empty
	RetryAfter int    // seconds; 0 means none
	Request    string // the exchange's id, for surfaces that show it in the body; set by whoever has the fault written
}

// Error gives code and message.
func (f *Fault) Error() string {
	if f.Param != "" {
		return string(f.Code) + ": " + f.Param + ": " + f.Message
	}
	return string(f.Code) + ": " + f.Message
}

// HTTPStatus is the status to answer with.
func (f *Fault) HTTPStatus() int {
	if f.Status != 0 {
		return f.Status
	}
	return f.Code.Status()
}

// Code is a fault's stable name; it is also the audit record's outcome code.
type Code string

// The codes.
const (
	InvalidJSON         Code = "invalid_json"
	DuplicateKey        Code = "duplicate_key"
	InvalidNumber       Code = "invalid_number"
	InvalidUTF8         Code = "invalid_utf8"
	LoneSurrogate       Code = "lone_surrogate"
	TooDeep             Code = "too_deep"
	InvalidRequest      Code = "invalid_request"
	MissingField        Code = "missing_field"
	OpaqueContent       Code = "opaque_content"
	UnsupportedField    Code = "unsupported_field"
	UnsupportedOp       Code = "unsupported_operation"
	UnknownModel        Code = "unknown_model"
	Unauthenticated     Code = "unauthenticated"
	DeniedByPolicy      Code = "denied_by_policy"
	RejectedByFilter    Code = "rejected_by_filter"
	NotFound            Code = "not_found"
	MethodNotAllowed    Code = "method_not_allowed"
	RequestTimeout      Code = "request_timeout"
	BodyTooLarge        Code = "body_too_large"
	RateLimited         Code = "rate_limited"
	ClientClosed        Code = "client_closed"
	Internal            Code = "internal"
	FilterFailed        Code = "filter_failed"
	PolicyFailed        Code = "policy_failed"
	UpstreamUnreachable Code = "upstream_unreachable"
	UpstreamError       Code = "upstream_error"
	UpstreamCredential  Code = "upstream_credential" //nolint:gosec // the name of a code
	UpstreamRejected    Code = "upstream_rejected"
	StreamInterrupted   Code = "stream_interrupted"
	Overloaded          Code = "overloaded"
	NoEndpoint          Code = "no_endpoint"
	ModelWarming        Code = "model_warming"
	UpstreamTimeout     Code = "upstream_timeout"
)

// codeRow is one row of the table of codes.
type codeRow struct {
	status int
	retry  bool // the same request may succeed later
	about  string
}

// codes is THE table: every code with its status, whether a retry may help, and its meaning.
var codes = map[Code]codeRow{
	InvalidJSON:         {400, false, "the body is not JSON"},
	DuplicateKey:        {400, false, "an object names a key twice, or spells an interpreted key in another case"},
	InvalidNumber:       {400, false, "a number is not of JSON's grammar"},
	InvalidUTF8:         {400, false, "the body is not UTF-8"},
	LoneSurrogate:       {400, false, "a string escapes half of a surrogate pair"},
	TooDeep:             {400, false, "values are nested too deep"},
	InvalidRequest:      {400, false, "a field has the wrong type or value"},
	MissingField:        {400, false, "a required field is missing"},
	OpaqueContent:       {400, false, "content that a required filter cannot read"},
	UnsupportedField:    {400, false, "a field that names state on the model server or makes it fetch or run things, which the policy does not allow; or one that this endpoint has no place for"},
	UnsupportedOp:       {400, false, "no endpoint of the model has the operation"},
	UnknownModel:        {400, false, "no such model"},
	Unauthenticated:     {401, false, "no valid credential"},
	DeniedByPolicy:      {403, false, "the policy denies the request"},
	RejectedByFilter:    {403, false, "a filter rejects the request or the answer"},
	NotFound:            {404, false, "no such path, or nothing of that id is kept for this caller"},
	MethodNotAllowed:    {405, false, "the path does not take this method"},
	RequestTimeout:      {408, true, "the request's body did not arrive in time"},
	BodyTooLarge:        {413, false, "the body is over the size limit"},
	RateLimited:         {429, true, "a limit is reached, here or at the model server"},
	ClientClosed:        {499, false, "the caller went away"},
	Internal:            {500, false, "a defect of the gateway"},
	FilterFailed:        {502, false, "a filter failed, so the exchange failed closed"},
	PolicyFailed:        {500, false, "the policy gave no valid decision, so the exchange failed closed"},
	UpstreamUnreachable: {502, true, "no connection to the model server"},
	UpstreamError:       {502, true, "the model server failed"},
	UpstreamCredential:  {502, true, "the gateway cannot get its own credential for the model server"},
	UpstreamRejected:    {400, false, "the model server refused the request"},
	StreamInterrupted:   {502, true, "the model server's stream ended early"},
	Overloaded:          {503, true, "the gateway, or the model server, is at its capacity"},
	NoEndpoint:          {503, true, "no endpoint of the model may serve the request now"},
	ModelWarming:        {503, true, "the model is starting: it had been scaled to zero"},
	UpstreamTimeout:     {504, true, "the model server did not answer in time"},
}

// Status is the code's HTTP status.
func (c Code) Status() int {
	if row, ok := codes[c]; ok {
		return row.status
	}
	return 500
}

// Retry tells whether the same request may succeed later. Where it may not, answers carry x-should-retry: false.
func (c Code) Retry() bool { return codes[c].retry }

// About says in one clause what the code means.
func (c Code) About() string { return codes[c].about }

// Codes lists every code.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for c := range codes {
		out = append(out, c)
	}
	return out
}
