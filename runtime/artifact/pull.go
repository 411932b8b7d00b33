package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// ImagePrefix begins a reference to an image: oci://host[:port]/repository and :tag or @sha256:digest.
const ImagePrefix = "oci://"

// ErrUnreachable is what is wrong with a registry that gives no answer of its own.
var ErrUnreachable = errors.New("the registry cannot be asked")

// Login is a credential for a registry. The zero value is none.
type Login struct {
	User, Password string
}

// The bounds of a conversation with a registry, in all and until an answer begins.
const (
	pullTime   = 2 * time.Minute
	answerTime = 30 * time.Second
)

// Pull fetches an image, whose tag it resolves to a digest first: Source is the reference with that digest. All parts are
// read by their digests and within their sizes. It speaks https, and plain http with a registry on loopback only.
func Pull(ctx context.Context, image string, login Login) (*Artifact, error) {
	ctx, cancel := context.WithTimeout(ctx, pullTime)
	defer cancel()
	repo, end, err := repository(image, login)
	if err != nil {
		return nil, err
	}
	defer end()
	desc, err := repo.Resolve(ctx, repo.Reference.Reference)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", image, plainly(err))
	}
	a, err := fetch(ctx, repo, desc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", image, plainly(err))
	}
	a.Source = fmt.Sprintf("%s%s/%s@%s", ImagePrefix, repo.Reference.Registry, repo.Reference.Repository, desc.Digest)
	return a, nil
}

// repository is the image's, with a client of its own, which end closes.
func repository(image string, login Login) (repo *remote.Repository, end func(), err error) {
	name, ok := strings.CutPrefix(image, ImagePrefix)
	ref, err := registry.ParseReference(name)
	if !ok || err != nil || ref.Reference == "" {
		return nil, nil, fmt.Errorf("%.128q is no reference to an image: expected oci://host/repository and :tag or @sha256:digest", image)
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTime, TLSHandshakeTimeout: answerTime,
		MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}
	client := &auth.Client{
		Client: &http.Client{Transport: private{transport}, CheckRedirect: few}, Cache: auth.NewCache(),
		Credential: auth.StaticCredential(ref.Registry, auth.Credential{Username: login.User, Password: login.Password}),
	}
	client.SetUserAgent("sluice")
	repo = &remote.Repository{
		Client: client, Reference: ref, PlainHTTP: loopback(ref.Host()), MaxMetadataBytes: MaxManifest,
		ManifestMediaTypes: []string{ocispec.MediaTypeImageManifest, dockerManifest, ocispec.MediaTypeImageIndex, dockerList},
	}
	return repo, transport.CloseIdleConnections, nil
}

// private refuses to send anything in clear to another machine, whatever a registry redirects to.
type private struct{ next http.RoundTripper }

// RoundTrip is for http.RoundTripper.
func (p private) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !loopback(r.URL.Host) {
		return nil, fmt.Errorf("the registry leads to %s, which is not https", r.URL.Host)
	}
	return p.next.RoundTrip(r)
}

// few follows a few redirects: registries keep blobs elsewhere.
func few(_ *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("the registry redirects without end")
	}
	return nil
}

// loopback tells whether a host, perhaps with a port, is this machine.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// fetch reads the manifest of an image and then its layers.
func fetch(ctx context.Context, repo *remote.Repository, desc ocispec.Descriptor) (*Artifact, error) {
	switch desc.MediaType {
	case ocispec.MediaTypeImageManifest, dockerManifest:
	case ocispec.MediaTypeImageIndex, dockerList:
		return nil, errors.New("it is a list of several images: name one of them by its digest")
	default:
		return nil, fmt.Errorf("its media type is %.100q, expected %s", desc.MediaType, ocispec.MediaTypeImageManifest)
	}
	b, err := read(ctx, repo.Manifests(), desc, MaxManifest, "the image's manifest")
	if err != nil {
		return nil, err
	}
	var image ocispec.Manifest
	if err := json.Unmarshal(b, &image); err != nil {
		return nil, errors.New("the image's manifest is no JSON of that kind")
	}
	found, err := sort(image.Layers)
	if err != nil {
		return nil, err
	}
	var parts [3][]byte
	for i, l := range found {
		if l.desc == nil {
			continue
		}
		if parts[i], err = read(ctx, repo.Blobs(), *l.desc, l.most, l.what); err != nil {
			return nil, err
		}
	}
	if found[0].packed {
		if parts[0], err = unpack(parts[0]); err != nil {
			return nil, err
		}
	}
	return New(string(desc.Digest), parts[0], parts[1], parts[2])
}

// read reads what a descriptor names: exactly its size, and what has its digest.
func read(ctx context.Context, from content.Fetcher, desc ocispec.Descriptor, most int64, what string) ([]byte, error) {
	if desc.Size < 0 || desc.Size > most {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are taken", ErrTooLarge, what, desc.Size, most)
	}
	if desc.Digest.Validate() != nil || desc.Digest.Algorithm() != digest.SHA256 {
		return nil, fmt.Errorf("%s is named by %.80q, expected a SHA-256", what, desc.Digest)
	}
	r, err := from.Fetch(ctx, desc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = r.Close() }() // it was only read
	b, err := content.ReadAll(r, desc)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return b, nil
}

// plainly says in plain words what went wrong with a registry, and nothing that it wrote.
func plainly(err error) error {
	var answer *errcode.ErrorResponse
	var failed *url.Error // of a request: no answer came
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return errors.New("the registry does not have it; check repository and tag")
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData):
		return fmt.Errorf("the registry sent other bytes than it named: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the registry's answer was cut off; try again")
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return fmt.Errorf("the registry wants another credential (status %d); see deploy.registries", answer.StatusCode)
	case errors.As(err, &answer) && answer.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: it answers with status %d", ErrUnreachable, answer.StatusCode)
	case errors.As(err, &answer):
		return fmt.Errorf("the registry answers with status %d", answer.StatusCode)
	case errors.As(err, &failed):
		return fmt.Errorf("%w: %w", ErrUnreachable, failed.Err)
	}
	return err
}
