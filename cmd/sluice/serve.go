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
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			useHugePages()
			log := newBatch(c.ErrOrStderr())
			defer func() { _ = log.Close() }() // it never fails
			o.Logger = func(cfg config.Log) *slog.Logger { return logger(cfg, log) }
			return serve(c.Context(), o, c.OutOrStdout())
		},
	}
	configFlag(c, &o.Config)
	cacheFlag(c, &o.CacheDir)
	return c
}

// logger makes the program's logger.
func logger(cfg config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // config has checked the word
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// gateway is a running process: the controller, its two listeners, and what must end with them.
type gateway struct {
	control *control.Controller
	server  *server.Server
	admin   *admin.Server // nil without an admin listener
	public  net.Listener
	private net.Listener
	drain   time.Duration
}

// serve runs the gateway until ctx ends.
func serve(ctx context.Context, o control.Options, stdout io.Writer) error {
	hup := make(chan os.Signal, 1) // from the very start: by default it ends the process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	g, err := start(ctx, o)
	if err != nil {
		return err
	}
	g.greet(stdout)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := g.background(background, hup)
	failed := make(chan error, 2)
	go func() { failed <- g.server.Serve(g.public) }()
	if g.admin != nil {
		go func() { failed <- g.admin.Serve(g.private) }()
	}
	hurry := context.Background()
	select {
	case <-ctx.Done():
		var unhook context.CancelFunc
		hurry, unhook = signal.NotifyContext(hurry, os.Interrupt, syscall.SIGTERM)
		defer unhook()
		context.AfterFunc(hurry, unhook) // a third one does what signals do by default
		g.leave(hurry, stdout)
	case err = <-failed:
	}
	g.control.Stopping()
	stop()
	<-ended
	return errors.Join(err, g.close(hurry, stdout))
}

// start builds the first generation and opens the listeners. Nothing listens before everything else is known to be good.
func start(ctx context.Context, o control.Options) (*gateway, error) {
	o.Shapes = server.Shapes()
	c, err := control.Open(ctx, o)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, errors.New("stopped before anything was started")
	case err != nil:
		return nil, fmt.Errorf("the configuration is at fault, nothing was started\n%w", missing(o.Config, err))
	}
	g := &gateway{control: c, drain: c.Config().Drain.Timeout}
	if err := g.listen(); err != nil {
		return nil, errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
	return g, nil
}

// listen opens the public listener, at the first address that is free, and the admin listener.
func (g *gateway) listen() error {
	cfg, log := g.control.Config(), g.control.Logger()
	var faults config.Faults
	for _, a := range g.control.Addresses() {
		l, err := net.Listen("tcp", a)
		if err == nil {
			g.public = l
			break
		}
		faults = append(faults, cfg.Fault("listen", "%s", cannotListen(a, err)))
	}
	if g.public == nil {
		return faults
	}
	l, t := cfg.Limits, cfg.Timeouts
	g.server = server.New(server.Options{
		Pipeline: g.control.Pipeline(), Logger: log, HeaderBytes: int(l.Header), MaxExchanges: l.Exchanges,
		HeaderTime: t.Header, BodyTime: t.Body, WriteTime: t.Write, IdleTime: t.Idle,
		TLS: g.control.TLS(), HTTP1Only: !cfg.HTTP2, Connections: l.Connections, Streams: l.Streams, Inflation: l.Inflation,
	})
	if cfg.Admin == nil {
		return nil
	}
	var err error
	if g.private, g.admin, err = listenAdmin(g.control); err != nil {
		return errors.Join(err, g.public.Close())
	}
	return nil
}

// background starts what runs beside the listeners: the watcher, and SIGHUP. The channel closes when both have ended.
func (g *gateway) background(ctx context.Context, hup <-chan os.Signal) <-chan struct{} {
	watched, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); g.control.Watch(ctx) }()
	go func() {
		defer close(ended)
		for {
			select {
			case <-hup:
				g.hup(ctx)
			case <-ctx.Done():
				<-watched
				return
			}
		}
	}()
	return ended
}

// hup reloads, and opens the audit log anew: the signal is also what tools send that rotate logs.
func (g *gateway) hup(ctx context.Context) {
	_ = g.control.Reload(ctx, "SIGHUP") // logged, counted and in Status
	if err := g.control.ReopenAudit(); err != nil {
		g.control.Logger().Error("SIGHUP", "error", err)
	}
}

// leave lets readiness say that the gateway stops, before it does: whoever sends it requests by that goes elsewhere first.
// The end of hurry, which is a second signal, cuts it short.
func (g *gateway) leave(hurry context.Context, stdout io.Writer) {
	g.control.Stopping()
	delay := g.control.Config().Drain.Delay
	if delay == 0 {
		return
	}
	fmt.Fprintf(stdout, "stopping: not ready any more, new requests are taken for another %s; a second signal ends it now\n", delay)
	g.server.Leave()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry.Done():
	}
}

// close drains and ends everything, in the order that loses nothing: also exchanges that the end of hurry does not let
// finish have their records.
func (g *gateway) close(hurry context.Context, stdout io.Writer) error {
	if n := g.control.Pipeline().Running(); n > 0 {
		fmt.Fprintf(stdout, "stopping: waiting up to %s for %d running exchanges; a second signal ends them now\n", g.drain, n)
	}
	ctx, cancel := context.WithTimeout(hurry, g.drain)
	defer cancel()
	err := g.server.Shutdown(ctx)
	last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if g.admin != nil { // last of the two: until here it said that the gateway is stopping
		err = errors.Join(err, g.admin.Shutdown(last))
	}
	return errors.Join(err, g.control.Close(last))
}
