// A strict reader for small JSON (a filter's configuration).
//
// A cursor walks the text. Each method takes one thing, or notes what was expected; after an error all of them give
// nothing, so that callers may look once, at the end. Grammar: RFC 8259, nested 16 deep at most. The other SDKs have the
// same reader with the same errors.
//
//   const j = new JSON(p, n);
//   for (j.object(); j.member();) {
//     ...look at j.key, read or skip the value...
//   }
//   if (!j.end()) return refuse(j.error);

const DEPTH: u32 = 16;
const KEY: u32 = 64; // bytes of a key, at most

export class JSON {
  // What was expected, "" where all is well.
  error: string = "";
  // The key that member stepped to.
  key: string = "";

  private depth: u32 = 0;
  private first: bool = false; // just behind an opening bracket: no comma yet
  private stop: usize;
  private unit: u32 = 0; // the escape last decoded: up to four bytes, the first one lowest

  constructor(private i: usize, n: u32) {
    this.stop = i + n;
  }

  // object enters an object, whose members member steps through; array likewise.
  object(): void { this.open(0x7b, "an object is expected"); }
  array(): void { this.open(0x5b, "an array is expected"); }

  // member steps to the next member of an object, and sets key; false behind the last.
  member(): bool {
    if (!this.more(0x7d)) return false;
    this.key = this.string(KEY);
    return this.colon();
  }

  // element steps to the next element of an array; false behind the last.
  element(): bool { return this.more(0x5d); }

  // string reads a string of at most limit bytes of UTF-8.
  string(limit: u32): string {
    const buf = new ArrayBuffer(limit);
    const n = this.text(changetype<usize>(buf), limit);
    return String.UTF8.decodeUnsafe(changetype<usize>(buf), n);
  }

  // boolean reads true or false.
  boolean(): bool {
    if (!this.error.length) {
      this.peek();
      if (this.word("true")) return true;
      if (this.word("false")) return false;
    }
    return this.fail("true or false is expected");
  }

  // skip passes over one value of any kind and gives it as it stands.
  skip(): string {
    if (this.error.length) return "";
    const c = this.peek();
    const from = this.i;
    this.pass(c);
    return this.error.length ? "" : String.UTF8.decodeUnsafe(from, this.i - from);
  }

  // end is true where there was no error and nothing but white space follows.
  end(): bool {
    if (!this.error.length) {
      this.peek();
      if (this.i < this.stop) this.fail("text follows the value");
    }
    return !this.error.length;
  }

  private fail(what: string): bool {
    if (!this.error.length) this.error = what;
    return false;
  }

  private now(): u32 { return this.i < this.stop ? load<u8>(this.i) : 0; }

  private take(): u32 {
    const c = this.now();
    if (this.i < this.stop) this.i++;
    return c;
  }

  // peek passes white space and gives the byte behind it, 0 at the end.
  private peek(): u32 {
    let c = this.now();
    while (c == 0x20 || c == 0x0a || c == 0x0d || c == 0x09) {
      this.i++;
      c = this.now();
    }
    return c;
  }

  private open(bracket: u32, what: string): void {
    if (this.error.length || this.peek() != bracket) {
      this.fail(what);
    } else if (++this.depth > DEPTH) {
      this.fail("nested too deep");
    } else {
      this.i++;
      this.first = true;
    }
  }

  // more is true before each further element and false behind the closing bracket, which it takes.
  private more(close: u32): bool {
    if (this.error.length) return false;
    const c = this.peek();
    if (c == close) {
      this.i++;
      this.depth--;
      this.first = false;
      return false;
    }
    if (this.first) {
      this.first = false;
      return true;
    }
    if (c != 0x2c) return this.fail("a comma or the closing bracket is expected");
    this.i++;
    if (this.peek() == close) return this.fail("a comma stands before a closing bracket");
    return true;
  }

  private colon(): bool {
    if (this.error.length || this.peek() != 0x3a) return this.fail("a colon is expected");
    this.i++;
    return true;
  }

  // word takes a word of ASCII.
  private word(w: string): bool {
    const n = w.length;
    if (this.stop - this.i < <usize>n) return false;
    for (let k = 0; k < n; k++) {
      if (load<u8>(this.i + k) != w.charCodeAt(k)) return false;
    }
    this.i += n;
    return true;
  }

  // text decodes a string into limit bytes at out, or nowhere where out is 0, and gives its length: 0 on an error.
  private text(out: usize, limit: u32): u32 {
    if (this.error.length || this.peek() != 0x22) {
      this.fail("a string is expected");
      return 0;
    }
    this.i++;
    let n: u32 = 0;
    while (this.i < this.stop) {
      const c = this.take();
      if (c == 0x22) return n;
      if (c < 0x20) {
        this.fail("a control character stands in a string");
        return 0;
      }
      let width: u32 = 1;
      this.unit = c;
      if (c == 0x5c) {
        width = this.escape();
        if (!width) return 0;
      }
      if (out) {
        if (n + width > limit) {
          this.fail("a string is too long");
          return 0;
        }
        for (let k: u32 = 0; k < width; k++) store<u8>(out + n + k, this.unit >> (8 * k));
      }
      n += width;
    }
    this.fail("a string is not closed");
    return 0;
  }

  // escape decodes what stands behind a backslash into unit and gives its length, 0 on an error.
  private escape(): u32 {
    const c = this.take();
    switch (c) {
      case 0x22: case 0x5c: case 0x2f: this.unit = c; return 1;
      case 0x62: this.unit = 0x08; return 1;
      case 0x66: this.unit = 0x0c; return 1;
      case 0x6e: this.unit = 0x0a; return 1;
      case 0x72: this.unit = 0x0d; return 1;
      case 0x74: this.unit = 0x09; return 1;
      case 0x75: return this.unicode();
    }
    this.fail("an escape is unknown");
    return 0;
  }

  private unicode(): u32 {
    let code = this.hex();
    if (code - 0xdc00 < 0x400) this.fail("a surrogate is alone");
    if (code - 0xd800 < 0x400) {
      if (!this.word("\\u")) {
        this.fail("a surrogate is alone");
        return 0;
      }
      const low = this.hex();
      if (low - 0xdc00 >= 0x400) this.fail("a surrogate is alone");
      code = 0x10000 + (((code - 0xd800) << 10) | (low - 0xdc00));
    }
    if (this.error.length) return 0;
    if (code < 0x80) {
      this.unit = code;
      return 1;
    }
    const n: u32 = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    let unit: u32 = 0;
    for (let k = n - 1; k; k--, code >>= 6) unit = (unit | 0x80 | (code & 63)) << 8;
    this.unit = unit | ((0xf00 >> n) & 0xff) | code;
    return n;
  }

  private hex(): u32 {
    if (this.stop - this.i < 4) {
      this.fail("four hex digits are expected");
      return 0;
    }
    let code: u32 = 0;
    for (let k = 0; k < 4; k++) {
      const c = this.take(), letter = (c | 32) - 0x61;
      if (c - 0x30 < 10) code = (code << 4) | (c - 0x30);
      else if (letter < 6) code = (code << 4) | (letter + 10);
      else {
        this.fail("four hex digits are expected");
        return 0;
      }
    }
    return code;
  }

  private pass(c: u32): void {
    switch (c) {
      case 0x22: this.text(0, 0); return;
      case 0x74: case 0x66: this.boolean(); return;
      case 0x6e:
        if (!this.word("null")) this.fail("a value is expected");
        return;
      case 0x5b:
        for (this.array(); this.element();) this.pass(this.peek());
        return;
      case 0x7b:
        for (this.object(); this.more(0x7d);) {
          this.text(0, 0);
          if (this.colon()) this.pass(this.peek());
        }
        return;
    }
    this.number();
  }

  private digits(): bool {
    const from = this.i;
    while (this.now() - 0x30 < 10) this.i++;
    return this.i > from;
  }

  private number(): void {
    if (this.now() == 0x2d) this.i++;
    if (this.now() == 0x30) {
      this.i++;
    } else if (!this.digits()) {
      this.fail("a value is expected");
      return;
    }
    if (this.now() == 0x2e) {
      this.i++;
      if (!this.digits()) {
        this.fail("a number is broken");
        return;
      }
    }
    if ((this.now() | 32) == 0x65) {
      this.i++;
      if (this.now() == 0x2b || this.now() == 0x2d) this.i++;
      if (!this.digits()) this.fail("a number is broken");
    }
  }
}
