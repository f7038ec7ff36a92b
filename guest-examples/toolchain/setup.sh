#!/bin/bash
# setup.sh DIR [bindings]: what the guests are built with, into DIR; quick when it is there already.
#
# Rust: Debian's rustc-web and the sources of its standard library, unpacked without root. They stand in for
# `rustup target add wasm32-unknown-unknown` where only packages can be had; cargo and the linker are the ones that
# rustup's stable toolchain brings. C: Debian's packages by name, installed by root.
# With `bindings`, wit-bindgen as well, which only a change of wit/ needs.
set -euo pipefail
dir=$(realpath -m "${1:?usage: setup.sh DIR [bindings]}")
. "$(dirname "${BASH_SOURCE[0]}")/env.sh" # for $wit_bindgen
clang=(clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32)
mkdir -p "$dir"

# The version of a library that a package depends on, by pattern.
dependency() { apt-cache depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -1; }

rust() (
    unpacked=$(mktemp -d "$dir/rust.XXXXXX")
    trap 'rm -rf "$unpacked"' EXIT
    cd "$unpacked"
    std=$(dependency libstd-rust-web-dev 'libstd-rust-web-[0-9.]*')
    llvm=$(dependency "$std" 'libllvm[0-9]*')
    apt-get download -q rustc-web libstd-rust-web-dev "$std" "$llvm" rust-web-src >/dev/null 2>&1 ||
        { echo "apt-get download failed: is 'apt-get update' needed?" >&2; exit 1; }
    for package in rustc-web libstd-rust-web-dev "$std" "$llvm"; do dpkg -x "$package"_*.deb .; done
    dpkg --fsys-tarfile rust-web-src_*.deb |
        tar -x --wildcards './usr/src/rustc-*/library/*' './usr/lib/rustlib/src/*'
    rm ./*.deb
    mv "$unpacked" "$dir/rust"
)

[ -x "$dir/rust/usr/bin/rustc" ] || rust

if ! dpkg-query -W "${clang[@]}" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { echo "needed, by root: apt-get install --no-install-recommends ${clang[*]}" >&2; exit 1; }
    apt-get install -q -y --no-install-recommends "${clang[@]}" >/dev/null
fi

if [ "${2:-}" = bindings ] && ! [ -x "$dir/bin/wit-bindgen" ]; then
    cargo install -q wit-bindgen-cli --version "$wit_bindgen" --locked --no-default-features --features c,rust --root "$dir"
fi
