#!/bin/bash
# down.sh [DIR]: stop the programs that up.sh [DIR] started, by their recorded pids. Leaves the logs and the data.
set -euo pipefail
dir=$(cd "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/carnet/cluster}" && pwd)

# A recorded pid counts only while its process still carries this DIR in its arguments: pids are reused.
ours() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF "$dir/"; }

for name in kwok kube-scheduler kube-controller-manager kube-apiserver etcd; do
  file=$dir/pids/$name
  [ -s "$file" ] || continue
  pid=$(cat "$file")
  if ours "$pid"; then
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do
      ours "$pid" || break
      sleep 0.1
    done
    if ours "$pid"; then kill -9 "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$file"
done
echo "down: $dir"
