package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// starter is a small configuration that runs as it stands, without a model server.
const starter = `# Sluice's configuration. Check it with: sluice check --config %[1]s
listen: 127.0.0.1:8080

auth:
  # Made at random at each start, printed, accepted from this machine only. For real callers:
  # sluice key new, then  keys: [{id: my-app, tenant: my-team, roles: [developer], sha256: ...}]
  ephemeral:
    - {id: me, tenant: my-team, roles: [developer]}

models:
  - name: model-a
    endpoints:
      # The built-in demo is no model: it repeats what it is sent. A real one:
      # - {name: local, provider: openai, url: http://127.0.0.1:8000/v1, model: llama-3.3, credential: {env: MODEL_A_TOKEN}}
      - {name: demo, provider: demo}

filters:
  - name: redact
    module: builtin:redact
    required: true
    config:
      request: {default: token}   # the model sees [EMAIL_1]; the caller gets the address back
      response: {default: mask}

policy: {path: "builtin:default"}

cache: {size: 64MiB, ttl: 10m}

audit: {path: audit.jsonl, on_full: refuse}
`

func initCommand() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a small configuration to start from",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it holds no secret
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there already; name another file with --config", path)
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(f, starter, path); err != nil {
				return errors.Join(err, f.Close())
			}
			if err := f.Close(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %[1]s; start with: sluice serve --config %[1]s\n", path)
			return err
		},
	}
	configFlag(c, &path)
	return c
}
