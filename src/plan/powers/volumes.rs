//! Volumes of pods: which paths of their nodes they mount, and which tokens they carry.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::capability::severity::Severity;

use super::pods::PodView;
use super::untyped::{is_on, is_there, is_true, items, listed, members, quoted, text};
use super::{Found, Item};

use Severity::{Critical, High, Low, Medium};

/// Kinds of volumes that the policy "restricted" admits. `image` is looked at with the images.
const USUAL: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Directories of a node through which whoever writes there gets hold of it. What is above one is as good, and so is
/// what is below.
const VITAL: [&str; 17] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt/cni",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
];

/// Where the sockets are of what runs containers and services.
const SOCKETS: [&str; 7] = [
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/run/docker.sock",
    "/run/k3s",
    "/run/podman",
    "/run/systemd",
];

const HOST_PATH: &str = "pod-security/baseline/host-path-volumes";

/// Looks at the volumes of one pod.
pub(super) fn look(pod: &PodView<'_>, found: &mut Found) {
    let mounted = mounted(pod);
    for volume in items(pod.spec, "/volumes") {
        let name = text(volume, "/name").unwrap_or("?");
        if is_there(volume, "/hostPath") {
            let path = text(volume, "/hostPath/path").unwrap_or("?");
            // One that nobody mounts may be mounted by the next change.
            let is_written = mounted.get(name).copied().unwrap_or(true);
            let (severity, what) = host_path(path, is_written);
            found.add(severity, HOST_PATH, what);
        }
        let others = members(volume, "").map(|(kind, _)| kind);
        let others: Vec<_> = others
            .filter(|kind| !["name", "hostPath"].contains(kind) && !USUAL.contains(kind))
            .filter(|kind| volume.get(kind).is_some_and(|it| !it.is_null()))
            .collect();
        if !others.is_empty() {
            let what = format!("mounts storage past the cluster's volumes: {}", listed(others));
            found.add(Low, "pod-security/restricted/volume-types", what);
        }
        tokens(volume, found);
    }
}

/// A PersistentVolume that is a directory of a node.
pub(super) fn persistent(item: &Item<'_>, found: &mut Found) {
    for kind in ["hostPath", "local"] {
        if let Some(path) = item.body.pointer(&format!("/spec/{kind}")) {
            let path = text(path, "/path").unwrap_or("?");
            let modes: Vec<_> = items(item.body, "/spec/accessModes").filter_map(Value::as_str).collect();
            let reads_only = !modes.is_empty() && modes.iter().all(|mode| *mode == "ReadOnlyMany");
            let (severity, what) = host_path(path, !reads_only);
            found.add(
                severity,
                "volume/host-path",
                format!("offers pods a volume: whoever claims it {what}"),
            );
        }
    }
}

fn host_path(path: &str, written: bool) -> (Severity, String) {
    let shown = quoted(path);
    // A socket is an open door, however it is mounted.
    if path.ends_with(".sock") || leads_to(path, &SOCKETS) {
        return (
            Critical,
            format!("reaches sockets at {shown} of its node, by which the node can be made to do anything"),
        );
    }
    match (written, leads_to(path, &VITAL)) {
        (true, true) => (Critical, format!("writes to {shown} of its node, and so gets hold of it")),
        (true, false) => (High, format!("writes to {shown} of its node")),
        (false, true) => (High, format!("reads {shown} of its node, with what is kept secret there")),
        (false, false) => (Medium, format!("reads {shown} of its node")),
    }
}

/// Whether a path is one of these, above one, or below one. A path that goes up is anywhere.
fn leads_to(path: &str, places: &[&str]) -> bool {
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !["", "."].contains(part)).map(str::to_owned).collect()
    };
    // `/var/run` has been a link to `/run` for long.
    let lookups = match parts(path).as_slice() {
        [var, run, rest @ ..] if var == "var" && run == "run" => [&["run".to_owned()], rest].concat(),
        parts => parts.to_vec(),
    };
    let goes_up = !path.starts_with('/') || lookups.iter().any(|part| part == "..");
    let meets = |place: &&str| parts(place).iter().zip(&lookups).all(|(one, other)| one == other);
    goes_up || places.iter().any(meets)
}

/// The volumes that are mounted, and whether any container may write to them.
fn mounted<'a>(pod: &PodView<'a>) -> BTreeMap<&'a str, bool> {
    let mut mounted = BTreeMap::new();
    for mount in pod.containers().flat_map(|container| items(container.body, "/volumeMounts")) {
        if let Some(volume) = text(mount, "/name") {
            *mounted.entry(volume).or_default() |= !is_true(mount, "/readOnly");
        }
    }
    mounted
}

/// Tokens for others than the API server: whoever trusts the cluster's word takes them.
fn tokens(volume: &Value, found: &mut Found) {
    let audiences =
        items(volume, "/projected/sources").filter(|source| is_on(source, "/serviceAccountToken"));
    let audiences = audiences.filter_map(|source| source.pointer("/serviceAccountToken/audience"));
    let foreign: Vec<_> =
        audiences.map(|audience| audience.as_str().unwrap_or("?")).filter(|it| !it.is_empty()).collect();
    if !foreign.is_empty() {
        let what = format!(
            "carries a token of its service account for others than the cluster: {}",
            listed(foreign)
        );
        found.add(Medium, "pod/foreign-token", what);
    }
}
