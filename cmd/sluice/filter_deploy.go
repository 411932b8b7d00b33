package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/control"
)

// deployFlags are what a deployment may say beside the module.
type deployFlags struct {
	gatewayFlags
	name, version string
	canary        int
	maxFailures   float64
	minCalls      int
	lower         bool
}

func filterDeployCommand() *cobra.Command {
	var f deployFlags
	c := &cobra.Command{
		Use:   "deploy X.wasm|oci://HOST/REPOSITORY:TAG",
		Short: "Bring a filter live on a running gateway, with the vectors and the manifest beside it",
		Args:  oneArg("the module to deploy, such as ticket.wasm"),
		RunE: func(c *cobra.Command, args []string) error {
			g, err := f.client()
			if err != nil {
				return err
			}
			name, body, kind, err := f.content(args[0])
			if err != nil {
				return err
			}
			var out control.Deployed
			target := "/filters/" + url.PathEscape(name) + "/deploy?" + f.query(c, args[0]).Encode()
			if err := g.call(c.Context(), http.MethodPost, target, kind, body, &out); err != nil {
				return err
			}
			printDeployed(c.OutOrStdout(), name, &out)
			return nil
		},
	}
	f.add(c)
	k := control.DefaultShare()
	c.Flags().StringVar(&f.name, "name", "", "the filter's name (default: the manifest's, else the file's)")
	c.Flags().StringVar(&f.version, "version", "", "its version, where it has no manifest")
	c.Flags().IntVar(&f.canary, "canary", 0, "only for this percentage of principals, each the same one always")
	c.Flags().Float64Var(&f.maxFailures, "max-failures", k.MaxFailures, "of a canary: the percentage of exchanges that may fail before it is taken back by itself")
	c.Flags().IntVar(&f.minCalls, "min-calls", k.MinCalls, "of a canary: how many exchanges that percentage is at least taken of")
	c.Flags().BoolVar(&f.lower, "rollback", false, "a version lower than one that was accepted before is meant")
	return c
}

// oneArg wants one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument: %s", c.CommandPath(), what)
		}
		return nil
	}
}

// content is the filter's name and the upload; an image needs none.
func (f *deployFlags) content(arg string) (name string, body io.Reader, kind string, err error) {
	if strings.HasPrefix(arg, artifact.ImagePrefix) {
		return f.or(imageName(arg)), nil, "", nil
	}
	a, err := artifact.Read(arg)
	if err != nil {
		return "", nil, "", err
	}
	name = f.or(artifact.Name(arg))
	if a.Manifest != nil {
		name = f.or(a.Manifest.Name)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err = addFile(w, "module", a.Module)
	if a.Vectors != nil {
		err = errors.Join(err, addFile(w, "vectors", a.Vectors))
	}
	if a.Manifest != nil {
		err = errors.Join(err, addFile(w, "manifest", a.Manifest.JSON()))
	}
	return name, &b, w.FormDataContentType(), errors.Join(err, w.Close())
}

func (f *deployFlags) or(name string) string {
	if f.name != "" {
		return f.name
	}
	return name
}

// imageName is the last part of an image's repository.
func imageName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

func addFile(w *multipart.Writer, name string, b []byte) error {
	to, err := w.CreateFormFile(name, name)
	if err == nil {
		_, err = to.Write(b)
	}
	return err
}

func (f *deployFlags) query(c *cobra.Command, arg string) url.Values {
	q := url.Values{}
	if strings.HasPrefix(arg, artifact.ImagePrefix) {
		q.Set("image", arg)
	}
	if f.version != "" {
		q.Set("version", f.version)
	}
	if f.lower {
		q.Set("lower", "true")
	}
	if c.Flags().Changed("canary") {
		q.Set("canary", strconv.Itoa(f.canary))
		q.Set("max_failures", strconv.FormatFloat(f.maxFailures, 'g', -1, 64))
		q.Set("min_calls", strconv.Itoa(f.minCalls))
	}
	return q
}

// printDeployed says what is live now, and how to go back.
func printDeployed(w io.Writer, name string, d *control.Deployed) {
	if d.Filter.State == "canary" {
		fmt.Fprintf(w, "%s %s is the canary for %d %% of principals, beside %s (generation %d)\n", name, d.Filter.Label(), d.Filter.Share, d.Live.Label(), d.Generation)
		fmt.Fprintf(w, "  sluice filter promote %[1]s   gives it to all\n  sluice filter rollback %[1]s  takes it back\n", name)
	} else {
		fmt.Fprintf(w, "%s %s is live (generation %d)\n", name, d.Live.Label(), d.Generation)
		if d.Previous != nil {
			fmt.Fprintf(w, "  sluice filter rollback %s  goes back to %s\n", name, d.Previous.Label())
		}
	}
	if d.Warning != "" {
		fmt.Fprintln(w, "  but:", d.Warning)
	}
}
