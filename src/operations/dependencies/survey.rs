//! Looks through all that a bundle depends on before any of it is installed: what is there, what would do, whether it is trusted
//! and whether enough is granted to it.

use std::pin::Pin;

use crate::bundle::Bundle;
use crate::bundle::dependencies::{self, Dependency};
use crate::bundle::parameters::{self, RecordedValues};
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::grant::{Consent, Shortfall, shortfall};
use crate::operations::{
    Deferred, DependencyError, DependencyRequest, Error, InstallationRequest, Parameters, Services,
};
use crate::reference::Reference;
use crate::state::{Installation, State};
use crate::text::CommandLine;
use crate::verify::Verified;

use super::{MAX_BUNDLES, MAX_DEPTH, find, repository, wanted};

/// A dependency of a bundle, and what is to be done for it.
pub(super) struct Needed {
    /// Its name, behind those of the bundles that need it.
    pub(super) path: String,
    /// Its name in the bundle.
    pub(super) name: String,
    /// What will do.
    pub(super) dependency: Dependency,
    /// The installation that it is, or is to be.
    pub(super) installation: String,
    /// The bundle that is to be installed, by its digest. None: what is there will do.
    pub(super) change: Option<Reference>,
    /// What its own bundle depends on, if that is to be installed.
    pub(super) dependencies: Vec<Self>,
}

/// Who needs something.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) installation: &'a str,
    pub(super) bundle: &'a Bundle,
    /// Where its bundle is.
    pub(super) reference: &'a Reference,
    /// Its name, behind those of the bundles that need it; empty for the one that was asked for.
    path: &'a str,
    /// The places of the bundles above it.
    above: &'a [String],
}

/// A look through all that a bundle depends on.
pub(super) struct Survey<'a> {
    pub(super) request: &'a InstallationRequest,
    pub(super) services: &'a Services<'a>,
    /// The namespace of all of them, if it is known by now.
    pub(super) namespace: Option<String>,
    /// The names of all that were found.
    pub(super) known: Vec<String>,
    /// The names of those that are there: what they need themselves is not looked for.
    pub(super) settled: Vec<String>,
    /// The flags that would grant what is missing.
    pub(super) missing: Vec<CommandLine>,
}

/// What is in the place of a dependency.
pub(super) enum Standing {
    /// Nothing.
    Free,
    /// An earlier version that was made for the same, and that another version may follow.
    Outdated,
    /// It was begun for the same, with this bundle.
    Unfinished(Reference),
    /// What will do.
    WillDo(Box<Installation>),
}

impl<'a> Owner<'a> {
    pub(super) fn asked_for(installation: &'a str, verified: &'a Verified) -> Self {
        let reference = verified.fetched().reference();
        Self { installation, bundle: verified.bundle(), reference, path: "", above: &[] }
    }
}

impl Survey<'_> {
    /// Whether there may be a dependency of this name: the same command finishes what it began, of which parts are there.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let is_below =
            |path: &String| name.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/'));
        self.known.iter().any(|known| known == name) || self.settled.iter().any(is_below)
    }

    /// All that a bundle depends on, the first to be installed first.
    pub(super) fn of<'b>(
        &'b mut self,
        owner: Owner<'b>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Needed>, Error>> + Send + 'b>> {
        Box::pin(async move {
            let dependencies = dependencies::of(owner.bundle).map_err(DependencyError::Invalid)?;
            let mut needed = Vec::new();
            for name in dependencies.order() {
                let Some(dependency) = dependencies.requires.get(name) else { continue };
                needed.push(self.one(owner, name, dependency).await?);
            }
            Ok(needed)
        })
    }

    async fn one(&mut self, owner: Owner<'_>, name: &str, dependency: &Dependency) -> Result<Needed, Error> {
        let path = if owner.path.is_empty() { name.to_owned() } else { format!("{}/{name}", owner.path) };
        self.known.push(path.clone());
        if self.known.len() > MAX_BUNDLES || owner.above.len() >= MAX_DEPTH {
            return Err(DependencyError::TooMany { bundles: MAX_BUNDLES, depth: MAX_DEPTH }.into());
        }
        let place = repository(dependency).to_owned();
        let above = [owner.above, std::slice::from_ref(&place)].concat();
        if owner.above.contains(&place) {
            return Err(DependencyError::Cycle(above).into());
        }
        let installation = self.request.installation_of(owner.installation, name, &path);
        let standing =
            standing(self.services.state(), owner.installation, (name, dependency), &installation)?;
        let mut needed = Needed {
            name: name.into(),
            dependency: dependency.clone(),
            installation,
            change: None,
            dependencies: Vec::new(),
            path,
        };
        if matches!(standing, Standing::WillDo(_)) {
            self.settled.push(needed.path.clone());
        } else {
            let found = self.found(owner.reference, &mut needed, standing, &above).await;
            found.map_err(|error| needed.failed(error))?;
        }
        Ok(needed)
    }

    /// Finds and verifies the bundle of a dependency, and looks through what that depends on.
    async fn found(
        &mut self,
        beside: &Reference,
        needed: &mut Needed,
        standing: Standing,
        above: &[String],
    ) -> Result<(), Error> {
        let Needed { path, name, dependency, installation, .. } = &*needed;
        let none = DependencyRequest::default();
        let given = self.request.dependencies.get(path).unwrap_or(&none);
        let bundles = &self.services.bundles;
        let is_new = matches!(standing, Standing::Free);
        let reference = match (standing, &given.reference) {
            (Standing::Unfinished(begun), None) => begun,
            (_, Some(named)) => named.clone(),
            (_, None) => find(name, dependency, beside, &bundles.registries).await?,
        };
        let verified = bundles.verified(&reference, given.trust).await?;
        if !dependency.accepts(verified.bundle().version()) {
            return Err(DependencyError::OtherVersion {
                dependency: name.clone(),
                reference: reference.to_string(),
                found: verified.bundle().version().to_string(),
                wanted: wanted(dependency),
            }
            .into());
        }
        if is_new {
            let missing = self.missing(&verified, installation, &given.consent, &given.inputs.parameters)?;
            self.missing.extend(missing.iter().map(|line| line.within("--dependency", path)));
        }
        let found = verified.fetched().reference().clone();
        let owner = Owner { installation, bundle: verified.bundle(), reference: &found, path, above };
        let dependencies = self.of(owner).await?;
        needed.change = Some(found.clone().pinned(verified.digest()));
        needed.dependencies = dependencies;
        Ok(())
    }

    /// The flags that would grant what a bundle requires, as far as that can be told before anything is installed.
    pub(super) fn missing(
        &self,
        verified: &Verified,
        installation: &str,
        consent: &Deferred<Consent>,
        given: &Deferred<Parameters>,
    ) -> Result<Vec<CommandLine>, Error> {
        let Some(namespace) = self.namespace.clone() else { return Ok(Vec::new()) };
        let bundle = verified.bundle();
        let requests = Requests::of(bundle)?;
        let consent = consent.get()?;
        let grant = consent.grant(verified.digest(), &requests)?;
        // What comes from outputs of others is not known yet, so that a scope which it fills is looked at later.
        let given = given.get()?.read(bundle)?;
        let resolved =
            parameters::resolve(bundle, "install", &given, RecordedValues::Nothing).unwrap_or_default();
        let names = Names::of(installation, &namespace, &resolved);
        let component = verified
            .fetched()
            .component()
            .map_err(|fault| crate::fetch::FetchError::Component(fault.clone()))?;
        match shortfall(bundle, component, &grant, &names) {
            Err(Shortfall::Missing(mut missing)) => {
                missing.extend(consent.unsaid_guard(&requests));
                Ok(missing)
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Needed {
    /// An error of this dependency.
    pub(super) fn failed(&self, error: Error) -> Error {
        match error {
            // Of those further down it is said already which it is.
            Error::OfDependency { .. } => error,
            Error::Dependency(
                DependencyError::Cycle(_)
                | DependencyError::Occupied { .. }
                | DependencyError::TooMany { .. },
            ) => error,
            error => Error::OfDependency {
                dependency: self.path.clone(),
                installation: Some(self.installation.clone()),
                source: Box::new(error),
            },
        }
    }
}

/// What is in the place of a dependency of `owner`.
///
/// # Errors
/// [`DependencyError::Occupied`] where something is there that is neither what is needed nor may make way for it.
pub(super) fn standing(
    state: &State,
    owner: &str,
    (name, dependency): (&str, &Dependency),
    installation: &str,
) -> Result<Standing, Error> {
    let occupied = |why: String| {
        let (dependency, installation) = (name.to_owned(), installation.to_owned());
        Err(DependencyError::Occupied { dependency, installation, why }.into())
    };
    if installation == owner {
        return occupied("which is the one that needs it".into());
    }
    let found = state.find(installation)?.filter(|found| !found.is_deleted());
    let Some(found) = found else { return Ok(Standing::Free) };
    let settings = &found.settings;
    let version = settings.bundle_version.parse().ok();
    let will_do = version.is_some_and(|version| dependency.accepts(&version));
    let what = format!("{} {}", settings.bundle_name, settings.bundle_version);
    let is_own = settings.made_for.as_ref().is_some_and(|it| it.installation == owner);
    if !is_of(&found, dependency) {
        return occupied(format!("which is of another bundle: {what} from `{}`", settings.reference));
    }
    match (found.is_installed(), will_do, is_own) {
        (true, true, _) => Ok(Standing::WillDo(Box::new(found))),
        (true, false, true) => Ok(Standing::Outdated),
        (true, false, false) => {
            occupied(format!("which is {what} and was not made for it, and {} is wanted", wanted(dependency)))
        }
        (false, true, true) => match settings.reference.parse::<Reference>() {
            Ok(reference) => Ok(Standing::Unfinished(reference.pinned(settings.bundle))),
            Err(_) => Ok(Standing::Outdated),
        },
        (false, false, true) => Ok(Standing::Outdated),
        (false, _, false) => occupied("whose last run failed or is not at its end".into()),
    }
}

/// Whether an installation is one of the bundle that is needed: made for just that, or from there, or, where it came from a file,
/// of that name.
fn is_of(found: &Installation, dependency: &Dependency) -> bool {
    let place = repository(dependency);
    let settings = &found.settings;
    if settings.made_for.as_ref().is_some_and(|it| it.bundle == place) {
        return true;
    }
    match settings.reference.parse::<Reference>() {
        Ok(Reference::Registry(from)) => format!("{}/{}", from.host, from.repository) == place,
        _ => place.rsplit('/').next() == Some(settings.bundle_name.as_str()),
    }
}
