//! Fetches and verifies the bundle of a reference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::author::{self, Built};
use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched, fetch};
use crate::install::Approvals;
use crate::oci::registry::RegistryClient;
use crate::reference::{LayoutReference, Reference};
use crate::verify::{PlanToApprove, TrustPolicy, Verified, dangerously_unsigned};

use super::approve::Approval;
use super::{Error, Listener, Notice, TrustMode};

/// How bundles are fetched, and the policy that they are verified by.
pub struct Bundles {
    /// The trust policy, or why there is none that can be used. It is used only where a bundle is verified.
    pub policy: Result<TrustPolicy, Arc<dyn std::error::Error + Send + Sync>>,
    /// The machine's own policy, which no other can widen. None: there is none. It is part of `policy` as well, and is
    /// looked at alone where that cannot be used.
    pub machine: Result<Option<TrustPolicy>, Arc<dyn std::error::Error + Send + Sync>>,
    /// The time, which windows of trust are compared with.
    pub now: Timestamp,
    /// Where a source directory is built for inspection.
    pub scratch: PathBuf,
    /// The registries that references may name.
    pub registries: Arc<RegistryClient>,
    /// Receives events about a bundle.
    pub listener: Arc<dyn Listener>,
}

impl Bundles {
    /// The trust policy.
    ///
    /// # Errors
    /// [`Error::Policy`] when it cannot be used.
    pub fn policy(&self) -> Result<&TrustPolicy, Error> {
        self.policy.as_ref().map_err(|error| Error::Policy(Arc::clone(error)))
    }

    /// The approvals that are at hand, and the policy that may demand some. A policy of the user's that cannot be read
    /// demands nothing: whoever can write it could take its demands out as well. The machine's has to be readable.
    ///
    /// # Errors
    /// [`Error::Policy`] when the machine's cannot be used.
    pub(super) fn approvals(&self, given: &[Approval]) -> Result<Approvals, Error> {
        let policy = match (&self.policy, &self.machine) {
            (_, Err(error)) => return Err(Error::Policy(Arc::clone(error))),
            (Ok(policy), _) => Some(policy.clone()),
            (Err(_), Ok(machine)) => machine.clone(),
        };
        let given = given.iter().map(Approval::given).collect();
        Ok(Approvals::new(policy.map(Arc::new), given, self.now))
    }

    /// The policy's demands before a plan is carried out, a sentence for each rule.
    ///
    /// # Errors
    /// [`Error::Policy`] when the machine's cannot be used.
    pub fn demands(&self, plan: &PlanToApprove) -> Result<Vec<String>, Error> {
        Ok(self.approvals(&[])?.demands(plan))
    }

    /// Fetches a bundle. A source directory is built first, into a place that is gone afterwards.
    ///
    /// # Errors
    /// [`Error::Fetch`], or [`Error::Author`] with what is wrong with the source.
    pub async fn fetched(&self, reference: &Reference) -> Result<Fetched, Error> {
        let fetched = match fetch(reference, &self.registries).await {
            Err(FetchError::Source(directory)) => self.built(&directory).await?,
            fetched => fetched?,
        };
        for warning in fetched.warnings() {
            self.listener.told(&Notice::Ignored(warning.to_string()));
        }
        Ok(fetched)
    }

    /// Fetches a bundle and admits it.
    ///
    /// # Errors
    /// As [`fetched`](Self::fetched), and [`Error::Refused`].
    pub async fn verified(&self, reference: &Reference, trust: TrustMode) -> Result<Verified, Error> {
        let fetched = self.fetched(reference).await?;
        self.admitted(fetched, trust)
    }

    /// Builds a source directory, and lets it pass unsigned for who is developing it.
    ///
    /// # Errors
    /// [`Error::NotASource`] for any other bundle, and as [`verified`](Self::verified).
    pub(super) async fn developed(&self, reference: &Reference) -> Result<Verified, Error> {
        // Nothing else can be one, so nobody is asked for it.
        if !matches!(reference, Reference::Path(_)) {
            return Err(Error::NotASource(reference.to_string()));
        }
        match fetch(reference, &self.registries).await {
            Err(FetchError::Source(directory)) => {
                let verified =
                    self.admitted(self.built(&directory).await?, TrustMode::DangerouslyUnsigned)?;
                self.listener.told(&Notice::Development);
                Ok(verified)
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err(Error::NotASource(reference.to_string())),
        }
    }

    /// Verifies a fetched bundle, or, where the caller says so, lets it pass unsigned. A policy that cannot be read
    /// stops both: it might refuse this very bundle.
    ///
    /// # Errors
    /// [`Error::Refused`], and [`Error::Policy`] where there is no usable trust policy.
    pub fn admitted(&self, fetched: Fetched, trust: TrustMode) -> Result<Verified, Error> {
        match trust {
            TrustMode::ByPolicy => Ok(self.policy()?.verify(fetched, self.now)?),
            TrustMode::DangerouslyUnsigned => {
                self.listener.told(&Notice::Unsigned(fetched.digest()));
                Ok(dangerously_unsigned(fetched, self.policy()?)?)
            }
        }
    }

    /// Builds a source directory into a layout that is gone when the handle is.
    ///
    /// # Errors
    /// [`Error::Author`], and [`Error::Scratch`] when there is no place for temporary files.
    pub(super) async fn build(&self, directory: &Path) -> Result<(TempDir, Built), Error> {
        self.listener.told(&Notice::Building(directory.to_owned()));
        let layout = self.temporary().map_err(Error::Scratch)?;
        let built = author::build(directory, layout.path(), None).await?;
        Ok((layout, built))
    }

    /// A fetched bundle holds all of its bytes, so the layout need not outlive this.
    async fn built(&self, directory: &Path) -> Result<Fetched, Error> {
        let (layout, built) = self.build(directory).await?;
        for fault in &built.warnings {
            self.listener.told(&Notice::Fault(fault.to_string()));
        }
        Ok(fetch(&in_layout(layout.path(), built.digest), &self.registries).await?)
    }

    fn temporary(&self) -> std::io::Result<TempDir> {
        #[expect(clippy::disallowed_methods, reason = "the place was handed in")]
        tempfile::tempdir_in(&self.scratch)
    }
}

fn in_layout(directory: &Path, digest: Digest) -> Reference {
    Reference::Layout(LayoutReference { directory: directory.to_owned(), tag: None, digest: Some(digest) })
}
