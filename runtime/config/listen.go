package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// portVariables name the port an application of Cloudera AI must listen on, in the order to try: its own program may
// hold the first.
var portVariables = []string{"CDSW_APP_PORT", "CDSW_READONLY_PORT"}

// Addresses gives where to listen, in the order to try: listen if it is set, else the ports of the environment on
// 127.0.0.1. The environment is as os.Environ gives it. Errors are Faults.
func (c *Config) Addresses(environ []string) ([]string, error) {
	var faults Faults
	if len(c.Auth.Ephemeral) > 0 && hosted(environ) {
		// There, a proxy on loopback brings every caller of the platform.
		faults = append(faults, c.Fault("auth.ephemeral", "refused where CDSW_* is set; write keys (`sluice key new`)"))
	}
	if c.Listen != "" {
		return []string{c.Listen}, faults.Err()
	}
	var out []string
	for _, name := range portVariables {
		value := lookup(environ, name)
		if value == "" {
			continue
		}
		if port, err := strconv.ParseUint(value, 10, 16); err != nil || port == 0 {
			faults = append(faults, c.Fault("listen", "%s is not a port; set it to a number from 1 to 65535, or write listen", name))
			continue
		}
		out = append(out, net.JoinHostPort("127.0.0.1", value))
	}
	if len(out) == 0 && len(faults) == 0 {
		faults = append(faults, c.Fault("listen", "missing; write an address such as 127.0.0.1:8080, or set CDSW_APP_PORT"))
	}
	return out, faults.Err()
}

// hosted tells whether any CDSW_* variable is set.
func hosted(environ []string) bool {
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "CDSW_") && value != "" {
			return true
		}
	}
	return false
}

// lookup gives the last value of a variable.
func lookup(environ []string, name string) string {
	value := ""
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// hostPort checks an address to listen on and says whether it is loopback.
func hostPort(address string) (loopback, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false, false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, false
	}
	return isLoopback(host), true
}

// isLoopback tells whether a host stands for this machine alone.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
