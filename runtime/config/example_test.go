package config_test

import (
	"fmt"

	"github.com/sluicegate/sluice/runtime/config"
)

func ExampleParse() {
	text := `
listen: 127.0.0.1:8080
auth:
  keys: [{id: search-app, tenant: search, sha256: 6b3a}]
models:
  - name: model-a
    endpoints: [{name: onprem-1, provider: openai, url: "http://127.0.0.1:8000/v1", wieght: 2}]
policy: {path: policies/, timeout: 50}
`
	_, err := config.Parse("sluice.yaml", []byte(text))
	fmt.Println(err)
	// Output:
	// sluice.yaml:4:51: auth.keys[0].sha256: expected the key's SHA-256, 64 hexadecimal digits; these are 4 characters; `sluice key new` prints it
	// sluice.yaml:7:85: models[0].endpoints[0].wieght: unknown key; did you mean weight?
	// sluice.yaml:8:36: policy.timeout: expected a duration such as 10s, 5m or 1h30m; add the unit
}

func ExampleConfig_Fault() {
	c, err := config.Parse("sluice.yaml", []byte(`
listen: 127.0.0.1:8080
auth: {ephemeral: [{id: red, tenant: red}]}
models: [{name: demo, endpoints: [{name: demo, provider: demo}]}]
filters: [{name: mine, module: mine.wasm}]
policy: {path: "builtin:default"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Fault("filters[0].module", "no such file; name a .wasm file"))
	// Output:
	// sluice.yaml:5:32: filters[0].module: no such file; name a .wasm file
}
