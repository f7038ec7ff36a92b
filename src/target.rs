//! Where objects go: a Kubernetes cluster, or a directory of manifests.

pub mod ready;
