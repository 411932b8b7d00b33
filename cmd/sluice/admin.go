package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
)

// listenAdmin opens the admin listener.
func listenAdmin(c *control.Controller) (net.Listener, *admin.Server, error) {
	cfg := c.Config()
	o := admin.Options{Controller: c, Logger: c.Logger(), Socket: cfg.Admin.Socket != ""}
	if o.Socket {
		l, err := admin.ListenSocket(cfg.Path(cfg.Admin.Socket))
		if err != nil {
			return nil, nil, cfg.Fault("admin.socket", "%v", err)
		}
		return l, admin.New(o), nil
	}
	l, err := net.Listen("tcp", cfg.Admin.Listen)
	if err != nil {
		return nil, nil, cfg.Fault("admin.listen", "%s", cannotListen(cfg.Admin.Listen, err))
	}
	o.Hosts, o.TLS = adminHosts(cfg.Admin), c.AdminTLS()
	return l, admin.New(o), nil
}

// adminHosts are the names of the admin listener.
func adminHosts(cfg *config.Admin) []string {
	hosts := []string{"localhost"}
	if h, _, err := net.SplitHostPort(cfg.Listen); err == nil && h != "" {
		hosts = append(hosts, strings.ToLower(h))
	}
	for _, h := range cfg.Hosts {
		hosts = append(hosts, strings.ToLower(h))
	}
	return hosts
}

// cannotListen says in plain words why an address cannot be had.
func cannotListen(address string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("%s is in use by another process; stop it, or choose another port", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Sprintf("%s needs rights that this user does not have; choose a port from 1024 up", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine; choose one that is, such as 127.0.0.1", address)
	default:
		return fmt.Sprintf("cannot listen on %s: %v", address, err)
	}
}
