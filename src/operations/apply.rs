//! Carries out a plan that was made earlier, and no other.

use crate::fetch::Fetched;
use crate::grant::LoweredGuard;
use crate::install::{self, Outcome};
use crate::plan::Plan;
use crate::reference::Reference;
use crate::state::Installation;
use crate::targets::Place;
use crate::targets::directory::Secrets;

use super::act::{Attempt, Ready};
use super::decided::{EarlierDecisions, check_parameters};
use super::places::Located;
use super::{Error, InstallationRequest, Services, undo};

/// Carries out a plan. The bundle is fetched from where the plan says, or from `reference`; it must be the one that was
/// planned. Whoever hands over a plan has confirmed it. Of the request, only credentials, secret parameters and how the
/// change is carried out count.
///
/// # Errors
/// [`Error`], by stage; [`install::Error::Stale`] when the plan made now differs from it.
pub async fn apply(
    plan: &Plan,
    reference: Option<&Reference>,
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    let decided = EarlierDecisions::by_plan(plan);
    check_parameters(&decided.secret_parameters, &request.inputs.parameters)?;
    let fetched = fetched(plan, reference, services).await?;
    if fetched.digest() != plan.bundle.digest {
        let found = format!("bundle: {} was planned, now it is {}", plan.bundle.digest, fetched.digest());
        return Err(stale(plan, found).into());
    }
    let verified = services.bundles.admitted(fetched, request.trust)?;
    let earlier = services.state().find(&plan.installation.name)?;
    check_still(&plan.action, &plan.installation.name, earlier.as_ref())
        .map_err(|found| stale(plan, found))?;
    let located =
        Located { place: place(plan, request)?, namespace: Some(plan.installation.namespace.clone()) };
    let mut attempt = Attempt::new(&plan.action, request);
    attempt.change.confirmed = true;
    let attempt = Attempt { reference: plan.inputs.reference.clone(), decided: Some(decided), ..attempt };
    undo::run(Ready { attempt, verified: Some(verified), located }, services).await
}

/// The bundle from where it is named, or else from where the plan says.
async fn fetched(
    plan: &Plan,
    reference: Option<&Reference>,
    services: &Services<'_>,
) -> Result<Fetched, Error> {
    if let Some(named) = reference {
        return services.bundles.fetched(&named.clone().pinned(plan.bundle.digest)).await;
    }
    let planned: Reference = plan.inputs.reference.parse().map_err(Error::PlanReference)?;
    let fetched = services.bundles.fetched(&planned.pinned(plan.bundle.digest)).await;
    fetched.map_err(|error| match error {
        Error::Fetch(source) => Error::PlanBundle { reference: plan.inputs.reference.clone(), source },
        other => other,
    })
}

/// Where a plan goes; the request says how its cluster is reached from here.
fn place(plan: &Plan, request: &InstallationRequest) -> Result<Place, Error> {
    let is_plain = plan.inputs.dangers.contains(&LoweredGuard::PlainSecrets);
    let secrets = if is_plain { Secrets::Plain } else { Secrets::Omit };
    let place = Place::of_plan(&plan.target).map_err(Error::PlanPlace)?;
    let (kubeconfig, context) = (request.access.kubeconfig.clone(), request.access.context.clone());
    Ok(place.with_secrets(secrets).reached_by(kubeconfig, context))
}

/// A plan is one of an install or an upgrade, and which of both is to be done must not have changed.
fn check_still(action: &str, name: &str, earlier: Option<&Installation>) -> Result<(), String> {
    let is_installed = earlier.is_some_and(Installation::is_installed);
    if is_installed == (action == "upgrade") {
        return Ok(());
    }
    let now = if is_installed { "is there by now" } else { "is not there, or its last run failed" };
    Err(format!("{action} was planned, and `{name}` {now}"))
}

fn stale(plan: &Plan, found: String) -> install::Error {
    install::Error::Stale { departures: vec![found], again: plan.again() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn a_plan_is_stale_where_another_action_is_to_be_done_by_now() {
        let (there, failed) = (ended("install", "succeeded"), ended("install", "failed"));
        let gone = ended("uninstall", "succeeded");
        assert!(check_still("upgrade", "web", Some(&there)).is_ok());
        for earlier in [None, Some(&failed), Some(&gone)] {
            assert!(check_still("install", "web", earlier).is_ok());
            let found = check_still("upgrade", "web", earlier).unwrap_err();
            assert_eq!(found, "upgrade was planned, and `web` is not there, or its last run failed");
        }
        let found = check_still("install", "web", Some(&there)).unwrap_err();
        assert_eq!(found, "install was planned, and `web` is there by now");
    }
}
