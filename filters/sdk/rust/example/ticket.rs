//! A filter to start from: it finds ticket numbers such as TCK-12345 and reports them as kind `ticket`.
//!
//! Configuration: {"prefix": "TCK"}, 1 to 8 capital letters. The contract is filters/abi.
#![no_std]

#[path = "../json.rs"]
mod json;
#[path = "../sluice.rs"]
mod sluice;

use json::Json;
use sluice::{Filter, Global, Text};

const MAX_PREFIX: usize = 8;
const MAX_DIGITS: usize = 12;
const LONGEST: usize = MAX_PREFIX + 1 + MAX_DIGITS;

/// The prefix, and how many bytes of it count.
static PREFIX: Global<([u8; MAX_PREFIX], usize)> = Global::new((*b"TCK\0\0\0\0\0", 3));

struct Ticket;

impl Filter for Ticket {
    const HOOKS: u32 = sluice::TEXT_REQUEST | sluice::TEXT_ANSWER;

    fn config(text: &[u8]) -> Result<(), &'static str> {
        let (mut letters, mut n) = PREFIX.get();
        let (mut j, mut key) = (Json::new(text), [0; json::KEY]);
        j.object();
        while let Some(key) = j.member(&mut key) {
            if key != b"prefix" {
                return Err("an unknown key: want prefix");
            }
            n = j.string(&mut letters).len();
        }
        j.end()?;
        if n == 0 || !letters[..n].iter().all(u8::is_ascii_uppercase) {
            return Err("prefix: 1 to 8 capital letters are expected");
        }
        PREFIX.set((letters, n));
        Ok(())
    }

    /// Reports every ticket. A word that reaches the end of the window may go on in the next one: it is held back, unless
    /// it is longer than any ticket. What is held back, or was let go, comes again in the next window.
    fn text(t: &mut Text) {
        let (text, mut at) = (t.bytes(), t.left());
        let run = |from: usize, want: bool| text[from..].iter().take_while(|&&c| part(c) == want).count();
        while at < text.len() {
            let end = at + run(at, true);
            if end == text.len() && !t.end() && end - at <= LONGEST {
                break;
            }
            if is_ticket(&text[at..end]) && (at == 0 || !part(text[at - 1])) {
                t.redact(at, end, "ticket");
            }
            at = end + run(end, false);
        }
        t.settle(at);
    }

    /// A byte that stands in no ticket ends none and begins none.
    fn inert(c: u8) -> bool {
        let (letters, n) = PREFIX.get();
        c != b'-' && !c.is_ascii_digit() && !letters[..n].contains(&c)
    }
}

/// Tells whether a byte may stand in a ticket, or go on a word.
fn part(c: u8) -> bool {
    c == b'-' || c == b'_' || c.is_ascii_alphanumeric()
}

fn is_ticket(word: &[u8]) -> bool {
    let (letters, n) = PREFIX.get();
    word.len() >= n + 2
        && word.len() <= n + 1 + MAX_DIGITS
        && word[..n] == letters[..n]
        && word[n] == b'-'
        && word[n + 1..].iter().all(u8::is_ascii_digit)
}

sluice::export!(Ticket);
sluice::trap_on_panic!();
