package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of images that hold a WebAssembly module: those of the CNCF's guidance for Wasm in OCI, those of Istio
// (a plain layer, or a compressed archive with plugin.wasm), and our own for what belongs to the module.
const (
	mediaConfig   = "application/vnd.wasm.config.v0+json"
	mediaModule   = "application/wasm"
	mediaIstio    = "application/vnd.module.wasm.content.layer.v1+wasm"
	mediaDocker   = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	mediaVectors  = "application/vnd.sluice.filter.vectors.v1+json"
	mediaManifest = "application/vnd.sluice.filter.manifest.v1+json"

	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// packedName is the module in an archive.
const packedName = "plugin.wasm"

// part is one of a filter's parts in an image.
type part struct {
	desc   *ocispec.Descriptor // nil: the image has none
	what   string
	most   int64
	packed bool
}

// sort finds the module, the vectors and the manifest among an image's layers.
func sort(layers []ocispec.Descriptor) (out [3]part, err error) {
	out = [3]part{{what: "the module", most: MaxModule}, {what: "the vectors", most: MaxVectors}, {what: "the filter's manifest", most: MaxManifest}}
	for i := range layers {
		var to *part
		packed := false
		switch layers[i].MediaType {
		case mediaModule, mediaIstio:
			to = &out[0]
		case ocispec.MediaTypeImageLayerGzip, mediaDocker:
			to, packed = &out[0], true
		case mediaVectors:
			to = &out[1]
		case mediaManifest:
			to = &out[2]
		default:
			continue // a signature or a description of somebody else's
		}
		if to.desc != nil {
			return out, fmt.Errorf("the image has %s twice: expected one layer of it", to.what)
		}
		to.desc, to.packed = &layers[i], packed
	}
	if out[0].desc == nil {
		return out, fmt.Errorf("the image has no WebAssembly module: expected a layer of the media type %s", mediaModule)
	}
	return out, nil
}

// The bounds of an archive: files in it, and bytes of it all unpacked.
const (
	maxPacked   = 64
	maxUnpacked = 2 * MaxModule
)

// unpack finds the module in a compressed archive.
func unpack(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, errors.New("the layer is no gzip archive")
	}
	all := &io.LimitedReader{R: z, N: maxUnpacked}
	t := tar.NewReader(all)
	for range maxPacked {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the archive has no %s", packedName)
		case err != nil && all.N <= 0:
			return nil, fmt.Errorf("%w: the archive has more than %d bytes", ErrTooLarge, maxUnpacked)
		case err != nil:
			return nil, errors.New("the layer is no tar archive, or it was cut off before it was packed")
		}
		if h.Typeflag == tar.TypeReg && path.Clean("/"+h.Name) == "/"+packedName {
			return readAll(t, MaxModule)
		}
	}
	return nil, fmt.Errorf("the archive has more than %d files", maxPacked)
}
