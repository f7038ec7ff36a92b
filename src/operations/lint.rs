//! Checks a bundle or a document against the rules, and lists every fault.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::author::{bundle_faults, component_faults, request_faults, source_faults};
use crate::bundle::{CnabKind, Fault, FaultSeverity, Whole, lint_as};
use crate::capability::Requests;
use crate::fetch::{FetchError, fetch};
use crate::grant::spec::GrantFile;
use crate::oci::registry::RegistryClient;
use crate::reference::Reference;
use crate::verify::TrustPolicy;

use super::{Document, Error};

/// The faults of a bundle or document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Lint {
    /// The faults, in the order of the document.
    pub faults: Vec<LintFault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LintFault {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// The fault, as a sentence.
    pub what: String,
    /// The rule that is broken.
    pub rule: String,
    /// Its severity.
    pub severity: LintSeverity,
    /// The line of `carnet.yaml`, from 1, if it is a fault of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// The severity of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LintSeverity {
    /// An error: the document cannot be used.
    Error,
    /// A warning.
    Warning,
}

/// A kind of document that is read by rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintKind {
    /// A document that CNAB specifies.
    Cnab(CnabKind),
    /// A grant.
    Grant,
    /// A trust policy.
    TrustPolicy,
}

impl Document for Lint {
    const KIND: &'static str = "Lint";
}

/// Checks a bundle, or a source directory as the bundle that would be made of it.
///
/// # Errors
/// [`Error`] when it cannot be fetched, or a file of the source directory cannot be read.
pub async fn lint(reference: &Reference, registries: &Arc<RegistryClient>) -> Result<Lint, Error> {
    let faults = match fetch(reference, registries).await {
        Err(FetchError::Source(directory)) => source_faults(&directory)?,
        fetched => {
            let fetched = fetched?;
            let mut faults = bundle_faults(fetched.bundle().bytes());
            if fetched.is_opaque() {
                return Ok(faults.into());
            }
            let component = fetched.component().map_err(|fault| FetchError::Component(fault.clone()))?;
            faults.extend(request_faults(fetched.bundle().bytes()));
            if let Ok(requests) = Requests::of(fetched.bundle()) {
                faults.extend(component_faults(component, &requests));
            }
            faults
        }
    };
    Ok(faults.into())
}

/// Checks one document, which belongs to another if that is known.
pub fn lint_document(kind: LintKind, text: &str, whole: &Whole) -> Lint {
    let whole_text =
        |error: &(dyn StdError + 'static), rule| Lint { faults: vec![LintFault::whole(error, rule)] };
    let sound = || Lint { faults: Vec::new() };
    match kind {
        LintKind::Cnab(kind) => lint_as(kind, text.as_bytes(), whole).into(),
        LintKind::Grant => GrantFile::parse(text, Path::new(""))
            .map_or_else(|error| whole_text(&error, "Grant of carnet.dev/v1alpha1"), |_| sound()),
        LintKind::TrustPolicy => TrustPolicy::parse(text)
            .map_or_else(|error| whole_text(&error, "TrustPolicy of carnet.dev/v1alpha1"), |_| sound()),
    }
}

impl Lint {
    /// How many faults are errors.
    pub fn errors(&self) -> usize {
        self.faults.iter().filter(|fault| fault.severity == LintSeverity::Error).count()
    }
}

impl LintFault {
    /// A document that could not be read as what it should be. A cause that repeats its effect is left out.
    pub(super) fn whole(error: &(dyn StdError + 'static), rule: &str) -> Self {
        let causes =
            std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source());
        let mut texts: Vec<_> = causes.map(ToString::to_string).collect();
        texts.dedup();
        let severity = LintSeverity::Error;
        Self { pointer: String::new(), what: texts.join(": "), rule: rule.into(), severity, line: None }
    }
}

impl From<Vec<Fault>> for Lint {
    fn from(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into_iter().map(Into::into).collect() }
    }
}

impl From<Fault> for LintFault {
    fn from(fault: Fault) -> Self {
        let severity = match fault.severity {
            FaultSeverity::Error => LintSeverity::Error,
            FaultSeverity::Warning => LintSeverity::Warning,
        };
        Self { pointer: fault.pointer, what: fault.what, rule: fault.rule.into(), severity, line: fault.line }
    }
}
