package inference_test

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
	"github.com/sluicegate/sluice/runtime/wire/inference"
)

// The plain form becomes a chat completion.
func Example() {
	body := []byte(`{"model_name":"model-a","inputs":"Hello","parameters":{"temperature":0.5}}`)
	r, err := inference.Surface().Parse(body, strictjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Doc.Release()
	fmt.Printf("%s\n", r.Format.Render(nil, r, wire.Rendering{Model: "llama-3.3"}))
	// Output: {"model":"llama-3.3","messages":[{"role":"user","content":"Hello"}],"temperature":0.5}
}
