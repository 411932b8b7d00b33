package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxFiles bounds the files of a bundle, as of a policy's folder.
const maxFiles = 10_000

// isArchive tells whether a body begins as gzip does (RFC 1952).
func isArchive(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b}) }

// vetArchive looks at an archive before OPA does, which takes memory for a file as its header says, sees no end of the sum
// of all files, and takes an archive that ends between two files for a whole one.
func vetArchive(contentType string, body []byte, most int64) error {
	switch {
	case len(body) == 0:
		return read("the answer is empty; is the resource right?")
	case !isArchive(body) && looksLikeHTML(contentType, body):
		return &Fault{Stage: StageDownload, Message: "the server answers with a page of HTML, not with a bundle; is the resource right, and is there a login in front of it?"}
	case !isArchive(body):
		return read("it is no gzipped tar archive; build it with opa build -b")
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return cut(err)
	}
	tail := &ending{r: io.LimitReader(unzipped, most+1)}
	files := 0
	for archive := tar.NewReader(tail); ; files++ {
		_, err := archive.Next()
		switch {
		case tail.n > most:
			return tooLarge(most)
		case errors.Is(err, io.EOF):
			return tail.ended(most)
		case err != nil:
			return cut(err)
		case files >= maxFiles:
			return read(fmt.Sprintf("it has more than %d files; leave out what is no policy", maxFiles))
		}
	}
}

// ending reads an archive and knows how it ends.
type ending struct {
	r    io.Reader
	n    int64
	last []byte // the last bytes
}

// endMark is what an archive ends with: two blocks of zeros (POSIX pax, ustar).
const endMark = 1024

// Read reads on.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	e.last = append(e.last, p[:n]...)
	if len(e.last) > 4*endMark {
		e.last = append(e.last[:0], e.last[len(e.last)-endMark:]...)
	}
	return n, err
}

// ended reads to the end and tells whether the archive is whole.
func (e *ending) ended(most int64) error {
	if _, err := io.Copy(io.Discard, e); err != nil {
		return cut(err)
	}
	switch {
	case e.n > most:
		return tooLarge(most)
	case len(e.last) < endMark || len(bytes.Trim(e.last[len(e.last)-endMark:], "\x00")) > 0:
		return cut(io.ErrUnexpectedEOF)
	}
	return nil
}

// cut is the fault of an archive that cannot be read to its end.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return read("it is cut off: the archive does not end; was it served while it was written?")
	}
	return read("the archive is damaged: " + err.Error() + "; build it anew with opa build -b")
}

func read(message string) *Fault { return &Fault{Stage: StageRead, Message: message} }

func tooLarge(most int64) *Fault {
	return &Fault{Stage: StageSize, Message: fmt.Sprintf("it is larger than %d bytes, packed or unpacked; leave out what is no policy, or raise size_limit_bytes", most)}
}

func looksLikeHTML(contentType string, body []byte) bool {
	if strings.HasPrefix(contentType, "text/html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}
