package openai_test

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/openai"
)

// A request's texts are read and edited; all else leaves byte for byte as it came.
func Example() {
	body := []byte(`{"model":"model-a", "messages":[{"role":"user","content":"Write to ana@example.com"}], "top_k": 40}`)
	r, err := openai.Chat.Request(body, strictjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Doc.Release()
	text := r.Segments[0].Text
	fmt.Printf("%s of %s: %s\n", r.Segments[0].Role, r.Model, text.Bytes())
	if err := text.Edit([]strictjson.Edit{{Start: 9, End: 24, With: []byte("[EMAIL_1]")}}); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s\n", openai.Chat.Render(nil, r, wire.Rendering{Model: "llama-3.3"}))
	// Output:
	// user of model-a: Write to ana@example.com
	// {"model":"llama-3.3", "messages":[{"role":"user","content":"Write to [EMAIL_1]"}], "top_k": 40}
}

// An event's texts are edited where they stand; its log probabilities, which would tell the old text, go with them.
func Example_stream() {
	ev, err := openai.Chat.Event([]byte(`{"id":"c","choices":[{"index":0,"delta":{"content":"4111"},"logprobs":{"content":[{"token":"4111"}]},"finish_reason":null}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ev.Doc.Release()
	fmt.Printf("%+v\n", ev.Pieces[0].Lane)
	ev.SetText(0, []byte("****"))
	fmt.Printf("%s", openai.ChatSurface().Event(nil, nil, ev))
	// Output:
	// {Choice:0 Field:content Arguments:false}
	// data: {"id":"c","choices":[{"index":0,"delta":{"content":"****"},"finish_reason":null}]}
}
