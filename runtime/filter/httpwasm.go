package filter

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// The handler ABI of http-wasm (http-wasm.io/http-handler-abi), so that existing filters run unmodified. A handler is
// metered, put back and pooled like a native filter; what it sees and may do is in filters/abi/HTTP-WASM.md:
//
//	httpwasm.go        recognise, check, start, warm up
//	httpwasm_host.go   the module http_handler
//	httpwasm_view.go   the exchange as a handler sees it
//	httpwasm_pass.go   a handler's place in the chain
//	httpwasm_kept.go   what handle_request left in memory, for handle_response
const (
	handlerModule  = "http_handler"
	handleRequest  = "handle_request"
	handleResponse = "handle_response"
)

// What an http-wasm handler sees of an exchange (Spec.View).
const (
	ViewSynthetic = "synthetic" // a request made up of what is harmless; see the list in httpwasm_view.go
	ViewFull      = "full"      // the request line and all headers as they came, credentials and cookies among them
)

// The features of the ABI. Trailers are not supported: no body here has any.
const (
	featureBufferRequest  = 1 << 0
	featureBufferResponse = 1 << 1
	featuresKnown         = featureBufferRequest | featureBufferResponse
)

// ABI names the contract that the module was built for: "sluice 1" or "http-wasm handler".
func (f *Filter) ABI() string {
	if f.mod.handler {
		return "http-wasm handler"
	}
	return "sluice 1"
}

// Features names the features that an http-wasm handler asked for when it started: "buffer_request" and
// "buffer_response". One that asks for others later, or a native filter, has none.
func (f *Filter) Features() []string {
	var out []string
	for i, name := range []string{"buffer_request", "buffer_response"} {
		if f.features>>i&1 != 0 {
			out = append(out, name)
		}
	}
	return out
}

// isHandler recognises an http-wasm handler. One that calls no host function imports nothing.
func isHandler(info *meter.Info) bool {
	if !exportsFunc(info, handleRequest) {
		return false
	}
	for _, im := range info.Imports {
		if im.Module == handlerModule {
			return true
		}
	}
	return exportsFunc(info, handleResponse)
}

// checkHandler holds a handler's imports and exports against the ABI.
func checkHandler(info *meter.Info) error {
	for _, im := range info.Imports {
		if err := checkHandlerImport(im); err != nil {
			return fmt.Errorf("it is an http-wasm handler, but %w", err)
		}
	}
	for _, want := range []struct {
		name, sig string
		kind      meter.Kind
	}{{handleRequest, ":I", meter.Func}, {handleResponse, "ii:", meter.Func}, {"memory", "", meter.Memory}} {
		if err := checkHandlerExport(info, want.name, want.sig, want.kind); err != nil {
			return fmt.Errorf("it is an http-wasm handler, but %w", err)
		}
	}
	return nil
}

func checkHandlerExport(info *meter.Info, name, short string, kind meter.Kind) error {
	for _, ex := range info.Exports {
		switch {
		case ex.Name != name:
		case ex.Kind != kind:
			return fmt.Errorf("its export %s is a %s, want a %s", name, ex.Kind, kind)
		case kind == meter.Func && sig(ex.Func) != short:
			return fmt.Errorf("its export %s is %s, want %s", name, ex.Func, spell(short))
		default:
			return nil
		}
	}
	return fmt.Errorf("it does not export %s", name)
}

func checkHandlerImport(im meter.Import) error {
	if im.Module == wasiModule && im.Kind == meter.Func && wasiKnows(im.Name, sig(im.Func)) {
		return nil
	}
	for i := range handlerTable {
		h := &handlerTable[i]
		if im.Module != handlerModule || im.Kind != meter.Func || h.name != im.Name {
			continue
		}
		if sig(im.Func) != h.sig {
			return fmt.Errorf("its import %s.%s is %s, want %s", im.Module, im.Name, im.Func, spell(h.sig))
		}
		return nil
	}
	return fmt.Errorf("its import %s.%s (%s) is none that the gateway has for one: it has the functions of module %q and those of WASI preview 1",
		im.Module, im.Name, im.Kind, handlerModule)
}

// suits holds a Spec against the ABI of its module.
func (s *Spec) suits(handler bool) error {
	a := &s.Actions
	switch {
	case !handler && s.View == ViewFull:
		return errors.New("view: full is for http-wasm handlers: a filter of the native ABI sees text and facts, never the HTTP request")
	case !handler:
		return nil
	case !s.Request:
		return errors.New("an http-wasm handler sees every request before its answer: write on: [request] or on: [request, response]")
	case len(s.Grants) > 0:
		return errors.New("it is an http-wasm handler, which has no way to ask for facts: remove grants")
	case len(a.Request)+len(a.Answer) > 0 || a.DefaultRequest+a.DefaultAnswer != "":
		return errors.New("it is an http-wasm handler, which finds nothing by kinds: remove request and response from config")
	}
	return nil
}

// readyHandler runs the start function of a command module, as TinyGo makes them, and chooses the hooks. A start section
// has run before; the functions get_config and enable_features are there for both.
func (f *Filter) readyHandler(in *instance) error {
	if start := in.mod.ExportedFunction("_start"); start != nil && in.mod.ExportedFunction("_initialize") == nil {
		if err := in.enter(start, inStart); err != nil {
			return fmt.Errorf("_start: %w", err)
		}
	}
	if f.hooks != 0 {
		return nil
	}
	f.features = in.call.features
	f.hooks = hookHandleRequest
	if !f.spec.Answer || f.proof {
		return nil
	}
	f.hooks |= hookHandleResponse
	if f.features&featureBufferResponse != 0 && f.spec.Whole == "" {
		return fmt.Errorf("the handler asks to buffer the response (feature_buffer_response), and http-wasm knows no streams: say what to do with them, stream: %s or stream: %s, or keep it off answers with on: [request]", WholeBuffer, WholeRefuse)
	}
	if why := f.mod.unrestorable; len(why) > 0 {
		return fmt.Errorf("handle_response needs what handle_request left in the module's state, which can't be put back (%s): keep it off answers with on: [request]", why[0])
	}
	return nil
}

// warmed warms an instance up and returns it, or closes it. A handler may well refuse a request that it does not know, or
// trap on it, which says nothing of those to come: another instance takes its place, and stays cold.
func (f *Filter) warmed(ctx context.Context, in *instance) (*instance, error) {
	err := f.warm(ctx, in)
	if err == nil {
		return in, nil
	}
	in.close()
	if !f.mod.handler || errors.Is(err, errBudget) || ctx.Err() != nil {
		return nil, err
	}
	if in, err = f.mod.instantiate(ctx, f, f.spec.Limits.Load); err != nil {
		return nil, err
	}
	if err = f.ready(ctx, in, f.spec.Limits.Load); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// warmHandler takes a sample request, and its answer, through a handler twice.
func (f *Filter) warmHandler(ctx context.Context, in *instance) error {
	c := &in.call
	for range 2 {
		c.begin(nil, 0)
		c.http = &handling{
			features: f.features, method: "POST", uri: "/v1/chat/completions", protocol: "HTTP/1.1", source: "127.0.0.1:0", status: 200,
			request: message{fields: jsonFields(), body: []byte(warmBody)},
		}
		ret, err := in.invoke(ctx, inHandleRequest, nil, f.spec.Limits.Load)
		if err != nil || uint32(ret) != 1 || f.hooks&hookHandleResponse == 0 {
			return err
		}
		c.http.answered([]byte(warmBody))
		if _, err := in.invoke(ctx, inHandleResponse, nil, f.spec.Limits.Load, ret>>32, 0); err != nil {
			return err
		}
	}
	return nil
}

// provideHandler instantiates the module http_handler.
func (m *module) provideHandler(ctx context.Context) error {
	b := m.rt.NewHostModuleBuilder(handlerModule)
	for i := range handlerTable {
		h := &handlerTable[i]
		params, results := valueTypes(h.sig)
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(h.enter), params, results).Export(h.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}
