// The kit for filters in AssemblyScript: a thin, typed form of the native filter ABI, version 1.
//
// A filter exports alloc from here, sluice_abi_v1, and the hooks that it names there:
//
//   import { Text, TEXT_REQUEST, utf8 } from "./sluice/sluice";
//   export { alloc } from "./sluice/sluice";
//
//   const DIGIT = utf8("digit");
//
//   export function sluice_abi_v1(): u32 { return TEXT_REQUEST; }
//
//   export function on_text(p: usize, n: u32, flags: u32, state: u64): i64 {
//     const t = Text.of(p, n, flags, state);
//     for (let i = t.left; i < t.length; i++) {
//       if (t.at(i) - 48 < 10) t.redact(i, i + 1, DIGIT);
//     }
//     return t.settle(t.length);
//   }
//
// The host calls one hook at a time and puts the module's memory back to a snapshot between exchanges: what a hook writes
// to globals does not last. Only what on_config stores lasts. Text crosses as UTF-8: make constants with utf8 once, at the
// top, as a hook that allocates nothing is the fastest.
//
// A filter may also export byte_classes(): usize, see classes.

// The hooks that sluice_abi_v1 returns, as a sum: texts of requests, texts of answers, the whole request (on_request),
// the whole answer (on_response).
export const TEXT_REQUEST: u32 = 1;
export const TEXT_ANSWER: u32 = 2;
export const ON_REQUEST: u32 = 4;
export const ON_RESPONSE: u32 = 8;

// The most bytes of new text that one window has, and the most in front of them.
export const WINDOW: u32 = 65536;
export const CONTEXT: u32 = 64;

// The class of a text's author: Other is a string outside any message, Tool a tool's results, Definition those of tools.
export enum Role { Other, System, User, Assistant, Tool, Definition }

export enum Level { Debug, Info, Warn, Error }

@external("sluice", "redact") declare function host_redact(start: u32, end: u32, kind: usize, n: u32): i32;
@external("sluice", "redact_open") declare function host_redact_open(start: u32, kind: usize, n: u32): i32;
@external("sluice", "redact_close") declare function host_redact_close(end: u32): i32;
@external("sluice", "replace") declare function host_replace(start: u32, end: u32, text: usize, n: u32): i32;
@external("sluice", "next_state") declare function host_next_state(word: u64): i32;
@external("sluice", "set") declare function host_set(name: usize, n: u32, json: usize, m: u32): i32;
@external("sluice", "message") declare function host_message(where: u32, role: u32, text: usize, n: u32): i32;
@external("sluice", "label") declare function host_label(key: usize, n: u32, value: usize, m: u32): i32;
@external("sluice", "reject") declare function host_reject(code: usize, n: u32, message: usize, m: u32): i32;
@external("sluice", "get") declare function host_get(key: usize, n: u32, buf: usize, cap: u32): i32;
@external("sluice", "log") declare function host_log(level: u32, text: usize, n: u32): i32;

// utf8 encodes a constant, or text made at run time, for the functions below.
export function utf8(text: string): ArrayBuffer {
  return String.UTF8.encode(text);
}

// Text is one window of a text: settled left context, then new text. There is one at a time, valid until the hook returns.
export class Text {
  private static one: Text = new Text();
  private base: usize = 0;
  private flags: u32 = 0;

  // The bytes of the window. Offsets of the methods count from its start.
  length: u32 = 0;
  // The word that the last window of the same text left with setState, 0 at first.
  state: u64 = 0;

  // of takes what on_text gets.
  static of(p: usize, n: u32, flags: u32, state: u64): Text {
    const t = Text.one;
    t.base = p;
    t.length = n;
    t.flags = flags;
    t.state = state;
    return t;
  }

  // at is the byte at an offset. Outside the window it traps.
  @inline at(i: u32): u32 {
    if (i >= this.length) unreachable();
    return load<u8>(this.base + i);
  }

  // How many bytes at the front are context: settled already, not editable, as this filter was first given them.
  get left(): u32 { return (this.flags >> 16) & 255; }
  // Nothing follows: then all of it is settled, whatever settle is told.
  get end(): bool { return (this.flags & 1) != 0; }
  // The text is a model's answer, not a request's.
  get answer(): bool { return (this.flags & 2) != 0; }
  get role(): Role { return ((this.flags >> 2) & 7) as Role; }
  // The text is JSON, a tool call's arguments: escapes stand as they are.
  get arguments(): bool { return (this.flags & 32) != 0; }
  // The text arrives as a stream.
  get streamed(): bool { return (this.flags & 64) != 0; }

  // setState leaves a word for the next window of the same text.
  setState(word: u64): void { host_next_state(word); }

  // settle is what on_text returns: the first n bytes are decided, the rest is shown again with what follows. Spans must
  // end within what is settled.
  settle(n: u32): i64 { return this.end ? this.length : n; }

  // redact reports that bytes start to end are of a kind ([a-z][a-z0-9_]*). What becomes of them is the configuration's
  // business. Spans are half-open, ascending and do not overlap; a bad one fails the exchange.
  redact(start: u32, end: u32, kind: ArrayBuffer): void {
    host_redact(start, end, changetype<usize>(kind), kind.byteLength);
  }

  // open begins a finding that may be longer than a window; close, in this or a later window, ends it.
  open(start: u32, kind: ArrayBuffer): void {
    host_redact_open(start, changetype<usize>(kind), kind.byteLength);
  }

  close(end: u32): void { host_redact_close(end); }

  // replace puts other text in place of bytes start to end; start == end inserts.
  replace(start: u32, end: u32, text: ArrayBuffer): void {
    host_replace(start, end, changetype<usize>(text), text.byteLength);
  }
}

// set sets a parameter of the request to a JSON value, in on_request: never the model, streaming or the messages.
export function set(name: ArrayBuffer, json: ArrayBuffer): void {
  host_set(changetype<usize>(name), name.byteLength, changetype<usize>(json), json.byteLength);
}

// addMessage adds a message to the request, in on_request: before the others, or after them where last is set. The role is
// System, User or Assistant.
export function addMessage(last: bool, role: Role, text: ArrayBuffer): void {
  host_message(last ? 1 : 0, role, changetype<usize>(text), text.byteLength);
}

// label states a fact for the policy, input.labels.<filter>.<key>: "true", "false", a decimal integer or a word.
export function label(key: ArrayBuffer, value: ArrayBuffer): void {
  host_label(changetype<usize>(key), key.byteLength, changetype<usize>(value), value.byteLength);
}

// reject ends the exchange with a verdict: a code such as "too_long", and a message.
export function reject(code: ArrayBuffer, message: ArrayBuffer): void {
  host_reject(changetype<usize>(code), code.byteLength, changetype<usize>(message), message.byteLength);
}

// get reads a fact that the configuration grants to this filter, such as "principal.tenant"; null where it has no value.
// A fact that is not granted fails the exchange.
export function get(key: ArrayBuffer): string | null {
  let buf = new ArrayBuffer(128);
  let n = host_get(changetype<usize>(key), key.byteLength, changetype<usize>(buf), buf.byteLength);
  if (n > buf.byteLength) {
    buf = new ArrayBuffer(n);
    n = host_get(changetype<usize>(key), key.byteLength, changetype<usize>(buf), n);
  }
  return n < 0 ? null : String.UTF8.decodeUnsafe(changetype<usize>(buf), n);
}

// log writes a bounded record to the gateway's log. No caller sees it.
export function log(level: Level, text: ArrayBuffer): void {
  host_log(level, changetype<usize>(text), text.byteLength);
}

// refuse logs why a configuration is refused and is what on_config then returns.
export function refuse(why: string): u32 {
  log(Level.Error, utf8(why));
  return 1;
}

// classes makes what byte_classes returns: a filter may export that, to say which bytes of text can neither be part of a
// finding nor change what on_text does next. Where nothing is held back, the host lets text of such bytes alone pass
// without a call.
export function classes(inert: (c: u32) => bool): usize {
  const table = memory.data(256);
  for (let c: u32 = 0; c < 256; c++) store<u8>(table + c, inert(c) ? 0 : 1);
  return table;
}

const room = memory.data(65600, 8); // WINDOW + CONTEXT

let large: ArrayBuffer | null = null;

// alloc is the buffer for the next hook's text, body or configuration. What earlier hooks left behind is collected here,
// where nothing of theirs is in use any more.
export function alloc(n: u32): usize {
  large = null;
  __collect();
  if (n <= WINDOW + CONTEXT) return room;
  const buf = new ArrayBuffer(n);
  large = buf;
  return changetype<usize>(buf);
}
