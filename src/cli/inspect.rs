//! `carnet inspect`: the page that an operator decides from.
//!
//! It takes a fetched bundle, signed or not: nothing is decided here, nothing runs and nothing is written. What the
//! component can call is read from its binary; what the author says about it is marked as such.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::bundle::Bundle;
use crate::bundle::component::{Imports, unversioned};
use crate::capability::functions::{
    INTERFACES, Interface, Provision, Risk, provision, unprovided, unrequested, unused,
};
use crate::capability::{Request, Requests};
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::reference::Reference;
use crate::verify::Refusal;

use super::exit::{self, Code};
use super::verify::Signature;
use super::{Context, acquire, inputs};

mod show;

/// Show what a bundle can do, what it asks for and who signed it
///
/// What the bundle can call is read from its binary; nothing of it runs. The bundle need not be trusted: this decides
/// nothing and exits with 0 for a bundle that `carnet verify` refuses.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet inspect layout:bundles/web
  carnet inspect ./web -v
  carnet inspect layout:bundles/web -o json")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    let fetched = acquire::fetched(&args.reference, context)?;
    context.ui.report(&Inspection::of(&fetched, context)?)?;
    Ok(exit::DONE)
}

/// What is known about a bundle before anybody decides about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection {
    digest: Digest,
    bundle: Named,
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    signatures: Vec<Signature>,
    component: ComponentPart,
    can: Vec<Power>,
    cannot: Vec<String>,
    requests: Asked,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_fault: Option<String>,
    unrequested_imports: Vec<String>,
    unused_requests: Vec<&'static str>,
    unprovided_imports: Vec<String>,
    images: Vec<ImagePart>,
    actions: Vec<ActionPart>,
    warnings: Vec<String>,
    #[serde(skip)]
    has_policy: bool,
    /// The reason without what is wrong with each signature, which its own row says.
    #[serde(skip)]
    verdict: Option<String>,
    #[serde(skip)]
    inert: Vec<(String, &'static str)>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    version: String,
    description: String,
}

#[derive(Debug, Serialize)]
struct ComponentPart {
    digest: Digest,
    size: usize,
    imports: Vec<String>,
    wasi: Vec<String>,
}

/// An interface that the binary imports, in plain words.
#[derive(Debug, Serialize)]
struct Power {
    interface: String,
    functions: Vec<String>,
    danger: &'static str,
    meaning: &'static str,
    #[serde(skip)]
    level: Risk,
}

/// The requests, each list there even where it is empty.
#[derive(Debug, Default, Serialize)]
struct Asked {
    handles: Vec<String>,
    kubernetes: Vec<Request<crate::capability::kubernetes::RuleText>>,
    files: Vec<Request<crate::capability::files::FileText>>,
    credentials: Vec<Request<crate::capability::credentials::CredentialText>>,
    generate: Vec<Request<crate::capability::credentials::generate::GenerateText>>,
}

#[derive(Debug, Serialize)]
struct ImagePart {
    name: String,
    reference: String,
    digest: Digest,
    present: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ActionPart {
    name: String,
    by: &'static str,
    modifies: bool,
    stateless: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

/// What no component can, whatever it imports: there is no interface for it.
const NEVER: [&str; 5] = [
    "reach the network",
    "open files that you did not hand to it",
    "read your environment variables",
    "tell the time",
    "start processes",
];

impl Inspection {
    fn of(fetched: &Fetched, context: &Context) -> anyhow::Result<Self> {
        let (bundle, imports) = (fetched.bundle(), fetched.component().imports());
        let (requests, requests_fault) = match Requests::of(bundle) {
            Ok(requests) => (requests, None),
            Err(fault) => (Requests::default(), Some(fault.to_string())),
        };
        let trust = context.trust()?;
        let now = inputs::now();
        let refusal = trust.policy.decide(fetched, now).err();
        Ok(Self {
            digest: fetched.digest(),
            bundle: Named::of(bundle),
            trusted: refusal.is_none(),
            has_policy: !matches!(refusal, Some(Refusal::NoPolicy)),
            verdict: refusal.as_ref().map(verdict),
            reason: refusal.map(|refusal| refusal.to_string()),
            signatures: trust.policy.examine(fetched, now).into_iter().map(Into::into).collect(),
            component: ComponentPart::of(fetched),
            can: powers(imports),
            cannot: cannot(imports),
            unrequested_imports: unrequested(imports, &requests),
            unused_requests: unused(imports, &requests),
            unprovided_imports: unprovided(imports),
            inert: inert(imports),
            images: images(fetched),
            actions: actions(bundle, &requests),
            warnings: fetched.warnings().iter().map(ToString::to_string).collect(),
            requests: requests.into(),
            requests_fault,
        })
    }
}

impl Named {
    fn of(bundle: &Bundle) -> Self {
        Self {
            name: bundle.name().into(),
            version: bundle.version().to_string(),
            description: bundle.description().into(),
        }
    }
}

impl ComponentPart {
    fn of(fetched: &Fetched) -> Self {
        let component = fetched.component();
        let imports = component.imports();
        Self {
            digest: component.digest(),
            size: component.bytes().len(),
            imports: imports.0.keys().cloned().collect(),
            wasi: imports.starting_with("wasi:").map(Into::into).collect(),
        }
    }
}

impl From<Requests> for Asked {
    fn from(requests: Requests) -> Self {
        let Requests { handles, kubernetes, files, credentials, generate } = requests;
        Self { handles, kubernetes, files, credentials, generate }
    }
}

/// Why a bundle is refused, apart from what is wrong with each signature.
pub(super) fn verdict(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Signers { rule, threshold, found, .. } => {
            format!("rule `{rule}` wants {threshold} trusted, and {found} of the signatures count")
        }
        other => other.to_string(),
    }
}

/// What the component can call, the most dangerous first.
fn powers(imports: &Imports) -> Vec<Power> {
    let mut powers: Vec<_> = provided(imports).collect();
    powers.sort_by(|a, b| (a.level, &a.interface).cmp(&(b.level, &b.interface)));
    powers
}

fn provided(imports: &Imports) -> impl Iterator<Item = Power> {
    let power = |(name, functions): (&String, &BTreeSet<String>)| match provide(name, functions) {
        // An interface that only brings types lets the component do nothing.
        Provision::Provided(interface) if !functions.is_empty() => {
            Some(Power::of(name, functions, interface))
        }
        _ => None,
    };
    imports.0.iter().filter_map(power)
}

fn provide(name: &str, functions: &BTreeSet<String>) -> Provision {
    provision(name, functions.iter().map(String::as_str))
}

impl Power {
    fn of(name: &str, functions: &BTreeSet<String>, interface: &Interface) -> Self {
        Self {
            interface: name.into(),
            functions: functions.iter().cloned().collect(),
            danger: word(interface.risk),
            meaning: interface.meaning,
            level: interface.risk,
        }
    }
}

fn word(danger: Risk) -> &'static str {
    match danger {
        Risk::Reveals => "reveals",
        Risk::Removes => "removes",
        Risk::Changes => "changes",
        Risk::Places => "places",
        Risk::Reads => "reads",
        Risk::None => "harmless",
    }
}

/// What the component cannot do, because its binary names no function for it.
fn cannot(imports: &Imports) -> Vec<String> {
    let called = |interface: &Interface| {
        imports.0.iter().any(|(name, calls)| unversioned(name) == interface.name && !calls.is_empty())
    };
    let lacking = INTERFACES.iter().filter(|interface| !called(interface));
    lacking.filter_map(|interface| interface.without).chain(NEVER).map(Into::into).collect()
}

fn inert(imports: &Imports) -> Vec<(String, &'static str)> {
    let meaning = |(name, functions): (&String, &BTreeSet<String>)| match provide(name, functions) {
        Provision::Inert(meaning) => Some((name.clone(), meaning)),
        _ => None,
    };
    imports.0.iter().filter_map(meaning).collect()
}

fn images(fetched: &Fetched) -> Vec<ImagePart> {
    let images = fetched.bundle().images().iter();
    images
        .map(|(name, image)| ImagePart {
            name: name.clone(),
            reference: image.image.clone(),
            digest: image.digest,
            present: !fetched.absent_images().contains(name),
        })
        .collect()
}

fn actions(bundle: &Bundle, requests: &Requests) -> Vec<ActionPart> {
    let built_in = ["install", "upgrade", "uninstall"].map(|name| ActionPart {
        name: name.into(),
        by: if requests.handle(name) { "component" } else { "carnet" },
        modifies: true,
        stateless: false,
        description: usual(name, requests).into(),
    });
    let declared = bundle.actions().iter().map(|(name, action)| ActionPart {
        name: name.clone(),
        by: "component",
        modifies: action.modifies,
        stateless: action.stateless,
        description: action.description.clone(),
    });
    built_in.into_iter().chain(declared).collect()
}

/// What carnet does where the component does not carry out a built-in action itself.
fn usual(action: &str, requests: &Requests) -> &'static str {
    match action {
        _ if requests.handle(action) => "",
        "upgrade" => "runs install, then removes what is no longer applied",
        "uninstall" => "removes what was applied, without running anything of the bundle",
        _ => "",
    }
}
