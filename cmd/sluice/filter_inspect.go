package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/filter"
)

// inspected is what sluice filter inspect prints.
type inspected struct {
	Module  string `json:"module"` // as it was named
	Vectors int    `json:"vectors"`
	filter.Inspection
	Manifest  *manifested `json:"manifest,omitempty"`
	Signature string      `json:"signature"`
}

// manifested is what a manifest says of the filter.
type manifested struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	ABI     int      `json:"abi"`
	Grants  []string `json:"grants"`
}

func filterInspectCommand() *cobra.Command {
	var config string
	var trust []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect MODULE",
		Short: "Tell what a module is, and why it is refused if it is",
		Long: "Tells a module's ABI, hooks, imports, exports, memory, digest, manifest and signature, and whether its instances can be put\n" +
			"back between exchanges. A module that the gateway refuses is described as far as it gets; exit code 1 then.",
		Args: rangeArgs(1, 1, "the path of a module, or builtin:NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			var keys []ed25519.PublicKey
			for _, text := range trust {
				key, err := artifact.ParseKey(text)
				if err != nil {
					return fmt.Errorf("--trust: %w", err)
				}
				keys = append(keys, key)
			}
			in, err := inspect(c.Context(), args[0], config, keys)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				err = enc.Encode(in)
			} else {
				err = in.print(c.OutOrStdout(), colours(c.OutOrStdout()))
			}
			if err == nil && in.Refused != nil {
				return errSilent
			}
			return err
		},
	}
	c.Flags().StringVar(&config, "config", "", "the filter's configuration, JSON")
	c.Flags().StringArrayVar(&trust, "trust", nil, "a public key to hold the signature against, ed25519:BASE64; may be repeated")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// inspect gathers all that can be told of a module.
func inspect(ctx context.Context, arg, config string, keys []ed25519.PublicKey) (*inspected, error) {
	s, err := openSource(arg, "")
	if err != nil {
		return nil, err
	}
	in := &inspected{Module: arg}
	manifest, err := in.provenance(s, keys)
	e, errEngine := filterEngine()
	if errEngine != nil {
		return nil, errEngine
	}
	defer func() { _ = e.Close(ctx) }()
	spec := filter.Spec{Name: s.name, Module: s.module}
	if manifest != nil {
		spec.Grants = manifest.Grants
	}
	if config != "" {
		spec.Config = []byte(config)
	}
	in.Inspection = e.Inspect(ctx, spec)
	if err != nil {
		in.Refused = &filter.Refusal{Stage: filter.StageSignature, Reason: err.Error(), Advice: "sign the files that belong together: sluice filter sign"}
	}
	if s.vectors == nil {
		return in, nil
	}
	vs, err := filter.ParseVectors(s.vectors)
	if in.Vectors = len(vs); err != nil && in.Refused == nil {
		in.Refused = &filter.Refusal{Stage: filter.StageSelfTest, Reason: err.Error(), Advice: "mend " + s.where}
	}
	return in, nil
}

// provenance reads the manifest beside a module, and says what its signature is worth. The error says why it is refused.
func (in *inspected) provenance(s *source, keys []ed25519.PublicKey) (*artifact.Manifest, error) {
	if strings.HasPrefix(s.arg, "builtin:") {
		in.Signature = "not needed: it is part of the program"
		return nil, nil
	}
	in.Signature = "none: it has no manifest (X.filter.json)"
	text, err := readFile(artifact.Files(s.arg)[2], artifact.MaxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := artifact.New(s.arg, s.module, s.vectors, text)
	if err != nil {
		in.Signature = "unknown: its manifest cannot be read"
		return nil, err
	}
	m := a.Manifest
	in.Manifest = &manifested{m.Name, m.Version, m.ABI, m.Grants}
	key, err := a.Verify(artifact.Trust{Keys: keys})
	switch {
	case err != nil:
		in.Signature = "bad"
	case m.Signature == nil:
		in.Signature = "none: its manifest is not signed"
	case key == nil:
		in.Signature = fmt.Sprintf("with the key %s, not checked: name the key with --trust", m.Signature.Key)
	default:
		in.Signature = fmt.Sprintf("good, with the key %s", m.Signature.Key)
	}
	return m, err
}

func (in *inspected) print(w io.Writer, colour bool) error {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return code + text + plainText
	}
	fmt.Fprintln(w, paint(boldText, in.Module))
	t := table(w)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, visible(fmt.Sprintf(format, args...)))
	}
	in.rows(row)
	if err := t.Flush(); err != nil {
		return err
	}
	if in.Refused == nil {
		fmt.Fprintf(w, "  %s\n", paint(greenText, "it can be used"))
		return nil
	}
	fmt.Fprintf(w, "  %s %s\n", paint(boldText+redText, "REFUSED at "+in.Refused.Stage+":"), visible(in.Refused.Reason))
	fmt.Fprintf(w, "  what to do: %s\n", in.Refused.Advice)
	return nil
}

// rows gives each line of the table.
func (in *inspected) rows(row func(name, format string, args ...any)) {
	row("digest", "sha256:%s", in.Digest)
	row("size", "%d bytes, %s", in.Size, count(in.Functions, "function"))
	if in.ABI != "" {
		row("abi", "%s", in.ABI)
		row("hooks", "%s", orNone(in.Hooks))
	}
	if len(in.Features) > 0 {
		row("features", "%s", orNone(in.Features))
	}
	for i, im := range in.Imports {
		row(once(i, "imports"), "%s", im)
	}
	for i, ex := range in.Exports {
		row(once(i, "exports"), "%s", ex)
	}
	if len(in.Exports) > 0 {
		row("memory", "%d to %d pages of 64 KiB%s", in.MinPages, in.MaxPages, in.warm())
		row("reset", "%s", in.reset())
	}
	if in.Inert != nil {
		row("byte classes", "%d of 256 byte values pass on streams without a call", *in.Inert)
	}
	if m := in.Manifest; m != nil {
		row("manifest", "%s %s, ABI %d", m.Name, m.Version, m.ABI)
		row("grants wanted", "%s", orNone(m.Grants))
	}
	row("signature", "%s", in.Signature)
	row("vectors", "%d", in.Vectors)
}

// once is a name for the first of several lines.
func once(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}

func (in *inspected) warm() string {
	if in.Memory == 0 {
		return ""
	}
	return fmt.Sprintf(", %d KiB when warm", in.Memory>>10)
}

func (in *inspected) reset() string {
	if in.Restorable {
		return "an instance is put back to its snapshot between exchanges"
	}
	return "not possible, so each exchange gets a fresh instance: the module has " + strings.Join(in.Unrestorable, ", ")
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
