#!/bin/bash
# check.sh: fails unless the committed components are what their sources give, byte for byte.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/toolchain/env.sh"
lock=$examples/components.lock
out=$examples/out
fault() { echo "$1" >&2; faults=$((faults + 1)); }
faults=0

"$examples/toolchain/setup.sh" "$tools"
while IFS= read -r here; do
    locked=$(grep "^${here%%: *}: " "$lock" || echo "no line")
    [ "$here" = "$locked" ] || fault "another compiler: $here here, but $locked in components.lock"
done < <(versions)
[ $faults = 0 ] || { echo "the same bytes cannot be expected: build with the locked versions, or run build.sh and commit" >&2; exit 1; }

while IFS= read -r committed; do
    grep -qxF "$committed" "$lock" || fault "not the component of components.lock: ${committed%%: *}"
done < <(digests "$examples")

rm -rf "$out"
components_into "$out"
while IFS= read -r built; do
    grep -qxF "$built" "$lock" || fault "its source gives another component: ${built%%: *}"
done < <(digests "$out")

if [ -x "$tools/bin/wit-bindgen" ]; then
    bindings_into "$out"
    scaffold_into "$out/scaffold"
    for file in bundle.c bundle.h bundle_component_type.o; do
        cmp -s "$out/scaffold/$file" "$scaffold/$file" || fault "not the bindings of wit/: $file of the scaffold (build.sh bindings)"
    done
    for file in guestbook/src/bindings.rs hello/gen/{hello.c,hello.h,hello_component_type.o}; do
        cmp -s "$out/$file" "$examples/$file" || fault "not the bindings of wit/: $file (build.sh bindings)"
    done
else
    echo "bindings not checked: no wit-bindgen in $tools (toolchain/setup.sh DIR bindings)" >&2
fi
[ $faults = 0 ] && echo "all components are what their sources give"
