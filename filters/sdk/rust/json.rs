//! A strict reader for small JSON (a filter's configuration), with no memory of its own.
//!
//! A cursor walks the text. Each method takes one thing, or notes what was expected; after an error all of them give
//! nothing, so that callers may look once, at the end. Grammar: RFC 8259, nested 16 deep at most. The other SDKs have the
//! same reader with the same errors.
//!
//! ```ignore
//! let mut j = Json::new(text);
//! let mut buf = [0; json::KEY];
//! j.object();
//! while let Some(key) = j.member(&mut buf) {
//!     ...read or skip the value...
//! }
//! j.end()?;
//! ```
#![allow(dead_code)]

const DEPTH: u32 = 16;

/// The most bytes that a key has.
pub const KEY: usize = 64;

pub struct Json<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    first: bool, // just behind an opening bracket: no comma yet
    error: Option<&'static str>,
}

impl<'a> Json<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Json { text, at: 0, depth: 0, first: false, error: None }
    }

    /// Enters an object, whose members `member` steps through.
    pub fn object(&mut self) {
        self.open(b'{', "an object is expected")
    }

    /// Enters an array, whose elements `element` steps through.
    pub fn array(&mut self) {
        self.open(b'[', "an array is expected")
    }

    /// Steps to the next member of an object and gives its key; `None` behind the last.
    pub fn member<'b>(&mut self, key: &'b mut [u8; KEY]) -> Option<&'b [u8]> {
        if !self.more(b'}') {
            return None;
        }
        let n = self.text(Some(key));
        if self.colon() {
            return Some(&key[..n]);
        }
        None
    }

    /// Steps to the next element of an array; false behind the last.
    pub fn element(&mut self) -> bool {
        self.more(b']')
    }

    /// Reads a string that fits into `buf`.
    pub fn string<'b>(&mut self, buf: &'b mut [u8]) -> &'b [u8] {
        let n = self.text(Some(buf));
        &buf[..n]
    }

    /// Reads true or false.
    pub fn boolean(&mut self) -> bool {
        if self.error.is_none() {
            self.peek();
            if self.word(b"true") {
                return true;
            }
            if self.word(b"false") {
                return false;
            }
        }
        self.fail("true or false is expected")
    }

    /// Passes over one value of any kind and gives it as it stands.
    pub fn skip(&mut self) -> &'a [u8] {
        if self.error.is_some() {
            return &[];
        }
        let c = self.peek();
        let from = self.at;
        self.pass(c);
        if self.error.is_some() {
            return &[];
        }
        &self.text[from..self.at]
    }

    /// Gives the first error; text behind the value is one.
    pub fn end(&mut self) -> Result<(), &'static str> {
        if self.error.is_none() {
            self.peek();
            if self.at < self.text.len() {
                self.fail("text follows the value");
            }
        }
        match self.error {
            None => Ok(()),
            Some(what) => Err(what),
        }
    }

    fn fail(&mut self, what: &'static str) -> bool {
        if self.error.is_none() {
            self.error = Some(what);
        }
        false
    }

    fn now(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self) -> u8 {
        let c = self.now();
        if self.at < self.text.len() {
            self.at += 1;
        }
        c
    }

    /// Passes white space and gives the byte behind it, 0 at the end.
    fn peek(&mut self) -> u8 {
        while matches!(self.now(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.now()
    }

    fn open(&mut self, bracket: u8, what: &'static str) {
        if self.error.is_some() || self.peek() != bracket {
            self.fail(what);
            return;
        }
        self.depth += 1;
        if self.depth > DEPTH {
            self.fail("nested too deep");
            return;
        }
        self.at += 1;
        self.first = true;
    }

    /// Is true before each further element and false behind the closing bracket, which it takes.
    fn more(&mut self, close: u8) -> bool {
        if self.error.is_some() {
            return false;
        }
        let c = self.peek();
        if c == close {
            self.at += 1;
            self.depth = self.depth.wrapping_sub(1);
            self.first = false;
            return false;
        }
        if self.first {
            self.first = false;
            return true;
        }
        if c != b',' {
            return self.fail("a comma or the closing bracket is expected");
        }
        self.at += 1;
        if self.peek() == close {
            return self.fail("a comma stands before a closing bracket");
        }
        true
    }

    fn colon(&mut self) -> bool {
        if self.error.is_some() || self.peek() != b':' {
            return self.fail("a colon is expected");
        }
        self.at += 1;
        true
    }

    fn word(&mut self, w: &[u8]) -> bool {
        if !self.text[self.at..].starts_with(w) {
            return false;
        }
        self.at += w.len();
        true
    }

    /// Decodes a string into out, where one is given, and gives its length: 0 on an error.
    fn text(&mut self, mut out: Option<&mut [u8]>) -> usize {
        if self.error.is_some() || self.peek() != b'"' {
            self.fail("a string is expected");
            return 0;
        }
        self.at += 1;
        let mut n = 0;
        while self.at < self.text.len() {
            let c = self.take();
            let mut unit = [c, 0, 0, 0];
            let mut width = 1;
            match c {
                b'"' => return n,
                0..=0x1f => {
                    self.fail("a control character stands in a string");
                    return 0;
                }
                b'\\' => width = self.escape(&mut unit),
                _ => {}
            }
            if width == 0 {
                return 0;
            }
            if let Some(out) = &mut out {
                if n + width > out.len() {
                    self.fail("a string is too long");
                    return 0;
                }
                out[n..n + width].copy_from_slice(&unit[..width]);
            }
            n += width;
        }
        self.fail("a string is not closed");
        0
    }

    /// Decodes what stands behind a backslash and gives its length, 0 on an error.
    fn escape(&mut self, out: &mut [u8; 4]) -> usize {
        let short = match self.take() {
            c @ (b'"' | b'\\' | b'/') => c,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(out),
            _ => return self.fail("an escape is unknown") as usize,
        };
        out[0] = short;
        1
    }

    fn unicode(&mut self, out: &mut [u8; 4]) -> usize {
        let mut code = self.hex();
        if (0xdc00..0xe000).contains(&code) {
            self.fail("a surrogate is alone");
        }
        if (0xd800..0xdc00).contains(&code) {
            if !self.word(b"\\u") {
                return self.fail("a surrogate is alone") as usize;
            }
            let low = self.hex();
            if !(0xdc00..0xe000).contains(&low) {
                self.fail("a surrogate is alone");
            }
            code = 0x10000 + ((code - 0xd800) << 10 | low.wrapping_sub(0xdc00) & 0x3ff);
        }
        match char::from_u32(code) {
            Some(c) if self.error.is_none() => c.encode_utf8(out).len(),
            _ => 0,
        }
    }

    fn hex(&mut self) -> u32 {
        if self.text.len() - self.at < 4 {
            self.fail("four hex digits are expected");
            return 0;
        }
        let mut code = 0;
        for _ in 0..4 {
            match (self.take() as char).to_digit(16) {
                Some(d) => code = code << 4 | d,
                None => {
                    self.fail("four hex digits are expected");
                    return 0;
                }
            }
        }
        code
    }

    fn pass(&mut self, c: u8) {
        match c {
            b'"' => {
                self.text(None);
            }
            b't' | b'f' => {
                self.boolean();
            }
            b'n' => {
                if !self.word(b"null") {
                    self.fail("a value is expected");
                }
            }
            b'[' => {
                self.array();
                while self.element() {
                    self.skip();
                }
            }
            b'{' => {
                self.object();
                while self.more(b'}') {
                    self.text(None);
                    if self.colon() {
                        self.skip();
                    }
                }
            }
            _ => self.number(),
        }
    }

    fn digits(&mut self) -> bool {
        let from = self.at;
        while self.now().is_ascii_digit() {
            self.at += 1;
        }
        self.at > from
    }

    fn number(&mut self) {
        if self.now() == b'-' {
            self.at += 1;
        }
        if self.now() == b'0' {
            self.at += 1;
        } else if !self.digits() {
            self.fail("a value is expected");
            return;
        }
        if self.now() == b'.' {
            self.at += 1;
            if !self.digits() {
                self.fail("a number is broken");
                return;
            }
        }
        if self.now() | 32 == b'e' {
            self.at += 1;
            if matches!(self.now(), b'+' | b'-') {
                self.at += 1;
            }
            if !self.digits() {
                self.fail("a number is broken");
            }
        }
    }
}
