#!/bin/bash
# build.sh [DIR]: build other people's clients for registries, and a small registry, into DIR/bin, for tests/interop.rs.
# What is there already is kept. DIR is ~/.cache/carnet/peers unless given. Needs Go (1.26 or newer) and a module proxy.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/carnet/peers}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
bin=$dir/bin

cosign3=v3.1.3
cosign2=v2.6.5
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-buildvcs=false
exec 9>"$dir/build.lock"
flock 9
began=$SECONDS

# Each program is built where its stamp is another one, so that a new version of one is no reason to build all of them.
is_there() { [ -x "$bin/$1" ] && [ "$(cat "$bin/.$1" 2>/dev/null)" = "$2" ]; }

# MODULE NAME PACKAGE [LINKER FLAGS]: a command of one of the modules beside this script, whose sums are there.
pinned() {
  local module=$1 name=$2 package=$3 flags=${4:-} stamp
  stamp="$package $flags $(cd "$here/$module" && cat -- go.mod go.sum ./*.go | sha256sum | cut -c1-64)"
  is_there "$name" "$stamp" && return
  go build -C "$here/$module" -mod=readonly -trimpath -ldflags "-s -w $flags" -o "$bin/$name" "$package"
  echo "$stamp" >"$bin/.$name"
}

# NAME PACKAGE@VERSION: a command of a module that has its own sums.
installed() {
  local name=$1 package=$2 made
  is_there "$name" "$package" && return
  made=$(mktemp -d "$dir/made.XXXXXX")
  GOBIN=$made go install -trimpath -ldflags "-s -w" "$package"
  mv "$made"/* "$bin/$name"
  rmdir "$made"
  echo "$package" >"$bin/.$name"
}

pinned registry registry .
pinned registry crane github.com/google/go-containerregistry/cmd/crane
pinned oras oras oras.land/oras/cmd/oras
pinned cnab-to-oci cnab-to-oci github.com/cnabio/cnab-to-oci/cmd/cnab-to-oci \
  "-X github.com/cnabio/cnab-to-oci/internal.Version=v0.4.1"
installed cosign3 "github.com/sigstore/cosign/v3/cmd/cosign@$cosign3"
installed cosign2 "github.com/sigstore/cosign/v2/cmd/cosign@$cosign2"
echo "clients for registries are in $bin ($((SECONDS - began)) s)"
