//! Decides what a run may do, and proves each decision with a permit.
//!
//! Deciding is pure: nothing here touches a file, a network or a guest. Whatever does takes a [`Permitted`], and only
//! the checks below `grant` make one, so an action nobody checked does not compile. Of the four parties to a decision,
//! the binary (imports), the author (requests), the operator (grant) and the operator's refusals, each can only narrow
//! it:
//! *permitted ⊆ imported ∩ requested ∩ granted*, and a refusal always wins.
//!
//! Nobody else can claim that a check was made:
//! ```compile_fail
//! let forged = carnet::grant::Permitted(carnet::grant::ReadFile { name: "x".into(), path: "/etc/passwd".into() });
//! ```
//! ```compile_fail
//! let forged = carnet::grant::Granted { ..panic!() };
//! ```

pub mod limits;
pub mod spec;
mod permit;
mod denial;
mod derived;
pub mod beside;
pub mod recorded;
pub mod identity;
mod refused;
mod ungranted;
mod consent;
mod consent_key;
mod filled;
mod guard;

use std::path::PathBuf;

use crate::bundle::component::Component;
use crate::capability::credentials::generate::{self, GenerateScope};
use crate::capability::credentials::{self, CredentialScope};
use crate::capability::files::{self, FileScope};
use crate::capability::functions::{unprovided, unrequested};
use crate::capability::kubernetes::{self, KubernetesScope, Verb};
use crate::capability::pattern::Pattern;
use crate::capability::template::Names;
use crate::capability::{Capabilities, Requests, check_count};
use crate::document::visible;
use crate::kubernetes::manifest::Object;
use crate::kubernetes::object::ObjectRef;
use crate::text::CommandLine;
use crate::verify::Verified;

use limits::Limits;
use refused::Refused;
use spec::{FileGrant, GrantSpec, InvalidGrant};
use ungranted::check_required;

pub use consent::Consent;
pub use consent_key::ConsentKey;
pub use denial::{Denied, Reason, Shortfall};
pub use derived::{after_apply, after_delete, before_delete, before_generate};
pub use guard::{LoweredGuard, RecordedGuard, UnknownGuard};
pub use permit::{
    Apply, BoundPath, Delete, Generate, Get, Lend, Mint, Permitted, PlaceCredential, ReadBindings, ReadFile,
    Reveal, Review, Wait,
};
pub use ungranted::{Ungranted, shortfall};

/// A verified bundle, with the capabilities of its run.
pub struct Granted {
    verified: Verified,
    requests: Requests,
    requested: Capabilities,
    /// The requests that the bundle cannot do without.
    required: Capabilities,
    allowed: Capabilities,
    files: Vec<(Pattern, PathBuf)>,
    refused: Refused,
    limits: Limits,
    names: Names,
    /// Nothing may be changed, whatever is granted.
    reading_only: bool,
}

impl Granted {
    /// Checks that the component imports only what is requested, and that of each request that it cannot do without at
    /// least a part is granted. What the run then does beyond that part is [denied](Denied::beyond).
    ///
    /// # Errors
    /// [`Shortfall`], with the lines to add where something is missing.
    pub fn new(verified: Verified, grant: &GrantSpec, names: Names) -> Result<Self, Shortfall> {
        let requests = Requests::of(verified.bundle())?;
        check_imports(verified.component(), &requests)?;
        let (allowed, refused) = (allowed(grant, &names)?, Refused::resolve(grant, &names)?);
        let limits = grant.limits.resolve().map_err(InvalidGrant::from)?;
        check_required(&requests, &names, &allowed, &refused)?;
        Ok(Self {
            allowed,
            files: files(grant, &names)?,
            refused,
            limits,
            requested: requests.all(&names)?,
            required: requests.required(&names)?,
            requests,
            verified,
            names,
            reading_only: false,
        })
    }

    /// Narrows it to reading, for an action that the bundle declares not to modify anything.
    #[must_use]
    pub fn reading_only(mut self) -> Self {
        self.reading_only = true;
        self
    }

    /// A file, and which one of the operator's it is.
    fn file_explained(&self, name: &Pattern) -> String {
        match self.files.iter().find(|(bound, _)| bound.covers(name)) {
            Some((_, path)) => format!("read the file {name}: {}", visible(&path.display().to_string())),
            None => format!("read the file {name}"),
        }
    }

    /// The granted requests, a rule a line, for people.
    pub fn explained(&self) -> Vec<String> {
        let Capabilities { kubernetes, files, credentials, generate } = self.capabilities();
        let kubernetes = kubernetes.condensed().rules().iter().map(ToString::to_string).collect::<Vec<_>>();
        let files = files.names().map(|name| self.file_explained(name)).collect::<Vec<_>>();
        [kubernetes, files, credentials.explained(), generate.explained()].concat()
    }

    /// The verified bundle.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The bundle's requests.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The granted requests, as capabilities.
    pub fn capabilities(&self) -> Capabilities {
        self.requested.intersect(&self.allowed)
    }

    /// The requests that are not granted, optional ones included, as flags that would grant them.
    pub fn withheld(&self) -> Vec<CommandLine> {
        self.refused.missing(&self.allowed, &self.requested)
    }

    /// The resource limits of the run.
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
        let applied = self.kubernetes(Verb::Apply, &object);
        let either = applied.or_else(|_| self.kubernetes(Verb::read(&object), &object));
        either.map_err(|denied| denied.of(format!("wait for {object}")))?;
        Ok(Permitted::assertion(Wait(object)))
    }

    /// Decides about reading a file.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn read(&self, name: &str) -> Result<Permitted<ReadFile>, Denied> {
        let bound = self.files.iter().find(|(pattern, _)| pattern.matches(name));
        self.decide(
            || format!("read the file {name}"),
            |by| by.files.allows(name),
            |refused| refused.files.allows(name),
            || files::flag(name),
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
            || format!("use the credential {name}"),
            |by| by.credentials.allows(name),
            |refused| refused.credential(name),
            || credentials::flag(name),
        )?;
        Ok(Permitted::assertion(Lend(name.into())))
    }

    /// Decides about making a credential, or finding it again.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn generate(&self, name: &str) -> Result<Permitted<Generate>, Denied> {
        let requested = &self.requested.generate;
        let secrets = |by: &Capabilities| -> Vec<ObjectRef> {
            requested.intersect(&by.generate).secrets(name).cloned().collect()
        };
        self.decide(
            || format!("make the credential {name}"),
            |by| !secrets(by).is_empty(),
            |refused| refused.credential(name),
            || {
                let lines = requested.secrets(name).map(|secret| generate::flag(name, secret));
                lines.reduce(|line, more| line.and(&more)).unwrap_or_else(|| generate::flag_of(name))
            },
        )?;
        Ok(Permitted::assertion(Generate { name: name.into(), secrets: secrets(&self.allowed) }))
    }

    /// Decides about showing a credential to the component.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn reveal(&self, name: &str) -> Result<Permitted<Reveal>, Denied> {
        self.decide(
            || format!("see the credential {name}"),
            |by| by.credentials.allows_reveal(name),
            |refused| refused.reveal(name),
            || credentials::reveal_flag(name),
        )?;
        Ok(Permitted::assertion(Reveal(name.into())))
    }

    /// Decides about placing a credential into a Secret: one that was lent, or one that was made.
    ///
    /// # Errors
    /// [`Denied`] when it is not permitted.
    pub fn place(&self, name: &str, secret: &ObjectRef) -> Result<Permitted<PlaceCredential>, Denied> {
        let is_made = self.requested.generate.allows(name);
        let allows = |by: &Capabilities| {
            if is_made {
                by.generate.allows_into(name, secret)
            } else {
                by.credentials.allows_into(name, secret)
            }
        };
        self.decide(
            || format!("place the credential {name} into {secret}"),
            allows,
            |refused| refused.credential(name),
            || {
                let namespace = secret.namespace.as_deref().unwrap_or("?");
                if is_made {
                    generate::flag(name, secret)
                } else {
                    credentials::flag(format_args!("{name}={namespace}/Secret/{}", secret.name))
                }
            },
        )?;
        Ok(Permitted::assertion(PlaceCredential { credential: name.into(), secret: secret.clone() }))
    }

    /// Whether any credential may be in a Secret by what is granted.
    pub fn may_hold_credentials(&self, secret: &ObjectRef) -> bool {
        let Capabilities { credentials, generate, .. } = &self.allowed;
        credentials.names().any(|name| credentials.allows_into(name, secret))
            || generate.names().any(|name| generate.allows_into(name, secret))
    }

    fn kubernetes(&self, verb: Verb, object: &ObjectRef) -> Result<(), Denied> {
        if self.reading_only && matches!(verb, Verb::Apply | Verb::Delete) {
            return Err(Denied::reading_only(format!("{verb} {object}")));
        }
        self.decide(
            || format!("{verb} {object}"),
            |by| by.kubernetes.allows(verb, object),
            |refused| refused.object(verb, object),
            || {
                let (kind, name) = (object.group_kind(), &object.name);
                match &object.namespace {
                    Some(namespace) => kubernetes::flag(format_args!("{verb}:{kind}:{namespace}/{name}")),
                    None => kubernetes::flag(format_args!("{verb}:{kind}:{name}")),
                }
            },
        )
    }

    /// What grants and what refuses are questions to different types, so that one cannot be taken for the other.
    fn decide(
        &self,
        action: impl FnOnce() -> String,
        is_in: impl Fn(&Capabilities) -> bool,
        is_refused: impl FnOnce(&Refused) -> bool,
        line: impl FnOnce() -> CommandLine,
    ) -> Result<(), Denied> {
        let reason = match (is_in(&self.requested), is_in(&self.allowed), is_refused(&self.refused)) {
            (true, true, false) => return Ok(()),
            (_, _, true) => Reason::Refused,
            (false, ..) => Reason::NotRequested,
            (true, false, false) => Reason::NotGranted(line()),
        };
        Err(Denied { action: action(), reason, is_required: is_in(&self.required) })
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

/// Whether a grant allows anything that another one did not: more capabilities, a name for another file, a higher limit, or
/// the same with other denials. What cannot be read is as wide as can be.
pub fn is_wider(before: &GrantSpec, now: &GrantSpec, names: &Names) -> bool {
    let covers = || -> Result<bool, InvalidGrant> {
        let bound = files(before, names)?;
        let is_bound = files(now, names)?.iter().all(|file| bound.contains(file));
        let is_limited = before.limits.resolve()?.covers(&now.limits.resolve()?);
        Ok(is_bound && is_limited && allowed(before, names)?.covers(&allowed(now, names)?))
    };
    !covers().unwrap_or(false) || before.deny != now.deny
}

fn allowed(grant: &GrantSpec, names: &Names) -> Result<Capabilities, InvalidGrant> {
    Ok(Capabilities {
        kubernetes: KubernetesScope::resolve(&grant.kubernetes, names)?,
        files: FileScope::of(files(grant, names)?.into_iter().map(|(pattern, _)| pattern)),
        credentials: CredentialScope::resolve(&grant.credentials, names)?,
        generate: GenerateScope::resolve(&grant.generate, names)?,
    })
}

fn files(grant: &GrantSpec, names: &Names) -> Result<Vec<(Pattern, PathBuf)>, InvalidGrant> {
    check_count(grant.files.len())?;
    let bind = |file: &FileGrant| Ok((files::pattern(&file.name, names)?, file.path.clone()));
    grant.files.iter().map(bind).collect()
}

#[cfg(test)]
pub(crate) mod tests;
