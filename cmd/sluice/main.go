// Command sluice is an AI gateway: applications send it their model requests, and it authenticates, filters, decides,
// answers from its cache or forwards, and records each one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func main() {
	uuid.EnableRandPool() // ids are no secrets: a read of random bytes is enough for sixteen
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// errSilent ends a command whose findings were printed already.
var errSilent = errors.New("")

// run is main with its ends open: it returns the exit code, 0 or 1.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal does what signals do by default, unless the command hears it too: it ends the process
	root := command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(stderr, "sluice:", err)
		}
		return 1
	}
	return 0
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "An AI gateway: WASM filters, Rego policies, a cache, any model",
		SilenceErrors: true,
		SilenceUsage:  true,
		CompletionOptions: cobra.CompletionOptions{
			DisableDefaultCmd: true,
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, c.CommandPath())
	})
	root.AddCommand(serveCommand(), checkCommand(), initCommand(), keyCommand(), policyCommand(), replayCommand(), explainCommand(), filterCommand(), versionCommand())
	return root
}

// configFlag adds the flag that names the configuration.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", "sluice.yaml", "the configuration file")
}

// missing adds to the error of a configuration that is not there how to get one.
func missing(path string, err error) error {
	if _, look := os.Stat(path); errors.Is(look, fs.ErrNotExist) {
		return fmt.Errorf("%w, or write a first one: sluice init --config %s", err, path)
	}
	return err
}

// noArgs refuses arguments: the likeliest is a configuration named without its flag.
func noArgs(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.Flags().Lookup("config") != nil:
		return fmt.Errorf("%s takes no arguments; a configuration is named with --config %s", c.CommandPath(), args[0])
	default:
		return fmt.Errorf("%s takes no arguments", c.CommandPath())
	}
}

// cacheFlag adds the flag that names the folder for compiled filters.
func cacheFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "cache-dir", "", "private folder for compiled filters (default: sluice/wasm in the user's cache folder)")
}
