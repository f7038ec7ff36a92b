//! Turns the engine's report of a trap into what an author can read: why, and where, a frame a line.

use std::fmt;

use wasmtime::{FrameInfo, WasmBacktrace};

use crate::document::shortened;

/// The longest reason, in characters.
const MAX_WHAT: usize = 2000;

/// The longest name of a function that is shown, in characters: a component may name its functions as it likes.
const MAX_NAME: usize = 200;

/// A trap of a component, safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trap {
    /// The reason.
    pub what: String,
    /// The functions that were being executed, the innermost first.
    pub frames: Vec<String>,
}

impl Trap {
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
        // The engine tells the frames as one of the reasons.
        let is_reason = |text: &String| !text.starts_with("error while executing at wasm backtrace");
        let reasons: Vec<_> = error.chain().map(ToString::to_string).filter(is_reason).collect();
        let what = shortened(&reasons.join(": "), MAX_WHAT);
        Self { what, frames: frames.iter().map(frame).collect() }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

fn frame(frame: &FrameInfo) -> String {
    let name = frame.func_name().filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("function {}", frame.func_index()), plain_name);
    let name = shortened(&name, MAX_NAME);
    match frame.module_offset() {
        Some(offset) => format!("at {name} ({offset:#x})"),
        None => format!("at {name}"),
    }
}

/// A function's name as its author wrote it, as far as a reader needs it. Compilers of Rust write the parts of a path each with
/// its length, in one of two ways. Any other name stays as it is.
fn plain_name(mangled: &str) -> String {
    let parts = match (mangled.strip_prefix("_R"), mangled.strip_prefix("_ZN")) {
        (Some(path), _) => parts(path),
        (None, Some(path)) => older_parts(path),
        (None, None) => None,
    };
    parts.filter(|parts| !parts.is_empty()).map_or_else(|| mangled.into(), |parts| parts.join("::"))
}

/// The parts of `NvNtCs5Fa4crs7stp_3std9panicking5panic`, which is `std::panicking::panic`. What stands between them, such as a
/// hash of the crate, tells versions apart and is left out.
fn parts(mut rest: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '0'..='9' => {
                let (length, after) = number(rest)?;
                let after = after.strip_prefix('_').unwrap_or(after);
                let (part, after) = after.split_at_checked(length)?;
                parts.extend(Some(part).filter(|part| !part.is_empty()).map(str::to_owned));
                after
            }
            // A number of other digits, up to an underscore.
            'B' | 's' => rest.split_once('_')?.1,
            // One more letter says which kind of name follows.
            'N' => rest.get(2..)?,
            first if first.is_ascii_alphabetic() || first == '_' => rest.get(1..)?,
            _ => return None,
        };
    }
    Some(parts)
}

/// The parts of `4core9panicking5panic17h0123456789abcdefE`, which is `core::panicking::panic`: a hash stands at the end.
fn older_parts(mut rest: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    while !rest.starts_with('E') {
        let (length, after) = number(rest)?;
        let (part, after) = after.split_at_checked(length).filter(|(part, _)| !part.is_empty())?;
        let part = part.replace("$LT$", "<").replace("$GT$", ">").replace("$u20$", " ").replace("..", "::");
        parts.push(part);
        rest = after;
    }
    parts.pop_if(|last| last.len() == 17 && last.starts_with('h'));
    Some(parts)
}

fn number(text: &str) -> Option<(usize, &str)> {
    let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_are_told_as_they_were_written() {
        for (mangled, plain) in [
            ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
            (
                "_ZN40_$LT$web..Installer$u20$as$u20$Guest$GT$3run17h0123456789abcdefE",
                "_<web::Installer as Guest>::run",
            ),
            ("_ZN4coreE", "core"),
            ("_ZN4EachE", "Each"),
            ("_RNvNtCs5Fa4crs7stp_3std9panicking15panic_with_hook", "std::panicking::panic_with_hook"),
            (
                "_RINvNtNtCs5Fa4crs7stp_3std3sys9backtrace26___rust_end_short_backtraceNCNvNtB6_9panicking13panic_handler0zEB6_",
                "std::sys::backtrace::__rust_end_short_backtrace::panicking::panic_handler",
            ),
            ("_RNvCsfgHYwM92fyn_7___rustc10rust_panic", "__rustc::rust_panic"),
            ("exports_carnet_bundle_installer_run", "exports_carnet_bundle_installer_run"),
            ("_ZN99coreE", "_ZN99coreE"),
            ("_ZN0E", "_ZN0E"),
            ("_ZN4\u{e4}\u{e4}\u{e4}E", "_ZN4\u{e4}\u{e4}\u{e4}E"),
            ("_ZNcoreE", "_ZNcoreE"),
            ("_ZN4core", "_ZN4core"),
            ("_ZN", "_ZN"),
            ("_R", "_R"),
            ("_RN", "_RN"),
            ("_RNv99x", "_RNv99x"),
            ("_RNvs\u{e4}", "_RNvs\u{e4}"),
        ] {
            assert_eq!(plain_name(mangled), plain, "{mangled}");
        }
    }

    #[test]
    fn of_an_error_without_frames_there_is_the_reason_alone() {
        let error = wasmtime::Error::msg("\u{1b}[2J over").context("in a call");
        let trap = Trap::of(&error);
        assert_eq!(trap.to_string(), "in a call: \\u{1b}[2J over");
        assert!(trap.frames.is_empty());
        let long = Trap::of(&wasmtime::Error::msg("x".repeat(MAX_WHAT + 1)));
        assert_eq!(long.what.len(), MAX_WHAT);
    }
}
