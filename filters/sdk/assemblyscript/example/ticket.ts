// A filter to start from: it finds ticket numbers such as TCK-12345 and reports them as kind `ticket`.
//
// Configuration: {"prefix": "TCK"}, 1 to 8 capital letters. The contract is filters/abi.
import { JSON } from "../json";
import { classes, refuse, Text, TEXT_ANSWER, TEXT_REQUEST, utf8 } from "../sluice";

export { alloc } from "../sluice";

const MAX_PREFIX: u32 = 8;
const MAX_DIGITS: u32 = 12;
const LONGEST: u32 = MAX_PREFIX + 1 + MAX_DIGITS;
const TICKET = utf8("ticket");

let prefix = utf8("TCK");

export function sluice_abi_v1(): u32 {
  return TEXT_REQUEST | TEXT_ANSWER;
}

export function on_config(p: usize, n: u32): u32 {
  const j = new JSON(p, n);
  for (j.object(); j.member();) {
    if (j.key != "prefix") return refuse("an unknown key: want prefix");
    prefix = utf8(j.string(MAX_PREFIX));
  }
  if (!j.end()) return refuse(j.error);
  let good = prefix.byteLength > 0;
  for (let i: u32 = 0; i < letters(); i++) good = good && upper(letter(i));
  return good ? 0 : refuse("prefix: 1 to 8 capital letters are expected");
}

// on_text reports every ticket. A word that reaches the end of the window may go on in the next one: it is held back,
// unless it is longer than any ticket. What is held back, or was let go, comes again in the next window.
export function on_text(p: usize, n: u32, flags: u32, state: u64): i64 {
  const t = Text.of(p, n, flags, state);
  let at = t.left;
  while (at < n) {
    let end = at;
    while (end < n && part(t.at(end))) end++;
    if (end == n && !t.end && end - at <= LONGEST) break;
    if (isTicket(t, at, end) && (at == 0 || !part(t.at(at - 1)))) t.redact(at, end, TICKET);
    while (end < n && !part(t.at(end))) end++;
    at = end;
  }
  return t.settle(at);
}

// A byte that stands in no ticket ends none and begins none: the host may let it pass without a call.
export function byte_classes(): usize {
  return classes((c: u32): bool => {
    for (let i: u32 = 0; i < letters(); i++) {
      if (c == letter(i)) return false;
    }
    return c != 0x2d && !digit(c);
  });
}

function letters(): u32 { return prefix.byteLength; }
function letter(i: u32): u32 { return load<u8>(changetype<usize>(prefix) + i); }
function upper(c: u32): bool { return c - 0x41 < 26; }
function digit(c: u32): bool { return c - 0x30 < 10; }

// part tells whether a byte may stand in a ticket, or go on a word.
function part(c: u32): bool {
  return c == 0x2d || c == 0x5f || digit(c) || upper(c & ~32);
}

function isTicket(t: Text, from: u32, to: u32): bool {
  const n = letters();
  if (to - from < n + 2 || to - from > n + 1 + MAX_DIGITS || t.at(from + n) != 0x2d) return false;
  for (let i: u32 = 0; i < n; i++) {
    if (t.at(from + i) != letter(i)) return false;
  }
  for (let i = from + n + 1; i < to; i++) {
    if (!digit(t.at(i))) return false;
  }
  return true;
}
