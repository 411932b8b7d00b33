package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/auth"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
)

// listenAdmin opens the admin listener. token is what to print, where the config asks for a token made at random.
func listenAdmin(c *control.Controller, cfg *config.Config, log *slog.Logger) (l net.Listener, s *admin.Server, token string, err error) {
	o := admin.Options{Controller: c, Logger: log}
	if cfg.Admin.Socket != "" {
		l, err = listenSocket(cfg.Path(cfg.Admin.Socket))
		return l, admin.New(o), "", err
	}
	if cfg.Admin.Token.Ephemeral {
		token, _ = auth.NewKey()
		o.Token = token
	} else if o.Token, err = cfg.Admin.Token.Resolve(cfg.Dir()); err != nil {
		return nil, nil, "", cfg.Fault("admin.token", "%v", err)
	}
	if l, err = net.Listen("tcp", cfg.Admin.Listen); err != nil {
		return nil, nil, "", cfg.Fault("admin.listen", "cannot listen: %v", err)
	}
	o.Hosts = adminHosts(l.Addr(), cfg.Admin)
	return l, admin.New(o), token, nil
}

func adminHosts(addr net.Addr, cfg *config.Admin) []string {
	hosts := []string{"localhost"}
	for _, a := range []string{addr.String(), cfg.Listen} {
		if h, _, err := net.SplitHostPort(a); err == nil && h != "" {
			hosts = append(hosts, strings.ToLower(h))
		}
	}
	for _, h := range cfg.Hosts {
		hosts = append(hosts, strings.ToLower(h))
	}
	return hosts
}

// listenSocket makes a unix socket that only this user can open. A socket that nobody listens on is left from a
// process that was killed, and is replaced.
func listenSocket(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("admin.socket: %s is there and is no socket; name another path", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("admin.socket: another process listens on %s", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	old := syscall.Umask(0o177) // so that there is no moment at which others could open it
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("admin.socket: %w", err)
	}
	return l, nil
}
