package strictjson_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// A request is read, one address in it is replaced, and it leaves under another model's name. The escape, the digits
// and the white space that no edit touched are as they came.
func ExampleParse() {
	body := []byte(`{"model": "auto", "temperature": 0.70, "messages": [{"role": "user", "content": "Caf\u00e9? Ask ana@example.com"}]}`)
	doc, err := strictjson.Parse(body, strictjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer doc.Release()
	for message := range doc.Root().Get("messages").Elements() {
		text := doc.Text(message.Get("content"))
		secret := []byte("ana@example.com")
		if start := bytes.Index(text.Bytes(), secret); start >= 0 {
			edit := strictjson.Edit{Start: start, End: start + len(secret), With: []byte("[EMAIL_1]")}
			if err := text.Edit([]strictjson.Edit{edit}); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	model := strictjson.Override{Key: "model", Raw: []byte(`"model-a"`)}
	fmt.Printf("%s\n", doc.RenderWith(nil, []strictjson.Override{model}))
	// Output:
	// {"model": "model-a", "temperature": 0.70, "messages": [{"role": "user", "content": "Caf\u00e9? Ask [EMAIL_1]"}]}
}

// Two parsers can read this body differently, so it is refused, with the place.
func ExampleParse_refused() {
	_, err := strictjson.Parse([]byte(`{"model":"cheap","mod\u0065l":"dear"}`), strictjson.Limits{})
	fmt.Println(err)
	var refusal *strictjson.Error
	fmt.Println(errors.As(err, &refusal) && refusal.Code == strictjson.DuplicateKey)
	// Output:
	// duplicate_key at byte 17: an object names this key twice
	// true
}

func ExampleText_Edit() {
	doc, err := strictjson.Parse([]byte(`["card 4111 1111", " 1111 1111 please"]`), strictjson.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer doc.Release()
	var parts []strictjson.Node
	for part := range doc.Root().Elements() {
		parts = append(parts, part)
	}
	text := doc.Text(parts...) // two strings, read as one
	if err := text.Edit([]strictjson.Edit{{Start: 5, End: 24, With: []byte("[CARD_1]")}}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n%s\n", text.Bytes(), doc.Render(nil))
	// Output:
	// card [CARD_1] please
	// ["card [CARD_1]", " please"]
}

// What a model server answers may be ugly. It is read in one way, and leaves as it was read.
func ExampleReadReply() {
	reply, err := strictjson.ReadReply([]byte(`{"content": "\x41 caf\u00e9", "score": .50, "loss": NaN}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reply.Release()
	fmt.Printf("%s\n", reply.Root().Get("content").Bytes())
	fmt.Printf("%s\n", reply.Append(nil))
	reply.Root().Get("content").SetBytes([]byte("tea"))
	fmt.Printf("%s\n", reply.Append(nil))
	// Output:
	// \x41 café
	// {"content":"\\x41 café","score":0.50,"loss":null}
	// {"content":"tea","score":0.50,"loss":null}
}

func ExampleAppendString() {
	fmt.Printf("%s\n", strictjson.AppendString(nil, "say \"hi\"\n\x00"))
	// Output: "say \"hi\"\n\u0000"
}
