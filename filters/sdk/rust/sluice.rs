//! The kit for filters in Rust: a thin, safe form of the native filter ABI, version 1.
//!
//! One file and `json.rs`, `core` only: it needs neither Cargo nor `std`. A filter is a type that implements `Filter`:
//!
//! ```ignore
//! #![no_std]
//! mod json;
//! mod sluice;
//! use sluice::{Filter, Text};
//!
//! struct Digits;
//!
//! impl Filter for Digits {
//!     const HOOKS: u32 = sluice::TEXT_REQUEST;
//!     fn text(t: &mut Text) {
//!         for at in t.left()..t.bytes().len() {
//!             if t.bytes()[at].is_ascii_digit() {
//!                 t.redact(at, at + 1, "digit");
//!             }
//!         }
//!     }
//! }
//!
//! sluice::export!(Digits);
//! sluice::trap_on_panic!();
//! ```
//!
//! The host calls one hook at a time and puts the module's memory back to a snapshot between exchanges: what a hook writes
//! to statics does not last. Only what `config` stores (see `Global`) lasts.
#![allow(dead_code, unused_macros, unused_imports)]

use core::cell::Cell;

/// The hooks of `Filter::HOOKS`: texts of requests, texts of answers, the whole request, the whole answer.
pub const TEXT_REQUEST: u32 = 1;
pub const TEXT_ANSWER: u32 = 2;
pub const ON_REQUEST: u32 = 4;
pub const ON_RESPONSE: u32 = 8;

/// The most bytes of new text that one window has, and the most in front of them.
pub const WINDOW: usize = 65536;
pub const CONTEXT: usize = 64;

mod raw {
    #[link(wasm_import_module = "sluice")]
    extern "C" {
        pub fn redact(start: u32, end: u32, kind: *const u8, n: u32) -> i32;
        pub fn redact_open(start: u32, kind: *const u8, n: u32) -> i32;
        pub fn redact_close(end: u32) -> i32;
        pub fn replace(start: u32, end: u32, text: *const u8, n: u32) -> i32;
        pub fn next_state(word: u64) -> i32;
        pub fn set(name: *const u8, n: u32, json: *const u8, m: u32) -> i32;
        pub fn message(place: u32, role: u32, text: *const u8, n: u32) -> i32;
        pub fn label(key: *const u8, n: u32, value: *const u8, m: u32) -> i32;
        pub fn reject(code: *const u8, n: u32, message: *const u8, m: u32) -> i32;
        pub fn get(key: *const u8, n: u32, buf: *mut u8, cap: u32) -> i32;
        pub fn log(level: u32, text: *const u8, n: u32) -> i32;
    }
}

/// The class of a text's author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A string outside any message.
    Other = 0,
    System = 1,
    User = 2,
    /// What the model said.
    Assistant = 3,
    /// Results of tools.
    Tool = 4,
    /// Definitions of tools and schemas.
    Definition = 5,
}

/// The level of a log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug = 0,
    Info = 1,
    Warn = 2,
    Error = 3,
}

/// A filter's hooks. `export!` ties them to the module's exports; only those that `HOOKS` names are called.
pub trait Filter {
    /// The hooks in use: a sum of `TEXT_REQUEST`, `TEXT_ANSWER`, `ON_REQUEST` and `ON_RESPONSE`.
    const HOOKS: u32;

    /// Reads the configuration, JSON, once. An error refuses it, and is the reason that the operator reads.
    fn config(json: &[u8]) -> Result<(), &'static str> {
        if json == b"{}" {
            return Ok(());
        }
        Err("the filter takes no configuration")
    }

    /// Is shown one window of a text. What it does must not depend on how a text is cut into windows.
    fn text(_: &mut Text) {}

    /// Reads the whole request, JSON, before the texts. An error fails the exchange.
    fn request(_json: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }

    /// Reads the whole answer, JSON. An error fails the exchange.
    fn response(_json: &[u8]) -> Result<(), &'static str> {
        Ok(())
    }

    /// Tells whether a byte of text can neither be part of a finding nor change what `text` does next. Where nothing is
    /// held back, the host lets text of inert bytes alone pass without a call. Asked once, after `config`.
    fn inert(_c: u8) -> bool {
        false
    }
}

/// One window of a text: settled left context, then new text.
pub struct Text<'a> {
    buf: &'a [u8],
    flags: u32,
    state: u64,
    settled: usize,
}

impl<'a> Text<'a> {
    /// The whole window. Offsets of the methods count from its start.
    pub fn bytes(&self) -> &'a [u8] {
        self.buf
    }

    /// How many bytes at the front are context: settled already, not editable, as this filter was first given them.
    pub fn left(&self) -> usize {
        (self.flags >> 16 & 255) as usize
    }

    /// Nothing follows: then all of it is settled, whatever `settle` said.
    pub fn end(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The text is a model's answer, not a request's.
    pub fn answer(&self) -> bool {
        self.flags & 2 != 0
    }

    pub fn role(&self) -> Role {
        match self.flags >> 2 & 7 {
            1 => Role::System,
            2 => Role::User,
            3 => Role::Assistant,
            4 => Role::Tool,
            5 => Role::Definition,
            _ => Role::Other,
        }
    }

    /// The text is JSON, a tool call's arguments: escapes stand as they are.
    pub fn arguments(&self) -> bool {
        self.flags & 32 != 0
    }

    /// The text arrives as a stream.
    pub fn streamed(&self) -> bool {
        self.flags & 64 != 0
    }

    /// The word that the last window of the same text left with `set_state`, 0 at first.
    pub fn state(&self) -> u64 {
        self.state
    }

    /// Leaves a word for the next window of the same text.
    pub fn set_state(&mut self, word: u64) {
        unsafe { raw::next_state(word) };
    }

    /// Says that the first `n` bytes are decided; the rest is shown again with what follows. Without a call all is settled.
    /// Spans must end within what is settled.
    pub fn settle(&mut self, n: usize) {
        self.settled = n;
    }

    /// Reports that bytes `start` to `end` are of a kind (`[a-z][a-z0-9_]*`). What becomes of them is the configuration's
    /// business. Spans are half-open, ascending and do not overlap; a bad one fails the exchange.
    pub fn redact(&mut self, start: usize, end: usize, kind: &str) {
        unsafe { raw::redact(start as u32, end as u32, kind.as_ptr(), kind.len() as u32) };
    }

    /// Begins a finding that may be longer than a window; `close`, in this or a later window, ends it.
    pub fn open(&mut self, start: usize, kind: &str) {
        unsafe { raw::redact_open(start as u32, kind.as_ptr(), kind.len() as u32) };
    }

    /// Ends what `open` began.
    pub fn close(&mut self, end: usize) {
        unsafe { raw::redact_close(end as u32) };
    }

    /// Puts other text in place of bytes `start` to `end`; `start == end` inserts.
    pub fn replace(&mut self, start: usize, end: usize, with: &str) {
        unsafe { raw::replace(start as u32, end as u32, with.as_ptr(), with.len() as u32) };
    }
}

/// Sets a parameter of the request to a JSON value, in `request`: never the model, streaming or the messages.
pub fn set(name: &str, json: &str) {
    unsafe { raw::set(name.as_ptr(), name.len() as u32, json.as_ptr(), json.len() as u32) };
}

/// Adds a message to the request, in `request`: before the others, or after them where `last` is set. The role is
/// `System`, `User` or `Assistant`.
pub fn add_message(last: bool, role: Role, text: &str) {
    unsafe { raw::message(last as u32, role as u32, text.as_ptr(), text.len() as u32) };
}

/// States a fact for the policy, `input.labels.<filter>.<key>`: "true", "false", a decimal integer or a word.
pub fn label(key: &str, value: &str) {
    unsafe { raw::label(key.as_ptr(), key.len() as u32, value.as_ptr(), value.len() as u32) };
}

/// Ends the exchange with a verdict: a code such as "too_long", and a message.
pub fn reject(code: &str, message: &str) {
    unsafe { raw::reject(code.as_ptr(), code.len() as u32, message.as_ptr(), message.len() as u32) };
}

/// Reads a fact that the configuration grants to this filter, such as "principal.tenant", into `buf`; what does not fit
/// is cut off. `None`: the fact has no value. A fact that is not granted fails the exchange.
pub fn get<'b>(key: &str, buf: &'b mut [u8]) -> Option<&'b [u8]> {
    let n = unsafe { raw::get(key.as_ptr(), key.len() as u32, buf.as_mut_ptr(), buf.len() as u32) };
    if n < 0 {
        return None;
    }
    let n = (n as usize).min(buf.len());
    Some(&buf[..n])
}

/// Writes a bounded record to the gateway's log. No caller sees it.
pub fn log(level: Level, text: &str) {
    unsafe { raw::log(level as u32, text.as_ptr(), text.len() as u32) };
}

/// A static that `config` writes and the hooks read. A module runs on one thread, so it may be shared.
pub struct Global<T: Copy>(Cell<T>);

unsafe impl<T: Copy> Sync for Global<T> {}

impl<T: Copy> Global<T> {
    pub const fn new(value: T) -> Self {
        Global(Cell::new(value))
    }

    pub fn get(&self) -> T {
        self.0.get()
    }

    pub fn set(&self, value: T) {
        self.0.set(value)
    }
}

/// Exports a filter's hooks. A second argument is how many bytes `alloc` has room for, at least and by default that of a
/// window: hooks of whole requests and answers want as much as the largest body.
macro_rules! export {
    ($filter:ty) => {
        $crate::sluice::export!($filter, $crate::sluice::WINDOW + $crate::sluice::CONTEXT);
    };
    ($filter:ty, $room:expr) => {
        static SLUICE_ARENA: $crate::sluice::Arena<{ $room }> = $crate::sluice::Arena::new();
        static SLUICE_CLASSES: $crate::sluice::Arena<256> = $crate::sluice::Arena::new();

        #[no_mangle]
        extern "C" fn sluice_abi_v1() -> u32 {
            <$filter as $crate::sluice::Filter>::HOOKS
        }
        #[no_mangle]
        extern "C" fn alloc(n: u32) -> *mut u8 {
            SLUICE_ARENA.room(n)
        }
        #[no_mangle]
        extern "C" fn byte_classes() -> *mut u8 {
            $crate::sluice::classify::<$filter>(&SLUICE_CLASSES)
        }
        #[no_mangle]
        unsafe extern "C" fn on_config(p: *const u8, n: u32) -> u32 {
            $crate::sluice::run(<$filter as $crate::sluice::Filter>::config, p, n)
        }
        #[no_mangle]
        unsafe extern "C" fn on_text(p: *const u8, n: u32, flags: u32, state: u64) -> i64 {
            $crate::sluice::show::<$filter>(p, n, flags, state)
        }
        #[no_mangle]
        unsafe extern "C" fn on_request(p: *const u8, n: u32) -> u32 {
            $crate::sluice::run(<$filter as $crate::sluice::Filter>::request, p, n)
        }
        #[no_mangle]
        unsafe extern "C" fn on_response(p: *const u8, n: u32) -> u32 {
            $crate::sluice::run(<$filter as $crate::sluice::Filter>::response, p, n)
        }
    };
}
pub(crate) use export;

/// For filters without `std`: a panic traps, which fails the exchange and nothing else.
macro_rules! trap_on_panic {
    () => {
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo) -> ! {
            core::arch::wasm32::unreachable()
        }
    };
}
pub(crate) use trap_on_panic;

// What export! calls.

#[doc(hidden)]
#[repr(align(8))]
pub struct Arena<const N: usize>(core::cell::UnsafeCell<[u8; N]>);

unsafe impl<const N: usize> Sync for Arena<N> {}

impl<const N: usize> Arena<N> {
    pub const fn new() -> Self {
        Arena(core::cell::UnsafeCell::new([0; N]))
    }

    /// A buffer of n bytes, or null. There is one at a time.
    pub fn room(&self, n: u32) -> *mut u8 {
        if n as usize > N {
            return core::ptr::null_mut();
        }
        self.0.get() as *mut u8
    }
}

#[doc(hidden)]
pub fn classify<F: Filter>(to: &Arena<256>) -> *mut u8 {
    let p = to.room(256);
    for c in 0..256 {
        unsafe { *p.add(c) = !F::inert(c as u8) as u8 };
    }
    p
}

#[doc(hidden)]
pub unsafe fn run(hook: fn(&[u8]) -> Result<(), &'static str>, p: *const u8, n: u32) -> u32 {
    match hook(core::slice::from_raw_parts(p, n as usize)) {
        Ok(()) => 0,
        Err(why) => {
            log(Level::Error, why);
            1
        }
    }
}

#[doc(hidden)]
pub unsafe fn show<F: Filter>(p: *const u8, n: u32, flags: u32, state: u64) -> i64 {
    let buf = core::slice::from_raw_parts(p, n as usize);
    let mut t = Text { buf, flags, state, settled: buf.len() };
    F::text(&mut t);
    if t.end() {
        return n as i64;
    }
    t.settled as i64
}
