#!/bin/bash
# build.sh [DIR]: build the test cluster's programs into DIR/bin. Does nothing when they are there already.
# DIR is ~/.cache/carnet/cluster unless given. Needs Go (the version in go.mod or newer) and a module proxy; not root, not
# Docker, no network beyond modules.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/carnet/cluster}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
bin=$dir/bin

kwok=v0.8.0
kubernetes=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go.mod")
IFS=. read -r major minor _ <<<"${kubernetes#v}"

# The stamp changes with any pinned version, so an old DIR is brought up to date and a current one is left alone.
exec 9>"$dir/build.lock"
flock 9
stamp="kwok $kwok $(cat "$here/go.mod" "$here/go.sum" | sha256sum | cut -c1-64)"
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok)
complete() {
  [ "$(cat "$bin/.stamp" 2>/dev/null)" = "$stamp" ] || return 1
  local p
  for p in "${programs[@]}"; do [ -x "$bin/$p" ] || return 1; done
}
if complete; then
  echo "cluster programs are in $bin (Kubernetes $kubernetes)"
  exit 0
fi
rm -f "$bin/.stamp"

export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-buildvcs=false
ldflags="-s -w -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes"
for v in "gitVersion=$kubernetes" "gitMajor=$major" "gitMinor=$minor"; do ldflags+=" -X k8s.io/component-base/version.$v"; done
build=(go build -C "$here" -mod=readonly -trimpath -ldflags "$ldflags")
echo "building Kubernetes $kubernetes and kwok $kwok into $bin (8-10 minutes on two cores with cold caches)"
"${build[@]}" -o "$bin/" \
  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager \
  k8s.io/kubernetes/cmd/kube-scheduler k8s.io/kubernetes/cmd/kubectl
"${build[@]}" -o "$bin/etcd" go.etcd.io/etcd/server/v3
GOBIN=$bin go install -trimpath -ldflags "-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=$kwok" "sigs.k8s.io/kwok/cmd/kwok@$kwok"
echo "$stamp" >"$bin/.stamp"
