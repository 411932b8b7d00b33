//go:build !unix

package upstream

import "net"

// probe is empty where an idle connection cannot be looked at without waiting.
type probe struct{}

func newProbe(net.Conn) probe { return probe{} }

// quiet is false: without a look, a connection is not used twice.
func (c *conn) quiet() bool { return false }
