package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicegate/sluice/runtime/admin"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/control"
	"github.com/sluicegate/sluice/runtime/server"
)

func serveCommand() *cobra.Command {
	var o control.Options
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve until SIGINT or SIGTERM, then let running exchanges finish",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	configFlag(c, &o.Config)
	cacheFlag(c, &o.CacheDir)
	return c
}

// gateway is a running process: the controller, its two listeners, and what must end with them.
type gateway struct {
	control *control.Controller
	server  *server.Server
	admin   *admin.Server // nil without an admin listener
	public  net.Listener
	private net.Listener
	log     *slog.Logger
	cfg     *config.Config
	token   string // the admin token, if it was made at random and is to be printed
}

// serve runs the gateway until ctx ends.
func serve(ctx context.Context, o control.Options, stdout, stderr io.Writer) error {
	g, err := open(ctx, o, stderr)
	if err != nil {
		return err
	}
	g.greet(stdout)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := g.background(background)
	failed := make(chan error, 2)
	go func() { failed <- g.server.Serve(g.public) }()
	if g.admin != nil {
		go func() { failed <- g.admin.Serve(g.private) }()
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop()
	<-ended
	return errors.Join(err, g.close(stdout))
}

// open builds the first generation and opens the listeners. Nothing listens before everything else is known to be good.
func open(ctx context.Context, o control.Options, stderr io.Writer) (*gateway, error) {
	level := new(slog.LevelVar)
	o.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	cfg, err := config.Load(o.Config)
	if err != nil {
		return nil, fmt.Errorf("the configuration is at fault, nothing was started\n%w", err)
	}
	o.Logger = logger(cfg.Log, level, stderr)
	c, err := control.New(o)
	if err != nil {
		return nil, err
	}
	if err := c.Reload(ctx, "start"); err != nil {
		return nil, errors.Join(fmt.Errorf("the configuration is at fault, nothing was started\n%w", err), c.Close(context.WithoutCancel(ctx)))
	}
	g := &gateway{control: c, log: o.Logger, cfg: c.Config()}
	if err := g.listen(); err != nil {
		return nil, errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
	return g, nil
}

func logger(cfg config.Log, level *slog.LevelVar, w io.Writer) *slog.Logger {
	_ = level.UnmarshalText([]byte(cfg.Level)) // config has checked the word
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// listen opens the public listener, at the first address that is free, and the admin listener.
func (g *gateway) listen() error {
	addresses, err := g.cfg.Addresses(os.Environ())
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if g.public, err = net.Listen("tcp", a); err == nil {
			break
		}
		g.log.Warn("cannot listen", "address", a, "error", err)
	}
	if g.public == nil {
		return fmt.Errorf("cannot listen on any of %v: %w", addresses, err)
	}
	l, t := g.cfg.Limits, g.cfg.Timeouts
	g.server = server.New(server.Options{
		Pipeline: g.control.Pipeline(), Logger: g.log, HeaderBytes: int(l.Header), MaxExchanges: l.Exchanges,
		HeaderTime: t.Header, BodyTime: t.Body, WriteTime: t.Write, IdleTime: t.Idle,
	})
	if g.cfg.Admin == nil {
		return nil
	}
	g.private, g.admin, g.token, err = listenAdmin(g.control, g.cfg, g.log)
	if err != nil {
		return errors.Join(err, g.public.Close())
	}
	return nil
}

// background starts what runs beside the listeners: the watcher, and SIGHUP. The channel closes when both have ended.
func (g *gateway) background(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		watched := make(chan struct{})
		go func() { defer close(watched); g.control.Watch(ctx) }()
		defer close(ended)
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				_ = g.control.Reload(ctx, "SIGHUP") // logged, counted and in Status
				g.control.ReopenAudit()
			case <-ctx.Done():
				<-watched
				return
			}
		}
	}()
	return ended
}

// close drains and ends everything, in the order that loses nothing.
func (g *gateway) close(stdout io.Writer) error {
	if n := g.control.Pipeline().Running(); n > 0 {
		fmt.Fprintf(stdout, "stopping: waiting up to %s for %d running exchanges\n", g.cfg.Drain.Timeout, n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Drain.Timeout)
	defer cancel()
	err := g.server.Shutdown(ctx)
	if g.admin != nil {
		err = errors.Join(err, g.admin.Shutdown(ctx))
	}
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, g.control.Close(last))
}
