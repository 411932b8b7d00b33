package config

import (
	"strings"
	"testing"
)

// An endpoint's url and model may come from the environment, and are checked like those that are written out.
func TestSetting(t *testing.T) {
	t.Setenv("MODEL_A_URL", "http://127.0.0.1:8000/v1")
	t.Setenv("MODEL_A_ID", "llama-3.3")
	t.Setenv("MODEL_B_URL", "eyJhbGciOiJIUzI1NiJ9.swapped")
	f := func(url, model, want string) {
		t.Helper()
		text := "auth: {ephemeral: [{id: a, tenant: a}]}\nmodels:\n  - name: model-a\n    endpoints:\n      - {name: one, provider: openai, url: " + url + ", model: " + model + "}\npolicy: {path: builtin:default}\n"
		c, err := Parse("sluice.yaml", []byte(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s %s: %v", url, model, err)
		case want == "":
			if e := c.Models[0].Endpoints[0]; e.URL != "http://127.0.0.1:8000/v1" || e.Model != "llama-3.3" {
				t.Errorf("%q %q", e.URL, e.Model)
			}
		case err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s %s: %v, want %s", url, model, err, want)
		}
	}
	f("{env: MODEL_A_URL}", "{env: MODEL_A_ID}", "")
	f("http://127.0.0.1:8000/v1", "llama-3.3", "")
	f("{env: MODEL_C_URL}", "x", "models[0].endpoints[0].url: environment variable MODEL_C_URL is not set; set it")
	f("{env: MODEL_B_URL}", "x", "looks like a secret, not a URL; are url and credential swapped?")
	f("{file: x}", "x", "url.file: unknown key; expected text, or {env: NAME}")
	f("{env: $X}", "x", "env is not the name of a variable")
	f("[x]", "x", "expected text, found")
}
