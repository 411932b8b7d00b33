package provider

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/upstream"
	"github.com/sluicegate/sluice/runtime/wire"
)

// kept asks about a response that the server keeps: what the call's body says goes into the path and its query; see
// openai.KeptName. A response that failed is an answer like any.
func (d *openAI) kept(ctx context.Context, c *upstream.Call) (*upstream.Reply, error) {
	path, err := keptPath(c)
	if err != nil {
		return nil, &upstream.Failure{Code: wire.Internal, Cause: err} // the gateway has rendered it
	}
	req := upstream.Request{Method: keptMethods[c.Operation], Path: path, RequestID: c.RequestID, Header: c.Header}
	resp, err := send(ctx, d.transport, d.credential, &req, d.put)
	if err != nil {
		return nil, err
	}
	if resp.Status < 200 || resp.Status > 299 {
		f, _ := resp.Fail()
		if f.Status == http.StatusNotFound {
			gone(f)
		}
		return nil, f
	}
	return object(resp)
}

// gone makes a failure that of something which is kept no more: it was deleted, or its time is over. That is no fault of the
// endpoint's.
func gone(f *upstream.Failure) { f.Code, f.Retry = wire.NotFound, upstream.RetryNo }

// namesKept tells whether a request goes on from what the server keeps: then 404 says that it does not, else that there is no
// such path or model.
func namesKept(c *upstream.Call) bool {
	return c.Once && c.Operation == wire.Responses &&
		(bytes.Contains(c.Body, []byte(`"previous_response_id"`)) || bytes.Contains(c.Body, []byte(`"item_reference"`)))
}

var keptMethods = map[wire.Operation]string{
	wire.GetResponse:    http.MethodGet,
	wire.DeleteResponse: http.MethodDelete,
	wire.CancelResponse: http.MethodPost,
	wire.ResponseInput:  http.MethodGet,
}

// keptPath is the path under the base URL, with its query.
func keptPath(c *upstream.Call) (string, error) {
	doc, err := strictjson.Parse(c.Body, strictjson.Limits{MaxBytes: len(c.Body) + 1})
	if err != nil {
		return "", err
	}
	defer doc.Release()
	root, query := doc.Root(), url.Values{}
	id := root.Get("response_id").Str()
	if strings.Trim(id, ".") == "" {
		return "", errors.New("a response's id that is no name")
	}
	for k, v := range root.Members() {
		switch {
		case k.Is("response_id"):
		case v.Kind() == strictjson.Array:
			for e := range v.Elements() {
				query.Add(k.Str()+"[]", e.Str())
			}
		case v.Kind() == strictjson.String:
			query.Set(k.Str(), v.Str())
		default:
			query.Set(k.Str(), string(v.Raw()))
		}
	}
	path := "/responses/" + url.PathEscape(id)
	switch c.Operation {
	case wire.CancelResponse:
		path += "/cancel"
	case wire.ResponseInput:
		path += "/input_items"
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, nil
}
