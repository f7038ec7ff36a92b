//! Storage: drivers, classes, and volumes that belong to somebody else.

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::api::STORAGE;

use super::brought::Brought;
use super::pods::PodView;
use super::untyped::{is_on, is_there, items, listed, members, quoted, text};
use super::{Found, Item, volumes};

use Severity::{High, Low, Medium};

const SNAPSHOTS: &str = "snapshot.storage.k8s.io";

/// How parameters of classes and volumes name the namespace of a Secret.
const SECRET_NAMESPACE: &str = "secret-namespace";

/// Names of members by which a driver is given a path of its node.
const PATHS: [&str; 6] = ["path", "hostpath", "sourcepath", "basepath", "mountpath", "directory"];

/// Looks at one object.
pub(super) fn look<'a>(item: &Item<'a>, brought: &Brought<'a>, found: &mut Found) {
    match (item.object.group(), item.object.kind.as_str()) {
        (STORAGE, "CSIDriver") => driver(item.body, found),
        (STORAGE, "StorageClass") => class(item.body, found),
        (STORAGE, "VolumeAttachment") => {
            let node = quoted(text(item.body, "/spec/nodeName").unwrap_or("?"));
            found.add(
                High,
                "storage/attachment",
                format!("attaches a volume to the node {node}, whoever it belongs to"),
            );
        }
        (STORAGE, "CSINode") => found.add(High, "storage/node", "tells which drivers of storage a node has"),
        (STORAGE, "CSIStorageCapacity") => found.add(Low, "storage/node", "tells how much room storage has"),
        ("", "PersistentVolume") => volume(item, brought, found),
        ("", "PersistentVolumeClaim") => claim(item, brought, found),
        (SNAPSHOTS, "VolumeSnapshotContent") => {
            found.add(Medium, "storage/snapshot", "offers a snapshot of a volume, whoever that belongs to");
        }
        (SNAPSHOTS, "VolumeSnapshot") => snapshot(item, brought, found),
        (SNAPSHOTS, "VolumeSnapshotClass") => secrets_of(item.body, found),
        _ => {}
    }
}

/// Looks at the volumes of one pod that a driver provides.
pub(super) fn look_at_pod(pod: &PodView<'_>, found: &mut Found) {
    for volume in items(pod.spec, "/volumes").filter(|volume| is_there(volume, "/csi")) {
        let driver = text(volume, "/csi/driver").unwrap_or("?");
        let attributes = members(volume, "/csi/volumeAttributes");
        let is_path = |(name, value): (&str, &Value)| {
            let value = value.as_str().filter(|value| value.starts_with('/'))?;
            PATHS.iter().any(|path| name.to_ascii_lowercase().ends_with(path)).then(|| value.to_owned())
        };
        let paths: Vec<_> = attributes.filter_map(is_path).collect();
        if !paths.is_empty() {
            let what = format!("has the driver {} mount paths: {}", quoted(driver), listed(paths));
            found.add(High, "pod/csi-path", what);
        } else if driver.contains("hostpath") {
            found.add(
                Medium,
                "pod/csi-path",
                format!("has the driver {} mount a directory of its node", quoted(driver)),
            );
        }
    }
}

fn driver(body: &Value, found: &mut Found) {
    let name = quoted(text(body, "/metadata/name").unwrap_or("?"));
    found.add(Low, "storage/driver", format!("describes the driver of storage {name}"));
    if items(body, "/spec/tokenRequests").len() > 0 {
        let what = format!("has tokens of the service accounts of all pods handed to the driver {name}");
        found.add(High, "storage/tokens", what);
    }
    if is_on(body, "/spec/podInfoOnMount") {
        found.add(Low, "storage/pods", format!("tells the driver {name} which pods mount its volumes"));
    }
}

fn class(body: &Value, found: &mut Found) {
    let annotation = body
        .pointer("/metadata/annotations")
        .and_then(|all| all.get("storageclass.kubernetes.io/is-default-class"));
    if annotation.and_then(Value::as_str) == Some("true") {
        let what = "becomes the storage of every claim that names none";
        found.add(Medium, "storage/default-class", what);
    }
    secrets_of(body, found);
}

/// Secrets that a provisioner uses for others: in a namespace that is named, and is not that of whoever claims.
fn secrets_of(body: &Value, found: &mut Found) {
    let parameters = members(body, "/parameters").filter(|(name, _)| name.ends_with(SECRET_NAMESPACE));
    let named: Vec<_> =
        parameters.filter_map(|(_, value)| value.as_str()).filter(|name| !name.contains("${")).collect();
    if !named.is_empty() {
        let what = format!("has whoever claims such storage use Secrets of the namespaces {}", listed(named));
        found.add(Medium, "storage/secrets", what);
    }
}

fn volume<'a>(item: &Item<'a>, brought: &Brought<'a>, found: &mut Found) {
    volumes::persistent(item, found);
    if let Some(name) = text(item.body, "/spec/claimRef/name") {
        let namespace = text(item.body, "/spec/claimRef/namespace").unwrap_or_default();
        if !brought.has_claim(namespace, name) {
            let claim = quoted(&format!("{namespace}/{name}"));
            found.add(
                Medium,
                "storage/claim",
                format!("becomes the volume of the claim {claim}, which this plan does not bring"),
            );
        }
    }
    let secrets: Vec<_> = members(item.body, "/spec/csi")
        .filter(|(name, _)| name.ends_with("SecretRef"))
        .filter_map(|(_, reference)| text(reference, "/namespace"))
        .collect();
    if !secrets.is_empty() {
        let what = format!("has its driver use Secrets of the namespaces {}", listed(secrets));
        found.add(Medium, "storage/secrets", what);
    }
}

fn claim<'a>(item: &Item<'a>, brought: &Brought<'a>, found: &mut Found) {
    let home = item.object.namespace.as_deref().unwrap_or_default();
    for source in ["/spec/dataSource", "/spec/dataSourceRef"] {
        let Some(name) = text(item.body, &format!("{source}/name")) else { continue };
        let namespace = text(item.body, &format!("{source}/namespace")).unwrap_or(home);
        let is_own = brought.has_claim(namespace, name)
            || brought.has("snapshot.storage.k8s.io/VolumeSnapshot", namespace, name);
        if !is_own {
            let of = quoted(&format!("{namespace}/{name}"));
            found.add(
                Medium,
                "storage/copy",
                format!("begins as a copy of {of}, which this plan does not bring"),
            );
            break;
        }
    }
    if let Some(name) =
        text(item.body, "/spec/volumeName").filter(|name| !brought.has("PersistentVolume", "", name))
    {
        // A claim that is bound already names its volume too.
        if !is_there(item.body, "/status/phase") || text(item.body, "/status/phase") == Some("Pending") {
            found.add(
                Medium,
                "storage/volume",
                format!("takes the volume {}, whoever it was for", quoted(name)),
            );
        }
    }
}

fn snapshot<'a>(item: &Item<'a>, brought: &Brought<'a>, found: &mut Found) {
    let home = item.object.namespace.as_deref().unwrap_or_default();
    let source = text(item.body, "/spec/source/persistentVolumeClaimName");
    if let Some(name) = source.filter(|name| !brought.has_claim(home, name)) {
        let of = quoted(&format!("{home}/{name}"));
        found.add(
            Medium,
            "storage/copy",
            format!("is a copy of the volume of {of}, which this plan does not bring"),
        );
    }
}
