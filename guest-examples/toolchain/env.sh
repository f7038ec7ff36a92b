# Sourced by build.sh, check.sh and cargo: where the tools are, which versions they have, and how each is called.
tools=${XDG_CACHE_HOME:-$HOME/.cache}/carnet/guests
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
linkers=$(rustc --print target-libdir)/../bin # rustup's, with wasm-ld and wasm-component-ld

wit_bindgen=0.63.0

# The remapped prefixes keep places of this machine out of a component, and so its bytes the same everywhere.
wasm_environment() {
    RUSTC=$tools/rust/usr/bin/rustc RUSTC_BOOTSTRAP=1 PATH="$linkers/gcc-ld:$linkers:$PATH" \
        LD_LIBRARY_PATH=$(echo "$tools"/rust/usr/lib/*-linux-gnu) \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linkers/wasm-component-ld \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=$tools/rust/usr/lib/rustlib/src/rust=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/registry" \
        "$@"
}

cargo_for_wasm() {
    CARGO_TARGET_DIR=$examples/target wasm_environment cargo "$@" --target wasm32-unknown-unknown -Zbuild-std=core,alloc
}

clang_for_wasm() {
    PATH="$linkers/gcc-ld:$linkers:$PATH" clang-19 -fuse-ld="$linkers/wasm-component-ld" --target=wasm32-wasi \
        -mexec-model=reactor -Os -Wall -Wextra -Werror -Wl,--strip-all "$@"
}

# One line for each program or library that decides about bytes.
versions() {
    echo "rustc: $(LD_LIBRARY_PATH=$(echo "$tools"/rust/usr/lib/*-linux-gnu) "$tools/rust/usr/bin/rustc" -V)"
    echo "wasm-component-ld: $("$linkers/wasm-component-ld" --version | head -1) of $(rustc -V)"
    echo "clang: $(clang-19 --version | head -1)"
    echo "wasi-libc: $(dpkg-query -W -f '${Version}' wasi-libc), $(dpkg-query -W -f '${Version}' libclang-rt-19-dev-wasm32)"
    echo "wit-bindgen: $wit_bindgen"
}

# The WIT packages of one guest, laid out as the tools want them: its own world, and beside it what that imports.
lay_out_wit() {
    local wit=$examples/target/wit/$1
    rm -rf "$wit"
    mkdir -p "$wit/deps"
    cp "$examples/$1/world.wit" "$wit"
    cp "$examples"/../wit/bundle.wit "$examples"/../wit/deps/*.wit "$wit/deps"
    echo "$wit"
}

wit_bindgen() { "$tools/bin/wit-bindgen" "$@" 2> >(grep -v '^Generating' >&2); }

# The bindings of the whole host API in C, which `carnet init --lang c` writes.
scaffold=$examples/../src/author/template/c/bindings
scaffold_into() { wit_bindgen c "$examples/../wit" --world bundle --out-dir "$1"; }

# bindings_into DIR: the generated files of both guests.
bindings_into() {
    mkdir -p "$1/guestbook/src" "$1/hello/gen"
    wit_bindgen rust "$(lay_out_wit guestbook)" --generate-all --format --out-dir "$1/guestbook/src"
    mv "$1/guestbook/src/guestbook.rs" "$1/guestbook/src/bindings.rs"
    wit_bindgen c "$(lay_out_wit hello)" --out-dir "$1/hello/gen"
}

# components_into DIR: every component, at the place below DIR where the repository has it.
components_into() {
    mkdir -p "$1/guestbook" "$1/guestbook-1.1" "$1/hello"
    local built=$examples/target/wasm32-unknown-unknown/release/guestbook.wasm
    (cd "$examples" && cargo_for_wasm build -q --release --locked -p guestbook)
    cp "$built" "$1/guestbook/guestbook.wasm"
    (cd "$examples" && cargo_for_wasm build -q --release --locked -p guestbook --features cleanup)
    cp "$built" "$1/guestbook-1.1/guestbook-1.1.wasm"
    (cd "$examples/hello" && clang_for_wasm -o "$1/hello/hello.wasm" hello.c gen/hello.c gen/hello_component_type.o)
}

components=(guestbook/guestbook.wasm guestbook-1.1/guestbook-1.1.wasm hello/hello.wasm)

# digests DIR: the components' lines of the lock.
digests() { (cd "$1" && for file in "${components[@]}"; do echo "$file: sha256:$(sha256sum <"$file" | cut -d' ' -f1)"; done); }
