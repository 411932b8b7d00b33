//! The echo filter, in Rust: see README.md for what it does. It is built in the folder of a filter named echo.
#![no_std]

#[path = "sluice/json.rs"]
mod json;
#[path = "sluice/sluice.rs"]
mod sluice;

use json::Json;
use sluice::{Filter, Global, Role, Text};

const OPEN: u64 = 1 << 32; // of the state: a quote is open; the low half counts the dollars

static WORD: Global<([u8; 16], usize)> = Global::new((*b"-\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 1));
static FLAG: Global<bool> = Global::new(false);

/// Text made without an allocator.
struct Line([u8; 64], usize);

impl Line {
    fn add(&mut self, text: &str) {
        self.0[self.1..self.1 + text.len()].copy_from_slice(text.as_bytes());
        self.1 += text.len();
    }

    fn text(&self) -> &str {
        text(&self.0[..self.1])
    }
}

/// What the host gives is UTF-8, cut at boundaries.
fn text(bytes: &[u8]) -> &str {
    unsafe { core::str::from_utf8_unchecked(bytes) }
}

struct Echo;

impl Filter for Echo {
    const HOOKS: u32 = sluice::TEXT_REQUEST | sluice::TEXT_ANSWER | sluice::ON_REQUEST;

    fn config(text: &[u8]) -> Result<(), &'static str> {
        let (mut j, mut key, mut word) = (Json::new(text), [0; json::KEY], [0; 16]);
        j.object();
        while let Some(key) = j.member(&mut key) {
            match key {
                b"flag" => FLAG.set(j.boolean()),
                b"skip" => {
                    j.skip();
                }
                b"words" => {
                    j.array();
                    while j.element() {
                        let n = j.string(&mut word).len();
                        WORD.set((word, n));
                    }
                }
                _ => return Err("an unknown key: want flag, skip or words"),
            }
        }
        j.end()
    }

    fn request(_: &[u8]) -> Result<(), &'static str> {
        sluice::set("seed", "7");
        sluice::add_message(false, Role::System, "first é");
        sluice::add_message(true, Role::User, "last");
        Ok(())
    }

    fn text(t: &mut Text) {
        let (bytes, mut state, mut i) = (t.bytes(), t.state(), t.left());
        while i < bytes.len() {
            match bytes[i] {
                b']' if state & OPEN != 0 => {
                    t.close(i + 1);
                    state &= !OPEN;
                }
                _ if state & OPEN != 0 => {}
                b'[' => {
                    t.open(i, "quote");
                    state |= OPEN;
                }
                b'^' => before(t, i),
                b'$' => {
                    state += 1;
                    number(t, i, state as u32);
                }
                b'@' => who(t, i),
                b'%' => {
                    let mut buf = [0; 128];
                    let tenant = sluice::get("principal.tenant", &mut buf).unwrap_or(b"-");
                    t.replace(i, i + 1, text(tenant));
                }
                b'&' => {
                    let (word, n) = WORD.get();
                    t.replace(i, i + 1, text(&word[..n]));
                }
                b'!' => sluice::reject("bang", "it holds a bang"),
                b'~' => sluice::label("tilde", "true"),
                b'*' => t.redact(i, i + 1, if FLAG.get() { "flag" } else { "star" }),
                b'-' if i + 1 == bytes.len() && !t.end() => {
                    t.set_state(state);
                    t.settle(i);
                    return;
                }
                b'-' if bytes.get(i + 1) == Some(&b'>') => {
                    t.replace(i, i + 2, "→");
                    i += 1;
                }
                _ => {}
            }
            i += 1;
        }
        if t.end() && state & OPEN != 0 {
            t.close(bytes.len());
        }
        t.set_state(state);
    }

    fn inert(c: u8) -> bool {
        c == b' ' || c.is_ascii_lowercase()
    }
}

fn before(t: &mut Text, at: usize) {
    if let Some(c) = text(&t.bytes()[..at]).chars().next_back() {
        let mut buf = [0; 4];
        t.replace(at, at + 1, c.encode_utf8(&mut buf));
    }
}

fn number(t: &mut Text, at: usize, mut n: u32) {
    let (mut out, mut i) = ([0; 10], 10);
    loop {
        i -= 1;
        out[i] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    t.replace(at, at + 1, text(&out[i..]));
}

fn who(t: &mut Text, at: usize) {
    let mut out = Line([0; 64], 0);
    out.add(match t.role() {
        Role::Other => "other",
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Definition => "definition",
    });
    if t.answer() {
        out.add(",answer");
    }
    if t.arguments() {
        out.add(",arguments");
    }
    t.replace(at, at + 1, out.text());
}

sluice::export!(Echo);
sluice::trap_on_panic!();
