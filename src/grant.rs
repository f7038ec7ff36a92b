//! Decides what a run may do, and proves each decision with a permit.
//!
//! Deciding is pure: nothing here touches a file, a network or a guest. Whatever does takes a [`Permitted`], and only the
//! checks in this file make one, so an action nobody checked does not compile. Of the four parties to a decision, the
//! binary (imports), the author (requests), the operator (terms) and the operator's refusals, each can only narrow it:
//! *permitted ⊆ imported ∩ requested ∩ granted*, and a refusal always wins.
//!
//! Nobody else can claim that a check was made:
//! ```compile_fail
//! let forged = carnet::grant::Permitted(carnet::grant::ReadFile { name: "x".into(), path: "/etc/passwd".into() });
//! ```
//! ```compile_fail
//! let forged = carnet::grant::Granted { ..panic!() };
//! ```

pub mod terms;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use crate::bundle::Bundle;
use crate::bundle::component::Component;
use crate::capability::credentials::CredentialScope;
use crate::capability::credentials::generate::{self, GenerateScope};
use crate::capability::files::FileScope;
use crate::capability::functions::{unprovided, unrequested};
use crate::capability::kubernetes::{self, KubernetesScope, Verb};
use crate::capability::pattern::Pattern;
use crate::capability::template::Names;
use crate::capability::{self, Capabilities, Requests};
use crate::digest::Digest;
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{IdentityRecord, PolicyRule, Rights, RoleScope};
use crate::verify::Verified;

use terms::{Document, Limits, Terms};

/// The proof that one action was checked against the grant.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    /// Claims that the check was made. A search for this name finds every place that does.
    fn assertion(action: T) -> Self {
        Self(action)
    }

    /// The action itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Permitted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
impl<T> Permitted<T> {
    /// A permit that nobody checked, for tests of what takes one.
    pub(crate) fn for_tests(action: T) -> Self {
        Self(action)
    }
}

/// Reading one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get(pub ObjectRef);

/// Applying one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Apply(pub Object);

/// Removing one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete(pub ObjectRef);

/// Waiting for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait(pub ObjectRef);

/// Reading which rights accounts have in the cluster already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBindings;

/// Making an identity for one run, with just the rights of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mint {
    /// What it is called, where it is, and when it ends.
    pub record: IdentityRecord,
    /// What it may do.
    pub rights: Rights,
    /// How long its tokens are good for.
    pub lifetime: Duration,
    /// Namespaces that the run makes itself: its rights in them have to wait.
    pub later: BTreeSet<String>,
}

/// Asking the cluster which of these rights the caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review(pub Vec<(RoleScope, PolicyRule)>);

/// Reading one file of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The logical name.
    pub name: String,
    /// The file, or the directory below which it must lie.
    pub path: BoundPath,
}

/// What a logical name is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundPath {
    /// This file.
    File(PathBuf),
    /// The file of this relative name below this directory.
    Below(PathBuf, String),
}

/// Lending one credential, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lend(pub String);

/// Making one credential, or finding it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generate {
    /// The credential's name.
    pub name: String,
    /// The Secrets that it may live in.
    pub homes: Vec<ObjectRef>,
}

/// Showing one credential to the component, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reveal(pub String);

/// Placing a credential into a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The credential's name.
    pub credential: String,
    /// The Secret.
    pub secret: ObjectRef,
}

/// A verified bundle, with what its run may do.
pub struct Granted {
    verified: Verified,
    requests: Requests,
    requested: Capabilities,
    allowed: Capabilities,
    files: Vec<(Pattern, PathBuf)>,
    refused: Refused,
    limits: Limits,
    names: Names,
    /// Nothing may be changed, whatever is granted.
    reading_only: bool,
}

/// What the operator refuses.
#[derive(Debug, Default)]
struct Refused {
    kubernetes: KubernetesScope,
    files: FileScope,
    credentials: Vec<String>,
    reveal: Vec<String>,
}

/// One action that was not permitted. As text it is what the component may know: the same for every reason, so that
/// asking tells it nothing about the grant or about what exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    action: String,
    reason: Reason,
}

/// Why an action was not permitted. For the operator alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing grants it.
    #[error("no grant allows it: {0}")]
    NotGranted(String),
    /// The action is declared not to modify anything.
    #[error("the bundle declares that this action modifies nothing")]
    ReadingOnly,
    /// The bundle's author does not ask for it, so it cannot be granted.
    #[error("the bundle does not request it")]
    NotRequested,
    /// The operator refuses it.
    #[error("a `deny` refuses it")]
    Refused,
}

/// Why a run does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Shortfall {
    /// `--approve` names another bundle.
    #[error("`--approve` names {approved}, and the bundle is {bundle}")]
    Approved {
        /// The digest that was approved.
        approved: Digest,
        /// The bundle's.
        bundle: Digest,
    },
    /// Requests that are required and not granted.
    #[error("the bundle requests what is not granted")]
    Missing(Vec<String>),
    /// A grant file for another bundle.
    #[error("the grant `{name}` is for the bundle {pinned}, and this one is {bundle}")]
    Pinned {
        /// The grant's name.
        name: String,
        /// The digest in it.
        pinned: Digest,
        /// The bundle's digest.
        bundle: Digest,
    },
    /// The requests cannot be used.
    #[error("the bundle's requests cannot be used")]
    Requests(#[from] capability::Invalid),
    /// The terms cannot be used.
    #[error("the grant cannot be used")]
    Terms(#[from] terms::Invalid),
    /// Imports that nothing here provides.
    #[error("the component imports what carnet does not provide: {}", .0.join(", "))]
    Unprovided(Vec<String>),
    /// Imports that the bundle does not request.
    #[error("the component imports what the bundle does not request: {}", .0.join(", "))]
    Unrequested(Vec<String>),
}

/// Everything the operator said about what may be done.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// Grant files.
    pub documents: Vec<Document>,
    /// Flags, and terms kept from the installation's last run.
    pub terms: Terms,
    /// A digest all of whose requests are granted.
    pub approve: Option<Digest>,
    /// Whether a bare `*` may stand in a grant.
    pub dangerous_wildcards: bool,
}

impl Consent {
    /// The terms of all files and flags together, for one bundle.
    ///
    /// # Errors
    /// [`Shortfall`] for a grant or approval of another bundle, and for a bare `*`.
    pub fn terms(&self, bundle: Digest, requests: &Requests) -> Result<Terms, Shortfall> {
        let mut terms = Terms::default();
        for document in &self.documents {
            let pinned = document.spec.bundle;
            if pinned != bundle {
                return Err(Shortfall::Pinned { name: document.metadata.name.clone(), pinned, bundle });
            }
            terms.add(document.spec.clone().into())?;
        }
        terms.add(self.terms.clone())?;
        if !self.dangerous_wildcards {
            terms.check_bounded()?;
        }
        match self.approve {
            Some(approved) if approved != bundle => Err(Shortfall::Approved { approved, bundle }),
            Some(_) => Ok(approving(terms, requests)),
            None => Ok(terms),
        }
    }
}

/// All that is requested. A file still has to be bound to a path by the operator.
fn approving(mut terms: Terms, requests: &Requests) -> Terms {
    terms.kubernetes.extend(requests.kubernetes.iter().map(|request| request.text.clone()));
    terms.credentials.extend(requests.credentials.iter().map(|request| request.text.clone()));
    terms.generate.extend(requests.generate.iter().map(|request| request.text.clone()));
    terms
}

impl Granted {
    /// Checks that the component imports only what is requested, and that everything it cannot do without is granted.
    ///
    /// # Errors
    /// [`Shortfall`], with the lines to add where something is missing.
    pub fn new(verified: Verified, terms: &Terms, names: Names) -> Result<Self, Shortfall> {
        let requests = Requests::of(verified.bundle())?;
        check_imports(verified.component(), &requests)?;
        let requested = requests.all(&names)?;
        let required = requests.required(&names)?;
        let granted = Self {
            allowed: allowed(terms, &names)?,
            files: files(terms, &names)?,
            refused: Refused::resolve(terms, &names)?,
            limits: terms.limits.resolve()?,
            requested,
            requests,
            verified,
            names,
            reading_only: false,
        };
        let missing = granted.missing(&required);
        if missing.is_empty() { Ok(granted) } else { Err(Shortfall::Missing(missing)) }
    }

    /// The same for an action that the bundle declares not to modify anything: so it cannot.
    #[must_use]
    pub fn reading_only(mut self) -> Self {
        self.reading_only = true;
        self
    }

    /// What of the requests is granted, a rule a line, for people.
    pub fn explained(&self) -> Vec<String> {
        let Capabilities { kubernetes, files, credentials, generate } = self.capabilities();
        let kubernetes = kubernetes.condensed().rules().iter().map(ToString::to_string).collect::<Vec<_>>();
        let files = files.names().map(|name| format!("read the file {name}")).collect::<Vec<_>>();
        [kubernetes, files, credentials.explained(), generate.explained()].concat()
    }

    /// The verified bundle.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// What the bundle requests.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What of the requests is granted.
    pub fn capabilities(&self) -> Capabilities {
        self.requested.intersect(&self.allowed)
    }

    /// What of the requests, optional ones included, is not granted: as flags that would grant it.
    pub fn withheld(&self) -> Vec<String> {
        self.missing(&self.requested)
    }

    /// What the run may use up.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The names that scopes were filled with.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Whether anything of this kind is granted, so that the target may be asked how the kind is served.
    pub fn concerns(&self, group_kind: &str) -> bool {
        self.requested.kubernetes.concerns(group_kind) && self.allowed.kubernetes.concerns(group_kind)
    }

    /// Decides about reading an object.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn get(&self, object: ObjectRef) -> Result<Permitted<Get>, Denied> {
        self.kubernetes(Verb::read(&object), &object)?;
        Ok(Permitted::assertion(Get(object)))
    }

    /// Decides about applying an object. Whoever acts through another one by it must be allowed to apply that one, too.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn apply(&self, object: Object) -> Result<Permitted<Apply>, Denied> {
        self.kubernetes(Verb::Apply, object.reference())?;
        if let Some(through) = object.acts_through() {
            self.kubernetes(Verb::Apply, &through)?;
        }
        Ok(Permitted::assertion(Apply(object)))
    }

    /// Decides about removing an object.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn delete(&self, object: ObjectRef) -> Result<Permitted<Delete>, Denied> {
        self.kubernetes(Verb::Delete, &object)?;
        Ok(Permitted::assertion(Delete(object)))
    }

    /// Decides about waiting for an object: whoever may apply or read it may wait for it.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn wait(&self, object: ObjectRef) -> Result<Permitted<Wait>, Denied> {
        let read = self.kubernetes(Verb::read(&object), &object);
        let either = self.kubernetes(Verb::Apply, &object).or(read);
        let action = format!("wait for {object}");
        either.map_err(|denied| Denied { action, ..denied })?;
        Ok(Permitted::assertion(Wait(object)))
    }

    /// Decides about reading a file.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn read(&self, name: &str) -> Result<Permitted<ReadFile>, Denied> {
        let action = format!("read the file {name}");
        let bound = self.files.iter().find(|(pattern, _)| pattern.matches(name));
        self.decide(
            action,
            self.requested.files.allows(name),
            bound.is_some(),
            self.refused.files.allows(name),
            || format!("--allow-file '{name}=PATH'"),
        )?;
        let Some((pattern, path)) = bound else { return Err(Denied::unbound(name)) };
        let path = match pattern {
            Pattern::Exact(_) => BoundPath::File(path.clone()),
            Pattern::Prefix(stem) => BoundPath::Below(path.clone(), name[stem.len()..].to_owned()),
        };
        Ok(Permitted::assertion(ReadFile { name: name.into(), path }))
    }

    /// Decides about lending a credential.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn lend(&self, name: &str) -> Result<Permitted<Lend>, Denied> {
        self.decide(
            format!("use the credential {name}"),
            self.requested.credentials.allows(name),
            self.allowed.credentials.allows(name),
            self.refused.credential(name),
            || format!("--allow-credential {name}"),
        )?;
        Ok(Permitted::assertion(Lend(name.into())))
    }

    /// Decides about making a credential, or finding it again.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn generate(&self, name: &str) -> Result<Permitted<Generate>, Denied> {
        let requested = &self.requested.generate;
        let homes: Vec<_> = requested.intersect(&self.allowed.generate).homes(name).cloned().collect();
        self.decide(
            format!("make the credential {name}"),
            requested.allows(name),
            !homes.is_empty(),
            self.refused.credential(name),
            || requested.homes(name).map(|home| generate::flag(name, home)).collect::<Vec<_>>().join(" "),
        )?;
        Ok(Permitted::assertion(Generate { name: name.into(), homes }))
    }

    /// Decides about showing a credential to the component.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn reveal(&self, name: &str) -> Result<Permitted<Reveal>, Denied> {
        let refused =
            self.refused.credentials.iter().chain(&self.refused.reveal).any(|refused| refused == name);
        self.decide(
            format!("see the credential {name}"),
            self.requested.credentials.allows_reveal(name),
            self.allowed.credentials.allows_reveal(name),
            refused,
            || format!("--allow-reveal {name}"),
        )?;
        Ok(Permitted::assertion(Reveal(name.into())))
    }

    /// Decides about placing a credential into a Secret: one that was lent, or one that was made.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn place(&self, name: &str, secret: &ObjectRef) -> Result<Permitted<Place>, Denied> {
        let is_made = self.requested.generate.allows(name);
        let allows = |by: &Capabilities| {
            if is_made {
                by.generate.allows_into(name, secret)
            } else {
                by.credentials.allows_into(name, secret)
            }
        };
        self.decide(
            format!("place the credential {name} into {secret}"),
            allows(&self.requested),
            allows(&self.allowed),
            self.refused.credential(name),
            || {
                let flag = if is_made { "--allow-generate" } else { "--allow-credential" };
                let namespace = secret.namespace.as_deref().unwrap_or("?");
                format!("{flag} {name}={namespace}/Secret/{}", secret.name)
            },
        )?;
        Ok(Permitted::assertion(Place { credential: name.into(), secret: secret.clone() }))
    }

    fn kubernetes(&self, verb: Verb, object: &ObjectRef) -> Result<(), Denied> {
        if self.reading_only && matches!(verb, Verb::Apply | Verb::Delete) {
            return Err(Denied { action: format!("{verb} {object}"), reason: Reason::ReadingOnly });
        }
        self.decide(
            format!("{verb} {object}"),
            self.requested.kubernetes.allows(verb, object),
            self.allowed.kubernetes.allows(verb, object),
            self.refused.kubernetes.allows(verb, object),
            || match &object.namespace {
                Some(namespace) => {
                    format!("--allow-kube '{verb}:{}:{namespace}/{}'", object.group_kind(), object.name)
                }
                None => format!("--allow-kube '{verb}:{}:{}'", object.group_kind(), object.name),
            },
        )
    }

    fn decide(
        &self,
        action: String,
        requested: bool,
        granted: bool,
        refused: bool,
        line: impl FnOnce() -> String,
    ) -> Result<(), Denied> {
        let reason = match (requested, granted, refused) {
            (true, true, false) => return Ok(()),
            (_, _, true) => Reason::Refused,
            (false, ..) => Reason::NotRequested,
            (true, false, false) => Reason::NotGranted(line()),
        };
        Err(Denied { action, reason })
    }

    /// What of `wanted` would be denied, as lines for the operator.
    fn missing(&self, wanted: &Capabilities) -> Vec<String> {
        self.refused.missing(&self.allowed, wanted)
    }
}

/// Makes the checks of [`Granted::new`] for somebody who is still deciding, about a bundle that nobody vouches for:
/// nothing may be done by it. The answer is what an optional request would lack, as flags that would grant it.
///
/// # Errors
/// [`Shortfall`] as for [`Granted::new`].
pub fn shortfall(
    bundle: &Bundle,
    component: &Component,
    terms: &Terms,
    names: &Names,
) -> Result<Vec<String>, Shortfall> {
    let requests = Requests::of(bundle)?;
    check_imports(component, &requests)?;
    let (allowed, refused) = (allowed(terms, names)?, Refused::resolve(terms, names)?);
    terms.limits.resolve()?;
    let missing = refused.missing(&allowed, &requests.required(names)?);
    if missing.is_empty() {
        Ok(refused.missing(&allowed, &requests.all(names)?))
    } else {
        Err(Shortfall::Missing(missing))
    }
}

/// Looking at an object before it is removed: to show it in the plan, never to the component.
pub fn before_delete(permit: &Permitted<Delete>) -> Permitted<Get> {
    Permitted::assertion(Get(permit.0.0.clone()))
}

/// Permits for what is looked at in the cluster beside the plan, to tell the operator what the objects of a plan could do
/// there. With the caller's own identity, and never for the component.
pub mod beside {
    use super::{Get, ObjectRef, Permitted, ReadBindings};

    /// Reading all bindings of roles.
    pub fn bindings() -> Permitted<ReadBindings> {
        Permitted::assertion(ReadBindings)
    }

    /// Reading a role. None for anything else.
    pub fn role(object: ObjectRef) -> Option<Permitted<Get>> {
        let is_role = ["rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/Role"]
            .contains(&object.group_kind().as_str());
        is_role.then(|| Permitted::assertion(Get(object)))
    }
}

/// Looking into the Secrets that a credential may live in, to find it again: by the host alone, never for the component.
pub fn before_generate(permit: &Permitted<Generate>) -> Vec<Permitted<Get>> {
    permit.0.homes.iter().cloned().map(|home| Permitted::assertion(Get(home))).collect()
}

/// Permits for what an installation's own record names. They are the runtime's, for what the operator asks of an
/// installation (uninstall, prune, status, diff); a component gets none of them.
pub mod recorded {
    use super::{Delete, Get, Mint, ObjectRef, Permitted, Review, Wait};

    /// Reading an object that this installation's inventory names.
    pub fn get(object: ObjectRef) -> Permitted<Get> {
        Permitted::assertion(Get(object))
    }

    /// Removing an object that this installation's inventory names.
    pub fn delete(object: ObjectRef) -> Permitted<Delete> {
        Permitted::assertion(Delete(object))
    }

    /// Making the identity of a run whose plan the operator has confirmed. Its rights are those of that plan.
    pub fn mint(identity: Mint) -> Permitted<Mint> {
        Permitted::assertion(identity)
    }

    /// Asking which of the rights of a plan the caller has.
    pub fn review(review: Review) -> Permitted<Review> {
        Permitted::assertion(review)
    }

    /// Asking about the readiness of an object that this installation's inventory names.
    pub fn wait(object: ObjectRef) -> Permitted<Wait> {
        Permitted::assertion(Wait(object))
    }
}

impl Denied {
    /// What was not permitted, with the reason: for the operator, never for the component.
    pub fn explained(&self) -> String {
        format!("{}: {}", self.action, self.reason)
    }

    /// Why it was not permitted.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    fn unbound(name: &str) -> Self {
        Self {
            action: format!("read the file {name}"),
            reason: Reason::NotGranted(format!("--allow-file '{name}=PATH'")),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not permitted: {}", self.action)
    }
}

impl Refused {
    fn resolve(terms: &Terms, names: &Names) -> Result<Self, terms::Invalid> {
        Ok(Self {
            kubernetes: KubernetesScope::resolve(&terms.deny.kubernetes, names)?,
            files: FileScope::resolve(&terms.deny.files, names)?,
            credentials: terms.deny.credentials.clone(),
            reveal: terms.deny.reveal.clone(),
        })
    }

    /// Whether the credential of this name is refused altogether.
    fn credential(&self, name: &str) -> bool {
        self.credentials.iter().any(|refused| refused == name)
    }

    /// What of `wanted` would be denied to who is allowed this much.
    fn missing(&self, allowed: &Capabilities, wanted: &Capabilities) -> Vec<String> {
        let mut lines = allowed.missing(wanted);
        let refused = wanted.kubernetes.intersect(&self.kubernetes).lines();
        lines.extend(refused.iter().map(|line| format!("(refused by `deny`) {line}")));
        let files = wanted.files.intersect(&self.files);
        lines.extend(files.names().map(|name| format!("(refused by `deny`) the file {name}")));
        let credentials = wanted.credentials.names().chain(wanted.generate.names()).filter(|name| {
            self.credential(name)
                || (wanted.credentials.allows_reveal(name)
                    && self.reveal.iter().any(|refused| refused == name))
        });
        lines.extend(credentials.map(|name| format!("(refused by `deny`) the credential {name}")));
        lines
    }
}

fn check_imports(component: &Component, requests: &Requests) -> Result<(), Shortfall> {
    let imports = component.imports();
    let unprovided = unprovided(imports);
    if !unprovided.is_empty() {
        return Err(Shortfall::Unprovided(unprovided));
    }
    let unrequested = unrequested(imports, requests);
    if unrequested.is_empty() { Ok(()) } else { Err(Shortfall::Unrequested(unrequested)) }
}

fn allowed(terms: &Terms, names: &Names) -> Result<Capabilities, terms::Invalid> {
    Ok(Capabilities {
        kubernetes: KubernetesScope::resolve(&terms.kubernetes, names)?,
        files: FileScope::of(files(terms, names)?.into_iter().map(|(pattern, _)| pattern)),
        credentials: CredentialScope::resolve(&terms.credentials, names)?,
        generate: GenerateScope::resolve(&terms.generate, names)?,
    })
}

fn files(terms: &Terms, names: &Names) -> Result<Vec<(Pattern, PathBuf)>, terms::Invalid> {
    let bind = |file: &terms::FileGrant| {
        let name = names.fill(&file.name).map_err(kubernetes::Invalid::from)?;
        Ok((Pattern::parse(&name).map_err(kubernetes::Invalid::from)?, file.path.clone()))
    };
    terms.files.iter().map(bind).collect()
}
