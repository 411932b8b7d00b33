package filter_test

import (
	"context"
	"fmt"

	"github.com/sluicegate/sluice/filters"
	"github.com/sluicegate/sluice/runtime/exchange"
	"github.com/sluicegate/sluice/runtime/filter"
	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// A filter is loaded once; each exchange then takes a pass through the chain.
func Example() {
	ctx := context.Background()
	engine, err := filter.NewEngine(filter.Options{})
	if err != nil {
		panic(err)
	}
	defer engine.Close(ctx)
	module, _ := filters.Builtin("redact")
	redact, err := engine.Load(ctx, filter.Spec{
		Name: "redact", Module: module, Request: true,
		Actions: filter.Actions{Request: map[string]filter.Action{"email": filter.Token}, DefaultRequest: filter.Mask},
	})
	if err != nil {
		panic(err)
	}
	defer redact.Close(ctx)

	request, err := openai.Chat.Request([]byte(`{"model":"m","messages":[{"role":"user","content":"Write to ana@example.com."}]}`), strictjson.Limits{})
	if err != nil {
		panic(err)
	}
	x := &exchange.Exchange{Request: request, Principal: &exchange.Principal{Tenant: "search"}}
	pass, err := filter.NewChain(redact).Begin(x, nil)
	if err != nil {
		panic(err)
	}
	defer pass.Close()
	if err := pass.Request(ctx); err != nil {
		panic(err)
	}
	fmt.Println(string(request.Format.Render(nil, x.Request, wire.Rendering{Model: "m"})))

	answer, err := openai.Chat.Answer([]byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"Dear [EMAIL_1], ..."}}]}`))
	if err != nil {
		panic(err)
	}
	pass.RestoreAnswer(answer, nil)
	fmt.Println(string(answer.Pieces[0].Node.Bytes()))
	// Output:
	// {"model":"m","messages":[{"role":"user","content":"Write to [EMAIL_1]."}]}
	// Dear ana@example.com, ...
}
