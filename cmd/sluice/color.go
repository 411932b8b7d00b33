package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Escape sequences (ECMA-48, SGR).
const (
	plainText = "\x1b[0m"
	boldText  = "\x1b[1m"
	faintText = "\x1b[2m"
	redText   = "\x1b[31m"
	greenText = "\x1b[32m"
	gone      = "\x1b[9;31m" // struck out
)

// palette are the colours of kinds: black on a colour of the 256 that terminals agree on.
var palette = [...]string{"114", "117", "180", "176", "216", "152", "222", "147", "150", "211"}

// terminal tells whether a file is one.
func terminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colours tells whether what is written to w may have colours: to a terminal, unless NO_COLOR is set (no-color.org).
func colours(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal(w)
}

// kindColours gives each kind a colour, in the order in which they come up.
type kindColours map[string]string

// badge is a finding: its text on the colour of its kind, and the kind after it in that colour.
func (k kindColours) badge(kind, text string) string {
	c, ok := k[kind]
	if !ok {
		c = palette[len(k)%len(palette)]
		k[kind] = c
	}
	return "\x1b[38;5;16;48;5;" + c + "m" + text + plainText + "\x1b[38;5;" + c + "m" + " " + kind + plainText
}

// visible makes text safe to show on a terminal: what a filter or a file holds moves no cursor.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, s)
}
