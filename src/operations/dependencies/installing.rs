//! Installs and upgrades what a bundle depends on, and then the bundle.

use std::pin::Pin;

use crate::bundle::dependencies;
use crate::grant::Shortfall;
use crate::install::{Mode, Outcome};
use crate::operations::act::{Attempt, Ready, on_bundle};
use crate::operations::{
    DependencyError, DependencyRequest, Error, InstallRequest, InstallationRequest, Notice, RequestedPlace,
    Services, undo,
};
use crate::reference::Reference;
use crate::state::{Installation, MadeFor, RequiredInstallation};

use super::repository;
use super::survey::{Needed, Owner, Standing, Survey, standing};

/// Carries out an install or upgrade, after those of all that its bundle depends on.
pub(in crate::operations) async fn with_dependencies(
    mut ready: Ready<'_>,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    let request = ready.attempt.request;
    let earlier = services.state().find(&request.name)?;
    let Some(verified) =
        ready.verified.as_ref().filter(|_| is_possible(ready.attempt.action, earlier.as_ref()))
    else {
        return undo::run(ready, services).await;
    };
    let has_any = verified.bundle().custom(dependencies::DEPENDENCIES).is_some();
    if !has_any && request.dependencies.is_empty() {
        ready.attempt.requires = Some(Vec::new());
        return undo::run(ready, services).await;
    }
    let namespace = ready.located.namespace_before().or_else(|| request.namespace.clone());
    let mut survey =
        Survey { request, services, namespace, known: Vec::new(), settled: Vec::new(), missing: Vec::new() };
    let needed = survey.of(Owner::asked_for(&request.name, verified)).await?;
    let unknown = request.dependencies.keys().find(|name| !survey.may_have(name));
    if let Some(name) = unknown {
        return Err(DependencyError::Unknown { name: name.clone(), known: survey.known }.into());
    }
    check_grants(&survey, &ready, earlier.as_ref())?;
    let installing = Installing { request, services, ready: &ready };
    let (requires, outcomes) = installing.all(&needed, &request.name).await?;
    let left = earlier.map(|earlier| earlier.settings.requires).unwrap_or_default();
    for RequiredInstallation { dependency, installation } in left {
        if !requires.iter().any(|it| it.installation == installation) {
            services.tell(&Notice::DependencyLeft { dependency, installation });
        }
    }
    ready.attempt.requires = Some(requires);
    let outcome = undo::run(ready, services).await?;
    Ok(Outcome { dependencies: outcomes, ..outcome })
}

/// Whether the action can be done at all. Where it cannot, nothing is done for it before.
fn is_possible(action: &str, earlier: Option<&Installation>) -> bool {
    match action {
        "install" => !earlier.is_some_and(Installation::is_installed),
        _ => earlier.is_some_and(|earlier| !earlier.is_deleted()),
    }
}

/// Says all that is not granted, before anything is installed.
fn check_grants(survey: &Survey<'_>, ready: &Ready<'_>, earlier: Option<&Installation>) -> Result<(), Error> {
    let is_new = earlier.is_none_or(Installation::is_deleted);
    let request = ready.attempt.request;
    let own = match &ready.verified {
        Some(verified) if is_new => {
            survey.missing(verified, &request.name, &ready.attempt.consent, &request.inputs.parameters)?
        }
        _ => Vec::new(),
    };
    match (own.is_empty(), survey.missing.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => Err(Shortfall::Missing(own).into()),
        _ => Err(DependencyError::Missing([own, survey.missing.clone()].concat()).into()),
    }
}

/// Installs what a bundle depends on.
struct Installing<'a> {
    request: &'a InstallationRequest,
    services: &'a Services<'a>,
    ready: &'a Ready<'a>,
}

type Installed = (Vec<RequiredInstallation>, Vec<Outcome>);

impl Installing<'_> {
    /// All that one installation needs, in their order.
    fn all<'b>(
        &'b self,
        needed: &'b [Needed],
        owner: &'b str,
    ) -> Pin<Box<dyn Future<Output = Result<Installed, Error>> + Send + 'b>> {
        Box::pin(async move {
            let (mut requires, mut outcomes) = (Vec::new(), Vec::new());
            for needed in needed {
                outcomes.extend(self.one(needed, owner).await.map_err(|error| needed.failed(error))?);
                requires.push(RequiredInstallation {
                    dependency: needed.name.clone(),
                    installation: needed.installation.clone(),
                });
            }
            Ok((requires, outcomes))
        })
    }

    async fn one(&self, needed: &Needed, owner: &str) -> Result<Option<Outcome>, Error> {
        let Needed { name, path, dependency, installation, .. } = needed;
        // Another that is needed may be the same one, and be there by now.
        let standing = standing(self.services.state(), owner, (name, dependency), installation)?;
        let is_new = matches!(standing, Standing::Free);
        if let Standing::WillDo(there) = standing {
            let bundle = format!("{} {}", there.settings.bundle_name, there.settings.bundle_version);
            let (dependency, installation) = (path.clone(), installation.clone());
            self.services.tell(&Notice::DependencyThere { dependency, installation, bundle });
            return Ok(None);
        }
        let Some(reference) = &needed.change else {
            return Err(DependencyError::NotThere(path.clone()).into());
        };
        if !is_new {
            self.check_unneeded(installation, owner)?;
        }
        let (requires, below) = self.all(&needed.dependencies, installation).await?;
        self.services.tell(&Notice::DependencyWanted {
            dependency: path.clone(),
            installation: installation.clone(),
            reference: reference.to_string(),
        });
        let request = self.request_of(needed, reference);
        let ready = on_bundle(None, &request, Mode::Act, self.services).await?;
        let made_for = MadeFor { installation: owner.into(), bundle: repository(dependency).into() };
        let attempt = Attempt { requires: Some(requires), made_for: Some(made_for), ..ready.attempt };
        let outcome = undo::run(Ready { attempt, ..ready }, self.services).await?;
        Ok(Some(Outcome { dependencies: below, ..outcome }))
    }

    /// What others need is not changed for the sake of one.
    fn check_unneeded(&self, installation: &str, owner: &str) -> Result<(), Error> {
        let mut by = super::removing::needed_by(self.services.state(), installation)?;
        by.retain(|other| other != owner);
        if by.is_empty() {
            Ok(())
        } else {
            Err(DependencyError::Needed { name: installation.into(), by }.into())
        }
    }

    fn request_of(&self, needed: &Needed, reference: &Reference) -> InstallRequest {
        let InstallationRequest { access, own_word, rollback_on_failure, .. } = self.request;
        let given = self.request.dependencies.get(&needed.path).cloned();
        let DependencyRequest { consent, inputs, trust, .. } = given.unwrap_or_default();
        let located = &self.ready.located;
        let installation = InstallationRequest {
            namespace: located.namespace.clone().or_else(|| self.request.namespace.clone()),
            access: access.clone(),
            own_word: crate::operations::OwnWord { bundle: None, ..own_word.clone() },
            consent,
            inputs,
            trust,
            change: self.ready.attempt.change.clone(),
            rollback_on_failure: *rollback_on_failure,
            ..InstallationRequest::new(&needed.installation)
        };
        let destination =
            RequestedPlace { named: Some(located.place.clone()).into(), ..RequestedPlace::default() };
        InstallRequest { reference: reference.clone(), destination, installation, for_development: false }
    }
}
