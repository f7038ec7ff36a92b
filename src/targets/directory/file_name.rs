//! The name of the file of an object.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::kubernetes::object::ObjectRef;

use super::unfinished::UNFINISHED;

/// The object's file: `NAMESPACE/KIND.GROUP_NAME.yaml`, with `_cluster` for objects outside namespaces. No part can
/// hold `/` or `_` where it would matter, and capitals of a name are written so that they count where file names have
/// no case. So no two objects share a file, but for kinds of others that differ in case alone: see `check_alone`.
pub(super) fn file(object: &ObjectRef) -> PathBuf {
    let folder = object.namespace.as_deref().unwrap_or("_cluster");
    let kind = object.kind.to_lowercase();
    let kind = if object.group().is_empty() { kind } else { format!("{kind}.{}", object.group()) };
    PathBuf::from(folder).join(format!("{}.yaml", fitting(format!("{kind}_{}", file_name(&object.name)))))
}

/// The most bytes of a file's name that file systems take, less what is added while it is written.
const MAX_FILE_NAME: usize = 255 - ".yaml".len() - UNFINISHED.len();

/// A name that is too long for a file ends in the digest of the whole. No other has a `%-` in it.
fn fitting(name: String) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name;
    }
    let digest: String = Digest::of(name.as_bytes()).hex().chars().take(32).collect();
    // All letters here are ASCII.
    let begun: String = name.chars().take(MAX_FILE_NAME - "%-".len() - digest.len()).collect();
    format!("{begun}%-{digest}")
}

/// Colons and capitals are legal in names of roles; not all file systems have the one, or tell the other apart.
fn file_name(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut written, c| {
        if c == ':' || c.is_ascii_uppercase() {
            written.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            written.push(c);
        }
        written
    })
}
