package main

import (
	"errors"
	"html/template"
	"os"
	"slices"
	"strings"

	"github.com/sluicegate/sluice/runtime/policy"
)

// sortedByCount are the keys of counts, the largest first.
func sortedByCount(counts map[string]int) []string {
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return keys
}

// writePage writes a report as one page of HTML that needs nothing else.
func writePage(path string, r policy.ReplayReport) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = page.Execute(f, pageData{ReplayReport: r, Kinds: policy.ChangeKinds, Texts: skipTexts})
	return errors.Join(err, f.Close())
}

type pageData struct {
	policy.ReplayReport
	Kinds []string
	Texts map[string]string
}

// Share is a part of the replayed decisions, in per cent.
func (d pageData) Share(n int) float64 { return 100 * float64(n) / float64(max(d.Replayed, 1)) }

var page = template.Must(template.New("page").Funcs(template.FuncMap{"sorted": sortedByCount}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Replay with policy {{.Revision}}</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } h3 { font-size: .95rem; margin: 1rem 0 .2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; }
tr + tr td { border-top: 1px solid #8884; } td.n { text-align: right; font-variant-numeric: tabular-nums; width: 5rem; }
code { font: 13px ui-monospace, monospace; } .bar { background: #c63; height: .5rem; border-radius: 2px; min-width: 1px; }
.sum { display: flex; gap: 2.5rem; flex-wrap: wrap; } .sum b { display: block; font-size: 1.5rem; }
</style></head><body>
<h1>Replay with policy <code>{{.Revision}}</code></h1>
<div class="sum"><div><b>{{.Events}}</b>decisions read</div><div><b>{{.Replayed}}</b>decided again</div><div><b>{{.Same}}</b>the same</div>
{{range .Kinds}}{{with index $.Changes .}}<div><b>{{.Count}}</b>{{end}}{{if index $.Changes .}}{{.}}</div>{{end}}{{end}}</div>
{{with .Skipped}}<h2>Not replayed</h2><table>{{range sorted .}}<tr><td class="n">{{index $.Skipped .}}</td><td>{{index $.Texts .}}</td></tr>{{end}}</table>{{end}}
{{if ne .Cost.Then .Cost.Now}}<h2>Cost of the prompts</h2><p>{{printf "%.6f" .Cost.Then}} USD then, {{printf "%.6f" .Cost.Now}} USD now, by the first model and the tokens estimated.</p>{{end}}
{{range $kind := .Kinds}}{{with $c := index $.Changes $kind}}
<h2>{{$kind}}: {{$c.Count}} ({{printf "%.2f" ($.Share $c.Count)}} %)</h2><div class="bar" style="width: {{printf "%.2f" ($.Share $c.Count)}}%"></div>
{{with $c.ByTenant}}<h3>By tenant</h3><table>{{range sorted .}}<tr><td class="n">{{index $c.ByTenant .}}</td><td>{{.}}</td></tr>{{end}}</table>{{end}}
{{with $c.ByReason}}<h3>By reason</h3><table>{{range sorted .}}<tr><td class="n">{{index $c.ByReason .}}</td><td>{{.}}</td></tr>{{end}}</table>{{end}}
{{with $c.ByRule}}<h3>By rule</h3><table>{{range sorted .}}<tr><td class="n">{{index $c.ByRule .}}</td><td><code>{{.}}</code></td></tr>{{end}}</table>{{end}}
<h3>Examples</h3><table><tr><th>decision</th><th>tenant</th><th>model</th><th>then</th><th>now</th></tr>
{{range $c.Examples}}<tr><td><code>{{.ID}}</code></td><td>{{.Tenant}}</td><td>{{.Model}}</td><td>{{.Then}}</td><td>{{.Now}}</td></tr>{{end}}</table>
{{end}}{{end}}
</body></html>
`))
