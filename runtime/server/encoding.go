package server

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluicegate/sluice/runtime/reuse"
	"github.com/sluicegate/sluice/runtime/wire"
)

// codings are the content codings that request bodies may come in (RFC 9110, section 8.4.1), as Accept-Encoding names
// them to a client who sent another.
const codings = "gzip, deflate"

// smallBody is how large a decompressed body may be whatever it was sent as: the ratio is for what costs something.
const smallBody = 64 << 10

// coding is the body's content coding: "" for none. More than one, and any that is not read, is refused.
func coding(header http.Header) (string, error) {
	values := header["Content-Encoding"]
	name := strings.ToLower(strings.TrimSpace(strings.Join(values, ",")))
	switch name {
	case "", "identity":
		return "", nil
	case "gzip", "x-gzip":
		return "gzip", nil
	case "deflate":
		return "deflate", nil
	}
	return "", &wire.Fault{
		Code: wire.InvalidRequest, Status: http.StatusUnsupportedMediaType,
		Message: "the body's Content-Encoding is not read; send it as it is, or in one of " + codings,
	}
}

// inflated reads a compressed body. What it gives is bounded by the reader's own limit; here it is bounded by what was
// sent, so that a small body can't make much work.
type inflated struct {
	sent  counter
	plain io.Reader
	rest  *bufio.Reader // of deflate: what follows its end; nil for gzip, which reads on to the end itself
	got   int64
	ratio int64
}

// counter counts what was sent.
type counter struct {
	src io.Reader
	n   int64
	err error // of the connection, which is no fault of the compression
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// gzips holds readers: each has some 40 KB of tables.
var gzips = reuse.Pool[gzip.Reader]{Name: "gzip readers", New: func() *gzip.Reader { return new(gzip.Reader) }}

// inflate makes the reader of a body in that coding. release gives back what it holds.
func inflate(name string, src io.Reader, ratio int) (in *inflated, release func(), err error) {
	in = &inflated{sent: counter{src: src}, ratio: int64(ratio)}
	if name == "deflate" {
		in.rest = bufio.NewReader(&in.sent)
		in.plain, err = zlib.NewReader(in.rest)
		return in, func() {}, in.fault(err)
	}
	z := gzips.Get()
	in.plain = z
	return in, func() { gzips.Put(z) }, in.fault(z.Reset(&in.sent))
}

func (in *inflated) Read(p []byte) (int, error) {
	n, err := in.plain.Read(p)
	in.got += int64(n)
	if in.got > smallBody && in.got > in.ratio*in.sent.n {
		return 0, &wire.Fault{
			Code:    wire.BodyTooLarge,
			Message: "the body is more than " + strconv.FormatInt(in.ratio, 10) + " times as large as what was sent; send it as it is",
		}
	}
	return n, in.fault(err)
}

// over tells whether nothing follows the compressed text.
func (in *inflated) over() bool {
	if in.rest == nil {
		return true
	}
	_, err := in.rest.ReadByte()
	return errors.Is(err, io.EOF)
}

// fault tells a body that is not what its coding says from a connection that broke.
func (in *inflated) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case in.sent.err != nil:
		return in.sent.err
	case errors.Is(err, io.EOF) && in.plain != nil && in.sent.n > 0 && in.over():
		return io.EOF
	default:
		return &wire.Fault{Code: wire.InvalidRequest, Message: "the body cannot be decompressed: it is cut off, or not in the coding that Content-Encoding names"}
	}
}
