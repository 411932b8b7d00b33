package token_test

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/filter/token"
)

func Example() {
	var table token.Table
	prompt := table.Tokenise([]byte("Write to "), "email", []byte("ana@example.com"))
	fmt.Printf("%s\n", prompt)

	restorer := token.NewRestorer(&table, token.Text)
	for _, delta := range []string{"Dear [EMA", "IL_1], see https://example.com/", "[EMAIL_1]"} {
		fmt.Printf("%q\n", restorer.Push(nil, []byte(delta), false))
	}
	fmt.Printf("%q\n", restorer.Push(nil, nil, true))
	// Output:
	// Write to [EMAIL_1]
	// "Dear "
	// "ana@example.com, see https://example.com/"
	// "[EMAIL_1]"
	// ""
}
