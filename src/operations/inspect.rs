//! Inspection: what a bundle can do, what it asks for and who signed it, for an operator to decide on.
//!
//! It takes a fetched bundle, signed or not: nothing is decided here, nothing runs and nothing is written. Signatures
//! come first; then the binary is read, unless that would cost too much, which is said. What the component can call is
//! read from its binary; what the author says about it is marked as such.

mod actions;
mod dependencies;
mod inputs;
mod powers;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::bundle::component::{Imports, InvalidComponent};
use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::functions::{unprovided, unrequested, unused};
use crate::capability::kubernetes::RuleText;
use crate::capability::{Requests, ScopeRequest};
use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched};
use crate::reference::Reference;
use crate::verify::Refusal;

pub use actions::ActionSummary;
pub use dependencies::{DependencyOutput, DependencySummary};
pub use inputs::{CredentialSummary, OutputSummary, ParameterSummary};
pub use powers::CallablePower;

use actions::{actions, opaque_actions};
use powers::{cannot, inert, powers};

use super::verify::{SignatureVerdict, verdict};
use super::{Bundles, Document, Error};

/// An inspected bundle: facts that an operator decides on.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// The digest of the bundle.
    pub digest: Digest,
    /// Its name.
    pub bundle: BundleSummary,
    /// How much of the publisher's runs.
    pub level: Level,
    /// Whether the trust policy admits it.
    pub trusted: bool,
    /// Why the trust policy refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its signatures.
    pub signatures: Vec<SignatureVerdict>,
    /// Its component.
    pub component: ComponentSummary,
    /// Powers of the host interfaces that the component imports, the most dangerous first.
    pub can: Vec<CallablePower>,
    /// Powers that the component lacks.
    pub cannot: Vec<String>,
    /// The author's requests.
    pub requests: RequestSummary,
    /// Why the requests cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_fault: Option<String>,
    /// Imports that nothing requests.
    pub unrequested_imports: Vec<String>,
    /// Requests that the binary has no use for.
    pub unused_requests: Vec<&'static str>,
    /// Imports that nothing here provides.
    pub unprovided_imports: Vec<String>,
    /// The images that come with it.
    pub images: Vec<ImageSummary>,
    /// Where they are to be pulled from, where the bundle is at a registry.
    #[serde(skip)]
    pub relocation_map: Option<BTreeMap<String, String>>,
    /// The inputs that may be set.
    pub parameters: Vec<ParameterSummary>,
    /// The credentials that it takes. Where they may go is in `requests`.
    pub credentials: Vec<CredentialSummary>,
    /// The values that its actions make known.
    pub outputs: Vec<OutputSummary>,
    /// The actions of the bundle.
    pub actions: Vec<ActionSummary>,
    /// The bundles that it depends on, in the order in which they are installed.
    pub dependencies: Vec<DependencySummary>,
    /// Why these cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies_fault: Option<String>,
    /// Warnings about the bundle.
    pub warnings: Vec<String>,
    /// Whether there is a trust policy at all.
    #[serde(skip)]
    pub has_policy: bool,
    /// The reason for the refusal, without the verdicts on single signatures.
    #[serde(skip)]
    pub verdict: Option<String>,
    /// WASI imports that reach nothing, each with an explanation.
    #[serde(skip)]
    pub inert: Vec<(String, &'static str)>,
}

/// How much of what the publisher wrote runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The publisher's program, within what is granted to it.
    Component,
    /// A container image, of which nothing can be told. It is carried, and never run.
    Opaque,
}

/// A bundle's name, and what its author says of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BundleSummary {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The author's words.
    pub description: String,
}

/// A component, and what its binary names.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComponentSummary {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: usize,
    /// Every interface that it imports.
    pub imports: Vec<String>,
    /// Those of WASI.
    pub wasi: Vec<String>,
    /// Why its binary was not looked at: then nothing is known about what it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// The requests, each list there even where it is empty.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct RequestSummary {
    /// The built-in actions that the component carries out itself.
    pub handles: Vec<String>,
    /// Objects.
    pub kubernetes: Vec<ScopeRequest<RuleText>>,
    /// Files.
    pub files: Vec<ScopeRequest<FileText>>,
    /// Credentials.
    pub credentials: Vec<ScopeRequest<CredentialText>>,
    /// Credentials that are made.
    pub generate: Vec<ScopeRequest<GenerateText>>,
}

/// An image that comes with a bundle.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ImageSummary {
    /// Its name in the bundle.
    pub name: String,
    /// Where it came from.
    pub reference: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether its bytes are there.
    pub present: bool,
}

impl Document for Inspection {
    const KIND: &'static str = "Inspection";
}

/// Shows what a bundle can do, what it asks for and who signed it. Decides nothing: an untrusted bundle is shown as
/// well.
///
/// # Errors
/// [`Error`] when it cannot be fetched, or the trust policy cannot be used.
pub async fn inspect(reference: &Reference, bundles: &Bundles) -> Result<Inspection, Error> {
    let fetched = bundles.fetched(reference).await?;
    Inspection::of(&fetched, bundles)
}

impl Inspection {
    fn of(fetched: &Fetched, bundles: &Bundles) -> Result<Self, Error> {
        let bundle = fetched.bundle();
        let (policy, now) = (bundles.policy()?, bundles.now);
        let refusal = policy.decide(fetched, now).err();
        let signatures = policy.examine(fetched, now).into_iter().map(Into::into).collect();
        let (requests, requests_fault) = match Requests::of(bundle) {
            // It asks for nothing, and would be given everything.
            _ if fetched.is_opaque() => (Requests::default(), None),
            Ok(requests) => (requests, None),
            Err(fault) => (Requests::default(), Some(fault.to_string())),
        };
        let (dependencies, dependencies_fault) = DependencySummary::of(bundle);
        let (read, unread) = imports(fetched)?;
        let (none, unknown) = (Imports::default(), Requests::default());
        // Of a component that was not looked at nothing is said, least of all what it lacks.
        let (imports, asked) = read.map_or((&none, &unknown), |imports| (imports, &requests));
        Ok(Self {
            digest: fetched.digest(),
            bundle: BundleSummary::of(bundle),
            level: if fetched.is_opaque() { Level::Opaque } else { Level::Component },
            trusted: refusal.is_none(),
            has_policy: !matches!(refusal, Some(Refusal::NoPolicy(_))),
            verdict: refusal.as_ref().map(verdict),
            reason: refusal.map(|refusal| refusal.to_string()),
            signatures,
            component: ComponentSummary::of(fetched, imports, unread),
            can: powers(imports),
            cannot: read.map(cannot).unwrap_or_default(),
            unrequested_imports: unrequested(imports, asked),
            unused_requests: unused(imports, asked),
            unprovided_imports: unprovided(imports),
            inert: inert(imports),
            images: images(fetched),
            relocation_map: fetched.relocation_map(fetched.reference()),
            parameters: ParameterSummary::of(bundle),
            credentials: CredentialSummary::of(bundle),
            outputs: OutputSummary::of(bundle),
            actions: if fetched.is_opaque() { opaque_actions(bundle) } else { actions(bundle, &requests) },
            dependencies,
            dependencies_fault,
            warnings: fetched.warnings().iter().map(ToString::to_string).collect(),
            requests: requests.into(),
            requests_fault,
        })
    }
}

impl BundleSummary {
    fn of(bundle: &Bundle) -> Self {
        Self {
            name: bundle.name().into(),
            version: bundle.version().to_string(),
            description: bundle.description().into(),
        }
    }
}

impl ComponentSummary {
    fn of(fetched: &Fetched, imports: &Imports, unread: Option<String>) -> Self {
        Self {
            digest: fetched.component_digest(),
            size: fetched.component_bytes().len(),
            imports: imports.0.keys().cloned().collect(),
            wasi: imports.starting_with("wasi:").map(Into::into).collect(),
            unread,
        }
    }
}

/// The imports of the component, or why it was not looked at.
fn imports(fetched: &Fetched) -> Result<(Option<&Imports>, Option<String>), Error> {
    match fetched.component() {
        Ok(component) => Ok((Some(component.imports()), None)),
        Err(
            fault @ (InvalidComponent::Costly { .. } | InvalidComponent::Handed | InvalidComponent::Opaque),
        ) => Ok((None, Some(fault.to_string()))),
        Err(fault) => Err(FetchError::Component(fault.clone()).into()),
    }
}

impl From<Requests> for RequestSummary {
    fn from(requests: Requests) -> Self {
        let Requests { handles, kubernetes, files, credentials, generate } = requests;
        Self { handles, kubernetes, files, credentials, generate }
    }
}

fn images(fetched: &Fetched) -> Vec<ImageSummary> {
    let images = fetched.bundle().images().iter();
    images
        .map(|(name, image)| ImageSummary {
            name: name.clone(),
            reference: image.image.clone(),
            digest: image.digest,
            present: !fetched.absent_images().contains(name),
        })
        .collect()
}
