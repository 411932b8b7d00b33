package meter_test

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/sluicegate/sluice/runtime/filter/meter"
)

// A guest that spins is stopped when the host has no fuel left for it.
func ExampleRewrite() {
	spins := oneFunction(0x03, 0x40, 0x0c, 0, 0x0b) // loop br 0 end
	out, info, err := meter.Rewrite(spins, meter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)

	budget := int64(1_000_000)
	refill := func(_ context.Context, stack []uint64) {
		const slice = 50_000
		if budget -= int64(stack[0]) + slice; budget < 0 {
			panic("the budget is spent")
		}
		stack[0] = slice
	}
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err = r.NewHostModuleBuilder(info.RefillModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(refill), i64, i64).Export(info.RefillName).Instantiate(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	guest, err := r.Instantiate(ctx, out)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = guest.ExportedFunction("f").Call(ctx)
	fmt.Println(cause(err))
	// Output: the budget is spent (recovered by wazero)
}
