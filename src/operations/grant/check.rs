//! Whether grants cover what a bundle requests.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::parameters::{self, RecordedValues};
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched};
use crate::grant::{Consent, Shortfall, Ungranted, shortfall};
use crate::operations::{Bundles, Deferred, Document, Error, Parameters};
use crate::reference::Reference;
use crate::text::CommandLine;

/// A request to check grants against a bundle.
#[derive(Debug)]
pub struct GrantCheckRequest {
    /// Where the bundle is.
    pub reference: Reference,
    /// The name that the installation would have; the bundle's where none is given.
    pub name: Option<String>,
    /// The namespace that it would have.
    pub namespace: String,
    /// The grants to check.
    pub consent: Deferred<Consent>,
    /// The parameters that it would get.
    pub parameters: Deferred<Parameters>,
}

/// Whether grants cover what a bundle requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GrantCheck {
    /// The digest of the bundle.
    pub digest: Digest,
    /// Whether of everything that the bundle cannot do without at least a part is granted, so that a run starts.
    pub covered: bool,
    /// The lines that would grant what is missing for that.
    pub missing: Vec<CommandLine>,
    /// The lines that would grant the rest of what is granted in part. A plan that does any of it is not carried out.
    pub partial: Vec<CommandLine>,
    /// The lines that would grant optional requests.
    pub optional: Vec<CommandLine>,
}

impl Document for GrantCheck {
    const KIND: &'static str = "GrantCheck";
}

/// Checks whether grants cover what a bundle requests. A missing grant is a result, not an error. The bundle need not
/// be trusted; nothing of it runs.
///
/// # Errors
/// [`Error`] when the bundle cannot be fetched, or grants or parameters cannot be used for it.
pub async fn check(request: &GrantCheckRequest, bundles: &Bundles) -> Result<GrantCheck, Error> {
    let fetched = bundles.fetched(&request.reference).await?;
    let (bundle, digest) = (fetched.bundle(), fetched.digest());
    let grant = request.consent.get()?.grant(digest, &Requests::of(bundle).map_err(Shortfall::from)?)?;
    let component = fetched.component().map_err(|fault| FetchError::Component(fault.clone()))?;
    match shortfall(bundle, component, &grant, &request.names(&fetched)?) {
        Ok(Ungranted { required: partial, optional }) => {
            Ok(GrantCheck { digest, covered: true, missing: Vec::new(), partial, optional })
        }
        Err(Shortfall::Missing(missing)) => {
            Ok(GrantCheck { digest, covered: false, missing, partial: Vec::new(), optional: Vec::new() })
        }
        Err(other) => Err(other.into()),
    }
}

impl GrantCheckRequest {
    /// The values of placeholders `${…}` in requests and grants.
    fn names(&self, fetched: &Fetched) -> Result<Names, Error> {
        let bundle = fetched.bundle();
        let given = self.parameters.get()?.read(bundle)?;
        let resolved = parameters::resolve(bundle, "install", &given, RecordedValues::Nothing)?;
        let name = self.name.as_deref().unwrap_or_else(|| bundle.name());
        Ok(Names::of(name, &self.namespace, &resolved))
    }
}
