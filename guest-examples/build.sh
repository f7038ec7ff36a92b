#!/bin/bash
# build.sh [bindings]: builds every component into the folder of its guest, and notes digests and compilers in
# components.lock. With `bindings`, generates the bindings anew first, as after a change of wit/ or of a world.wit.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/toolchain/env.sh"

"$examples/toolchain/setup.sh" "$tools" "$@"
if [ "${1:-}" = bindings ]; then
    bindings_into "$examples"
    scaffold_into "$scaffold"
fi
components_into "$examples"
{
    echo "# The components' digests, and what they were built with. build.sh writes this, check.sh builds again and compares."
    versions
    digests "$examples"
} >"$examples/components.lock"
ls -l "${components[@]/#/$examples/}" | awk '{ print $5, $NF }'
