//! The errors of requests to an API server.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document;
use crate::kubernetes::object::ObjectRef;

/// Why the cluster did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object was changed by somebody else at the same moment.
    #[error("`{0}` was changed meanwhile")]
    Changed(String),
    /// Fields of the object belong to other managers.
    #[error("fields of `{object}` belong to others: {}", list(.fields))]
    Conflict {
        /// The object.
        object: String,
        /// The fields, with their owners.
        fields: Vec<FieldConflict>,
    },
    /// There is nothing to say who asks with any more.
    #[error("there is no credential for the cluster: {0}")]
    Credential(String),
    /// Objects of this version are another server's matter, and that one is away.
    #[error("`{api_version}` is served by another server, which is away (APIService `{service}`)")]
    Delegated {
        /// Group and version.
        api_version: String,
        /// The object that says which server it is.
        service: String,
    },
    /// The identity lacks a right, or the cluster's admission refuses.
    #[error("the server refuses to {verb} `{object}`: {text}")]
    Denied {
        /// The verb: `get`, `apply` or `delete`.
        verb: &'static str,
        /// The object.
        object: String,
        /// The server's reason.
        text: String,
        /// Whether it is the identity that lacks a right.
        lacks_right: bool,
    },
    /// The run may write no longer: somebody else has ended its hold.
    #[error("the run no longer holds `{name}`: {why}")]
    Displaced {
        /// The value that it held.
        name: String,
        /// How that ended.
        why: String,
    },
    /// The account of a run cannot be in the namespace that it would have to be in.
    #[error(
        "the account of this run cannot be in the namespace `{namespace}`: {why} (`--identity-namespace` names another one)"
    )]
    Home {
        /// The namespace.
        namespace: String,
        /// Its fault.
        why: &'static str,
        /// Whether it is there.
        is_there: bool,
    },
    /// The identity that was made for the run, made once more, is not accepted either.
    #[error("the server does not accept the identity that was made for this run any more")]
    IdentityRevoked,
    /// Objects have the name of an identity and do not say that they are parts of it, so they were not removed.
    #[error(
        "{} bears its name and not its marks, and stays: look at it, and remove it with kubectl if it was made for a run",
        .0.join(", ")
    )]
    IdentityUnmarked(Vec<String>),
    /// The change touches fields that stay as they were created; only a new object can have others.
    #[error("`{object}` cannot be changed in {}", list(.fields))]
    Immutable {
        /// The object.
        object: String,
        /// The fields, as paths.
        fields: Vec<String>,
    },
    /// The server does not accept the object.
    #[error("the server does not accept `{object}`: {text}")]
    Invalid {
        /// The object.
        object: String,
        /// The server's reason.
        text: String,
    },
    /// Another object does not exist, without which this one cannot be there: the role of a binding, say.
    #[error("`{object}` cannot be there: it names `{missing}`, which does not exist")]
    NoDependency {
        /// The object.
        object: String,
        /// The missing object, such as `web` or `roles.rbac.authorization.k8s.io web`.
        missing: String,
    },
    /// The server serves no such kind, or not in this version.
    #[error("the server has no kind `{kind}` in `{api_version}`")]
    NoKind {
        /// Group and version.
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// The namespace of the object does not exist.
    #[error("`{object}` cannot be there: its namespace does not exist")]
    NoNamespace {
        /// The object.
        object: Box<ObjectRef>,
    },
    /// The object does not exist.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// The body of a request is not the object that the permit names.
    #[error("the body is not that of `{0}`")]
    OtherObject(String),
    /// The response is not what the API promises.
    #[error("the server's answer about `{object}` cannot be used: {why}")]
    Response {
        /// The object of the request.
        object: String,
        /// The fault of the response.
        why: String,
    },
    /// The reference has a namespace and the kind has none, or the other way round.
    #[error("`{object}` is of a kind that lives {}", if *.namespaced { "in namespaces" } else { "outside namespaces" })]
    Scope {
        /// The object.
        object: String,
        /// Whether objects of its kind have a namespace.
        namespaced: bool,
    },
    /// The namespace of the object is being deleted.
    #[error("`{object}` cannot be there: its namespace is being deleted, and takes nothing new")]
    Terminating {
        /// The object.
        object: Box<ObjectRef>,
    },
    /// An answer is longer than is read.
    #[error("the server's answer has more than the {} bytes that are read", document::MAX_BYTES)]
    TooLong,
    /// The server answers, and cannot do it at the moment: it is too busy, or a part of it is away.
    #[error("the server answers that it cannot do this now: {0}")]
    Troubled(String),
    /// The server does not know the caller.
    #[error("the server does not accept the credentials of the kubeconfig")]
    Unauthenticated,
    /// The server cannot be reached.
    #[error("the cluster is not available: {0}")]
    Unavailable(String),
}

/// A field that another manager holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldConflict {
    /// Where it is, such as `.spec.replicas`.
    #[serde(rename = "field")]
    pub path: String,
    /// Who holds it, such as `kubectl-client-side-apply`.
    pub manager: String,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.manager)
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
