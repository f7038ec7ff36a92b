#!/bin/bash
# up.sh [DIR]: start a Kubernetes control plane on 127.0.0.1 and write DIR/kubeconfig. DIR is ~/.cache/carnet/cluster
# unless given. Starts from an empty cluster unless KEEP=1; does nothing when this DIR's cluster is already up.
#
# The API server, controller manager, scheduler and etcd are the real ones, built by build.sh; kwok pretends to be one node
# whose pods run (pretend.yaml). Nothing is pulled or started, and there is no network between pods.
#
#   CLUSTER_API_PORT, CLUSTER_ETCD_PORT, CLUSTER_ETCD_PEER_PORT   ports (16643, 16644, 16645)
#   CLUSTER_BIN      programs built elsewhere, to run several clusters from one build
#   CLUSTER_WAIT_S   how long to wait for each part (60)
#   CLUSTER_FSYNC=1  let etcd sync to disk
#   KEEP=1           start with the data of the last run
#
# Then: CARNET_TEST_KUBECONFIG=DIR/kubeconfig cargo test --lib -- --ignored cluster
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/carnet/cluster}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
bin=${CLUSTER_BIN:-$dir/bin}
api_port=${CLUSTER_API_PORT:-16643}
etcd_port=${CLUSTER_ETCD_PORT:-16644}
peer_port=${CLUSTER_ETCD_PEER_PORT:-16645}
wait_s=${CLUSTER_WAIT_S:-60}
fsync=(--unsafe-no-fsync)
[ "${CLUSTER_FSYNC:-0}" = 1 ] && fsync=()

[ -x "$bin/kwok" ] || [ -n "${CLUSTER_BIN:-}" ] || "$here/build.sh" "$dir"
export KUBECONFIG=$dir/kubeconfig
kubectl=$bin/kubectl
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok)

# A program that ended may stay as a zombie where nothing reaps it.
alive() { [ -s "$dir/pids/$1" ] && grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$(cat "$dir/pids/$1")/status"; }
all_alive() { local p; for p in "${programs[@]}"; do alive "$p" || return 1; done; }
if all_alive && "$kubectl" get --raw=/readyz >/dev/null 2>&1; then
  echo "already up: KUBECONFIG=$dir/kubeconfig"
  exit 0
fi
"$here/down.sh" "$dir" >/dev/null

[ "${KEEP:-0}" = 1 ] || rm -rf "$dir/etcd" "$dir/certs" "$dir/log" "$dir/tokens.csv"
umask 077
mkdir -p "$dir"/{pids,log,certs,etcd}
for port in "$api_port" "$etcd_port" "$peer_port"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "port $port is taken; choose others with CLUSTER_API_PORT, CLUSTER_ETCD_PORT, CLUSTER_ETCD_PEER_PORT" >&2
    exit 1
  fi
done

# start NAME ARGS...: run $bin/NAME in the background, detached from this script, its pid in a file.
start() {
  local name=$1
  shift
  setsid nohup "$bin/$name" "$@" </dev/null >"$dir/log/$name.log" 2>&1 9>&- &
  echo $! >"$dir/pids/$name"
}
fail() {
  echo "$1; last lines of the logs in $dir/log:" >&2
  for name in "${programs[@]}"; do tail -n 5 "$dir/log/$name.log" 2>/dev/null | cut -c1-300 | sed "s/^/$name: /"; done >&2
  "$here/down.sh" "$dir" >/dev/null || true
  exit 1
}
# until_ok NAME COMMAND...: retry COMMAND while the program NAME lives, for wait_s seconds.
until_ok() {
  local name=$1 end=$((SECONDS + wait_s))
  shift
  until "$@" >/dev/null 2>&1; do
    alive "$name" || fail "$name stopped"
    [ $SECONDS -lt $end ] || fail "$name is not ready after $wait_s s ($*)"
    sleep 0.1
  done
}

start etcd --data-dir "$dir/etcd" --name test "${fsync[@]}" --log-level warn \
  --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
  --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
  --initial-cluster "test=http://127.0.0.1:$peer_port"

# One user, "admin" in system:masters, known by a token that is new for each fresh cluster. Tests that need a
# weaker user impersonate one (kubectl --as) or ask for a ServiceAccount's token.
[ -s "$dir/tokens.csv" ] || echo "$(openssl rand -hex 24),admin,admin,system:masters" >"$dir/tokens.csv"
[ -s "$dir/certs/sa.key" ] || openssl genrsa -out "$dir/certs/sa.key" 2048 2>/dev/null
openssl rsa -in "$dir/certs/sa.key" -pubout -out "$dir/certs/sa.pub" 2>/dev/null
cat >"$dir/audit-policy.yaml" <<'Y'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
Y

# The API server makes its own CA and certificate in certs/. Nothing but this machine's loopback can reach it, and
# no Endpoints are published for it (that would need an address that is not loopback).
start kube-apiserver --etcd-servers="http://127.0.0.1:$etcd_port" \
  --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$api_port" --endpoint-reconciler-type=none \
  --cert-dir="$dir/certs" --token-auth-file="$dir/tokens.csv" --authorization-mode=RBAC --allow-privileged=true \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$dir/certs/sa.pub" \
  --service-account-signing-key-file="$dir/certs/sa.key" --service-cluster-ip-range=10.96.0.0/16 \
  --audit-policy-file="$dir/audit-policy.yaml" --audit-log-path="$dir/log/audit.log" \
  --audit-log-maxsize=1024 --audit-log-maxbackup=1

until_ok kube-apiserver test -s "$dir/certs/apiserver.crt"
cat >"$dir/kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: https://127.0.0.1:$api_port
    certificate-authority-data: $(base64 -w0 <"$dir/certs/apiserver.crt")
users:
- name: admin
  user:
    token: $(cut -d, -f1 "$dir/tokens.csv")
contexts:
- name: test
  context: {cluster: test, user: admin, namespace: default}
current-context: test
Y
until_ok kube-apiserver "$kubectl" get --raw=/readyz

start kube-controller-manager --kubeconfig="$dir/kubeconfig" --secure-port=0 --leader-elect=false \
  --controllers='*,-nodeipam' --node-monitor-period=500ms --use-service-account-credentials=true \
  --root-ca-file="$dir/certs/apiserver.crt" --service-account-private-key-file="$dir/certs/sa.key" \
  --kube-api-qps=1000 --kube-api-burst=2000 --concurrent-gc-syncs=20
start kube-scheduler --kubeconfig="$dir/kubeconfig" --secure-port=0 --leader-elect=false \
  --kube-api-qps=1000 --kube-api-burst=2000
# With kept data, the last run's kwok still holds the node's lease, and a new one would wait 40 s for it to lapse.
[ "${KEEP:-0}" = 1 ] && "$kubectl" -n kube-node-lease delete lease pretend-1 --ignore-not-found >/dev/null
start kwok --kubeconfig="$dir/kubeconfig" --config="$here/pretend.yaml" --manage-all-nodes=true \
  --node-lease-duration-seconds=40 --cidr=10.244.0.0/16 --node-ip=127.0.0.1

# One pretend node, large enough for any test. kwok keeps its lease and says that its pods run.
"$kubectl" apply --server-side -f - >/dev/null <<'Y'
apiVersion: v1
kind: Node
metadata:
  name: pretend-1
  labels:
    kubernetes.io/hostname: pretend-1
    kubernetes.io/os: linux
    kubernetes.io/arch: amd64
    type: kwok
status:
  capacity: {cpu: "64", memory: 512Gi, pods: "2000"}
  allocatable: {cpu: "64", memory: 512Gi, pods: "2000"}
Y

# Ready means that a pod gets a service account (controller manager), a node (scheduler) and a status (kwok).
until_ok kube-controller-manager "$kubectl" -n kube-system get serviceaccount default
"$kubectl" -n kube-system run ready-probe --image=probe.invalid/none --restart=Never >/dev/null
running() { [ "$("$kubectl" -n kube-system get pod ready-probe -o 'jsonpath={.status.phase}')" = Running ]; }
until_ok kwok running
"$kubectl" -n kube-system delete pod ready-probe --grace-period=0 --force --wait=false >/dev/null 2>&1
until_ok kube-controller-manager "$kubectl" -n default get serviceaccount default
all_alive || fail "a program stopped"
echo "up in ${SECONDS} s: KUBECONFIG=$dir/kubeconfig"
