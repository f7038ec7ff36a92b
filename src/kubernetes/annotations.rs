//! The annotations and labels that carnet itself puts on objects.

/// The annotation that names the installation an object belongs to, `NAMESPACE/NAME`.
pub const OWNER: &str = "carnet.dev/installation";
