package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

// Push puts the artifact into a registry as an image with a tag, and returns the reference with its digest.
func (a *Artifact) Push(ctx context.Context, image string, login Login) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	repo, end, err := repository(image, login)
	if err != nil {
		return "", err
	}
	defer end()
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	if m.Config, err = push(ctx, repo, mediaConfig, []byte("{}")); err != nil {
		return "", fmt.Errorf("%s: %w", image, plainly(err))
	}
	for _, l := range []struct {
		media string
		bytes []byte
	}{{mediaModule, a.Module}, {mediaVectors, a.Vectors}, {mediaManifest, a.manifest()}} {
		if l.bytes == nil {
			continue
		}
		desc, err := push(ctx, repo, l.media, l.bytes)
		if err != nil {
			return "", fmt.Errorf("%s: %w", image, plainly(err))
		}
		m.Layers = append(m.Layers, desc)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	desc := describe(ocispec.MediaTypeImageManifest, b)
	if err := repo.PushReference(ctx, desc, bytes.NewReader(b), repo.Reference.Reference); err != nil {
		return "", fmt.Errorf("%s: %w", image, plainly(err))
	}
	return fmt.Sprintf("%s%s/%s@%s", ImagePrefix, repo.Reference.Registry, repo.Reference.Repository, desc.Digest), nil
}

func push(ctx context.Context, repo *remote.Repository, media string, b []byte) (ocispec.Descriptor, error) {
	desc := describe(media, b)
	if there, err := repo.Exists(ctx, desc); err == nil && there {
		return desc, nil
	}
	return desc, repo.Push(ctx, desc, bytes.NewReader(b))
}

func describe(media string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: media, Digest: digest.FromBytes(b), Size: int64(len(b))}
}
