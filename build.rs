//! Tells the linker what makes the released program smaller and quicker to start. Profiles of Cargo cannot say it.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script asks where it builds; none of it gets into the program"
)]

use std::env;
use std::process::Command;

/// The one target where all of this has been tried.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build.ld");
    if is("PROFILE", "release") && is("TARGET", TARGET) {
        discard_unwind_tables();
        if is("HOST", TARGET) && loads_packed_relocations() {
            linker("-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Panics abort in this profile, so that the tables which say how to unwind are read by nobody: a ninth of the program.
/// wasmtime comes back from traps without them.
fn discard_unwind_tables() {
    linker(concat!("-T", env!("CARGO_MANIFEST_DIR"), "/build.ld"));
    linker("-Wl,--no-eh-frame-hdr");
}

/// Whether the C library of this machine reads relocations that are packed: an older one would not start the program.
/// They are 2 MB otherwise, and a third of the time that the program takes to start.
fn loads_packed_relocations() -> bool {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut numbers = said.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (2, 36),
        _ => false,
    }
}

fn is(variable: &str, value: &str) -> bool {
    env::var(variable).is_ok_and(|found| found == value)
}

fn linker(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}
