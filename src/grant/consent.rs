//! Consent: an operator's grant files and flags, and the grant of the last run, combined.

use crate::capability::Requests;
use crate::digest::Digest;

use super::denial::Shortfall;
use super::spec::{GrantFile, GrantSpec};

/// The operator's consent.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// Grant files.
    pub documents: Vec<GrantFile>,
    /// Flags, and terms kept from the installation's last run.
    pub terms: GrantSpec,
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
    pub fn terms(&self, bundle: Digest, requests: &Requests) -> Result<GrantSpec, Shortfall> {
        let mut terms = GrantSpec::default();
        for document in &self.documents {
            let pinned = document.spec.bundle;
            if pinned != bundle {
                return Err(Shortfall::Pinned { name: document.metadata.name.clone(), pinned, bundle });
            }
            terms.add(document.spec.clone().into())?;
        }
        terms.add(self.terms.clone())?;
        let terms = match self.approve {
            Some(approved) if approved != bundle => return Err(Shortfall::Approved { approved, bundle }),
            Some(_) => approving(terms, requests),
            None => terms,
        };
        self.check(&terms)?;
        Ok(terms)
    }

    /// Makes the checks that all terms pass, whoever wrote them: the operator, the author whose requests are approved,
    /// or an earlier run whose grant is carried over.
    ///
    /// # Errors
    /// [`Shortfall`] for a bare `*`.
    pub fn check(&self, terms: &GrantSpec) -> Result<(), Shortfall> {
        if self.dangerous_wildcards { Ok(()) } else { Ok(terms.check_bounded()?) }
    }
}

/// All that is requested. A file still has to be bound to a path by the operator.
fn approving(mut terms: GrantSpec, requests: &Requests) -> GrantSpec {
    terms.kubernetes.extend(requests.kubernetes.iter().map(|request| request.text.clone()));
    terms.credentials.extend(requests.credentials.iter().map(|request| request.text.clone()));
    terms.generate.extend(requests.generate.iter().map(|request| request.text.clone()));
    terms
}
