package control

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/sluicegate/sluice/runtime/artifact"
	"github.com/sluicegate/sluice/runtime/config"
	"github.com/sluicegate/sluice/runtime/filter"
)

// imageStore keeps what references to images stood for. A tag is resolved when a reload is asked for; a reload because
// some file has changed takes what is here, so that no edit of a policy brings another filter with it.
type imageStore struct {
	mu    sync.Mutex
	known map[string]*artifact.Artifact // by reference as written
	fresh bool                          // resolve references anew
}

// refresh says whether the next generation resolves references anew.
func (s *imageStore) refresh(fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh = fresh
}

func (s *imageStore) last(image string) (a *artifact.Artifact, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[image], s.fresh
}

func (s *imageStore) put(image string, a *artifact.Artifact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]*artifact.Artifact{}
	}
	s.known[image] = a
}

// get gives the image that a configuration names. Where its registry cannot be asked, what the reference stood for last
// goes on, and that is said.
func (s *imageStore) get(ctx context.Context, b *builder, image string) (*artifact.Artifact, error) {
	last, fresh := s.last(image)
	if last != nil && (!fresh || strings.Contains(image, "@sha256:")) {
		return last, nil
	}
	a, err := s.pull(ctx, b.cfg, image)
	if err == nil {
		s.put(image, a)
		return a, nil
	}
	if last == nil || ctx.Err() != nil || !errors.Is(err, artifact.ErrUnreachable) {
		return nil, err
	}
	b.c.log.Warn("the image could not be asked for, what it was before goes on", "image", image, "error", err.Error())
	return last, nil
}

// pull fetches an image. The error names its stage.
func (s *imageStore) pull(ctx context.Context, cfg *config.Config, image string) (*artifact.Artifact, error) {
	login, err := loginFor(cfg, image)
	if err != nil {
		return nil, stage(filter.StageRead, err)
	}
	a, err := artifact.Pull(ctx, image, login)
	if err != nil {
		return nil, stage(sizeOr(err, filter.StageRead), err)
	}
	return a, nil
}

// loginFor is the credential for an image's registry, and for no other.
func loginFor(cfg *config.Config, image string) (artifact.Login, error) {
	host, _, _ := strings.Cut(strings.TrimPrefix(image, imagePrefix), "/")
	if cfg.Deploy == nil {
		return artifact.Login{}, nil
	}
	for _, r := range cfg.Deploy.Registries {
		if r.Host == host && r.Password != nil {
			secret, err := r.Password.Resolve(cfg.Dir())
			return artifact.Login{User: r.User, Password: secret}, err
		}
	}
	return artifact.Login{}, nil
}
