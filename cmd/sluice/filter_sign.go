package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/artifact"
)

func filterSignCommand() *cobra.Command {
	var key string
	var fresh bool
	var m artifact.Manifest
	c := &cobra.Command{
		Use:   "sign --key KEY.pem X.wasm",
		Short: "Sign a filter: module, vectors, name, version and the facts it wants, into X.filter.json",
		Args:  oneArg("the module to sign, such as ticket.wasm"),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := artifact.Read(args[0])
			if err != nil {
				return err
			}
			if err := complete(&m, a, c.Flags().Changed("grants"), args[0]); err != nil {
				return err
			}
			k, err := signingKey(key, fresh)
			if err != nil {
				return err
			}
			if err := a.Sign(m, k); err != nil {
				return err
			}
			to := artifact.Files(args[0])[2]
			if err := artifact.WriteFile(to, a.Manifest.JSON()); err != nil {
				return err
			}
			public, _ := k.Public().(ed25519.PublicKey)
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s: %s %s, signed with the key %s\nwhoever trusts it writes into the configuration:\n  deploy: {trust: [%q]}\n",
				to, m.Name, m.Version, artifact.KeyID(public), artifact.KeyText(public))
			return err
		},
	}
	c.Flags().StringVar(&key, "key", "", "the private key: PEM, Ed25519, as openssl genpkey -algorithm ed25519 makes it")
	c.Flags().BoolVar(&fresh, "new-key", false, "make the key's file, which must not be there yet")
	c.Flags().StringVar(&m.Name, "name", "", "the filter's name (default: the present manifest's, else the file's)")
	c.Flags().StringVar(&m.Version, "version", "", "its version, such as 1.2.0 (default: the present manifest's)")
	c.Flags().StringSliceVar(&m.Grants, "grants", nil, "the facts it wants, such as principal.tenant,model (default: the present manifest's)")
	return c
}

// complete takes what was not said from the present manifest and the file's name.
func complete(m *artifact.Manifest, a *artifact.Artifact, grants bool, path string) error {
	if old := a.Manifest; old != nil {
		if m.Name == "" {
			m.Name = old.Name
		}
		if m.Version == "" {
			m.Version = old.Version
		}
		if !grants {
			m.Grants = old.Grants
		}
	}
	if m.Name == "" {
		m.Name = artifact.Name(path)
	}
	if m.Version == "" {
		return errors.New("the version is missing: write --version 0.1.0, and a higher one each time")
	}
	return nil
}

// signingKey reads the key, or makes it.
func signingKey(path string, fresh bool) (ed25519.PrivateKey, error) {
	switch {
	case path == "":
		return nil, errors.New("the key is missing: name its file with --key, and add --new-key to make one")
	case !fresh:
		k, err := artifact.ReadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; add --new-key to make it", err)
		}
		return k, err
	}
	k, text, err := artifact.NewKey()
	if err != nil {
		return nil, err
	}
	if err := artifact.WriteKey(path, text); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already; leave --new-key out to sign with it", path)
	} else if err != nil {
		return nil, err
	}
	return k, nil
}

func filterVerifyCommand() *cobra.Command {
	var trust []string
	c := &cobra.Command{
		Use:   "verify --trust KEY X.wasm",
		Short: "Check a filter's signature and that its files belong together",
		Args:  oneArg("the module to check, such as ticket.wasm"),
		RunE: func(c *cobra.Command, args []string) error {
			t := artifact.Trust{Required: true}
			for _, s := range trust {
				k, err := publicKey(s)
				if err != nil {
					return fmt.Errorf("--trust: %w", err)
				}
				t.Keys = append(t.Keys, k)
			}
			if len(t.Keys) == 0 {
				return errors.New("nobody is trusted: name a key with --trust, as ed25519:... or the path of its file")
			}
			a, err := artifact.Read(args[0])
			if err != nil {
				return err
			}
			k, err := a.Verify(t)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			grants := "no facts"
			if len(a.Manifest.Grants) > 0 {
				grants = strings.Join(a.Manifest.Grants, ", ")
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "good: %s %s, sha256:%s, signed with the key %s; it wants %s\n", a.Manifest.Name, a.Manifest.Version, a.Digest(), artifact.KeyID(k), grants)
			return err
		},
	}
	c.Flags().StringArrayVar(&trust, "trust", nil, "a public key: ed25519:... as sluice filter sign prints it, or the path of a file with it, or with PEM")
	return c
}

// publicKey reads a key as text, or from a file.
func publicKey(s string) (ed25519.PublicKey, error) {
	if _, err := os.Stat(s); err != nil && strings.HasPrefix(s, "ed25519:") {
		return artifact.ParseKey(s)
	}
	return artifact.ReadPublicKey(s)
}

func filterPushCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "push X.wasm oci://HOST/REPOSITORY:TAG",
		Short: "Put a filter, with its vectors and its manifest, into a registry (user and password in SLUICE_REGISTRY_USER and SLUICE_REGISTRY_PASSWORD)",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := artifact.Read(args[0])
			if err != nil {
				return err
			}
			login := artifact.Login{User: os.Getenv("SLUICE_REGISTRY_USER"), Password: os.Getenv("SLUICE_REGISTRY_PASSWORD")}
			ref, err := a.Push(c.Context(), args[1], login)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), ref)
			return err
		},
	}
	return c
}
