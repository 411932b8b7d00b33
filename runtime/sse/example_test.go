package sse_test

import (
	"fmt"
	"strings"

	"github.com/sluicegate/sluice/runtime/sse"
)

func ExampleReader() {
	stream := "data: {\"text\":\"Hel\"}\n\n: keep-alive\n\ndata: {\"text\":\"lo\"}\n\ndata: [DONE]\n\n"
	r := sse.NewReader(strings.NewReader(stream), 1<<20)
	for {
		event, err := r.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(event.Data))
	}
	// Output:
	// {"text":"Hel"}
	// {"text":"lo"}
	// [DONE]
	// EOF
}

func ExampleAppendData() {
	fmt.Printf("%s", sse.AppendData(nil, []byte("two\nlines")))
	// Output:
	// data: two
	// data: lines
}
