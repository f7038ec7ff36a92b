//! The groups of the Kubernetes API that are named here, each once.

/// Admission policies and webhooks.
pub const ADMISSION: &str = "admissionregistration.k8s.io";

/// Definitions of kinds.
pub const API_EXTENSIONS: &str = "apiextensions.k8s.io";

/// Aggregated API servers.
pub const API_REGISTRATION: &str = "apiregistration.k8s.io";

/// Workloads.
pub const APPS: &str = "apps";

/// Token requests and reviews.
pub const AUTHENTICATION: &str = "authentication.k8s.io";

/// Access reviews.
pub const AUTHORIZATION: &str = "authorization.k8s.io";

/// Jobs.
pub const BATCH: &str = "batch";

/// Leases.
pub const COORDINATION: &str = "coordination.k8s.io";

/// The core group, whose name is empty.
pub const CORE: &str = "";

/// Network policies and ingresses.
pub const NETWORKING: &str = "networking.k8s.io";

/// Disruption budgets.
pub const POLICY: &str = "policy";

/// Roles and bindings.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// Priorities of pods.
pub const SCHEDULING: &str = "scheduling.k8s.io";

/// Storage classes.
pub const STORAGE: &str = "storage.k8s.io";

/// The first stable version of a group, as manifests write it.
pub fn v1(group: &str) -> String {
    if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") }
}
