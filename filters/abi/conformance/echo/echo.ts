// The echo filter, in AssemblyScript: see README.md for what it does. It is built in the folder of a filter named echo.
import { JSON } from "./sluice/json";
import {
  addMessage, classes, get, label, ON_REQUEST, refuse, reject, Role, set, Text, TEXT_ANSWER, TEXT_REQUEST, utf8,
} from "./sluice/sluice";

export { alloc } from "./sluice/sluice";

const OPEN: u64 = 1 << 32; // of the state: a quote is open; the low half counts the dollars
const ROLES = ["other", "system", "user", "assistant", "tool", "definition"];

let word = "-";
let flag = false;

export function sluice_abi_v1(): u32 {
  return TEXT_REQUEST | TEXT_ANSWER | ON_REQUEST;
}

export function on_config(p: usize, n: u32): u32 {
  const j = new JSON(p, n);
  for (j.object(); j.member();) {
    if (j.key == "flag") flag = j.boolean();
    else if (j.key == "skip") j.skip();
    else if (j.key != "words") return refuse("an unknown key: want flag, skip or words");
    else for (j.array(); j.element();) word = j.string(16);
  }
  return j.end() ? 0 : refuse(j.error);
}

export function on_request(p: usize, n: u32): u32 {
  set(utf8("seed"), utf8("7"));
  addMessage(false, Role.System, utf8("first é"));
  addMessage(true, Role.User, utf8("last"));
  return 0;
}

export function on_text(p: usize, n: u32, flags: u32, state: u64): i64 {
  const t = Text.of(p, n, flags, state);
  for (let i = t.left; i < n; i++) {
    const c = t.at(i);
    if (state & OPEN) {
      if (c == 0x5d) {
        t.close(i + 1);
        state &= ~OPEN;
      }
      continue;
    }
    switch (c) {
      case 0x5b: // [
        t.open(i, utf8("quote"));
        state |= OPEN;
        break;
      case 0x5e: before(t, p, i); break; // ^
      case 0x24: // $
        state++;
        t.replace(i, i + 1, utf8((<u32>state).toString()));
        break;
      case 0x40: t.replace(i, i + 1, utf8(who(t))); break; // @
      case 0x25: { // %
        const tenant = get(utf8("principal.tenant"));
        t.replace(i, i + 1, utf8(tenant == null ? "-" : tenant));
        break;
      }
      case 0x26: t.replace(i, i + 1, utf8(word)); break; // &
      case 0x21: reject(utf8("bang"), utf8("it holds a bang")); break; // !
      case 0x7e: label(utf8("tilde"), utf8("true")); break; // ~
      case 0x2a: t.redact(i, i + 1, utf8(flag ? "flag" : "star")); break; // *
      case 0x2d: // -
        if (i + 1 == n && !t.end) {
          t.setState(state);
          return t.settle(i);
        }
        if (i + 1 < n && t.at(i + 1) == 0x3e) {
          t.replace(i, i + 2, utf8("→"));
          i++;
        }
        break;
    }
  }
  if (t.end && state & OPEN) t.close(n);
  t.setState(state);
  return t.settle(n);
}

export function byte_classes(): usize {
  return classes((c: u32): bool => c == 0x20 || c - 0x61 < 26);
}

function before(t: Text, p: usize, at: u32): void {
  let from = at;
  while (from > 0) {
    from--;
    if ((t.at(from) & 0xc0) != 0x80) break;
  }
  if (from < at) t.replace(at, at + 1, utf8(String.UTF8.decodeUnsafe(p + from, at - from)));
}

function who(t: Text): string {
  let out = ROLES[t.role];
  if (t.answer) out += ",answer";
  if (t.arguments) out += ",arguments";
  return out;
}
