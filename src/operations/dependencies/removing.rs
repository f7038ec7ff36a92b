//! Removes an installation with those that were made for it, and keeps what others need.

use std::pin::Pin;

use crate::install::Outcome;
use crate::operations::act::Attempt;
use crate::operations::{DependencyError, Error, InstallationRequest, Notice, Services, undo};
use crate::state::{Installation, State, StateError};

use super::MAX_DEPTH;

/// The installations that need another one.
pub(super) fn needed_by(state: &State, name: &str) -> Result<Vec<String>, Error> {
    // A record that somebody spoiled needs nothing that could be told.
    let installations = state.readable(false)?.readable;
    let needs = |it: &Installation| {
        it.name != name
            && !it.is_deleted()
            && it.settings.requires.iter().any(|required| required.installation == name)
    };
    Ok(installations.into_iter().filter(needs).map(|it| it.name).collect())
}

/// Checks that nobody needs an installation that is to go.
///
/// # Errors
/// [`DependencyError::Needed`] with the names of those who do.
pub(in crate::operations) fn check_needed(state: &State, name: &str) -> Result<(), Error> {
    let by = needed_by(state, name)?;
    if by.is_empty() { Ok(()) } else { Err(DependencyError::Needed { name: name.into(), by }.into()) }
}

/// Removes an installation, and then what was made for it and nobody else needs, the last first. What an earlier run
/// of the same has removed already is passed over.
///
/// # Errors
/// [`Error`], by stage; what was removed before is on record as such.
pub(in crate::operations) async fn removed_with_dependencies(
    request: &InstallationRequest,
    services: &Services<'_>,
) -> Result<Outcome, Error> {
    let mut removed = removed(request, services, 0).await?.into_iter();
    let first = removed.next().ok_or_else(|| StateError::Missing(request.name.clone()))?;
    Ok(Outcome { dependencies: removed.collect(), ..first })
}

fn removed<'a>(
    request: &'a InstallationRequest,
    services: &'a Services<'a>,
    depth: usize,
) -> Pin<Box<dyn Future<Output = Result<Vec<Outcome>, Error>> + Send + 'a>> {
    Box::pin(async move {
        let mut outcomes = Vec::new();
        let found = services.state().find(&request.name)?;
        if found.as_ref().is_some_and(|found| !found.is_deleted()) {
            check_needed(services.state(), &request.name)?;
            let ready = Attempt::new("uninstall", request).on_installation(services).await?;
            outcomes.push(undo::run(ready, services).await?);
        }
        if depth >= MAX_DEPTH {
            return Ok(outcomes);
        }
        for made in made_for(services.state(), &request.name, found.as_ref())? {
            check_seen(&made, request.change.confirmed)?;
            let name = made.name;
            let by = needed_by(services.state(), &name)?;
            if !by.is_empty() {
                services.tell(&Notice::DependencyKept { installation: name, by });
                continue;
            }
            let below = of_dependency(request, &name);
            outcomes.extend(removed(&below, services, depth + 1).await?);
        }
        Ok(outcomes)
    })
}

/// What was made for an installation and is still there, in the reverse of the order in which it was needed.
fn made_for(state: &State, name: &str, owner: Option<&Installation>) -> Result<Vec<Installation>, Error> {
    let order = owner.map(|owner| owner.settings.requires.as_slice()).unwrap_or_default();
    let at = |made: &Installation| order.iter().position(|required| required.installation == made.name);
    let is_made = |it: &Installation| {
        it.settings.made_for.as_ref().is_some_and(|made| made.installation == name) && !it.is_deleted()
    };
    let mut made: Vec<_> = state.list()?.into_iter().filter(is_made).collect();
    made.sort_by_key(|made| std::cmp::Reverse(at(made)));
    Ok(made)
}

/// Whoever can write the record of an installation could have it removed with another. So somebody looks at its plan, or
/// names it.
fn check_seen(made: &Installation, is_confirmed: bool) -> Result<(), Error> {
    if made.is_shared() && is_confirmed {
        return Err(DependencyError::Shared(made.name.clone()).into());
    }
    Ok(())
}

/// Its own record says where it is. Nothing that is granted to the one that needed it is granted to it.
fn of_dependency(request: &InstallationRequest, name: &str) -> InstallationRequest {
    InstallationRequest {
        namespace: request.namespace.clone(),
        access: request.access.clone(),
        change: request.change.clone(),
        ..InstallationRequest::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn what_others_may_have_written_removes_nothing_unseen() {
        let own = ended("install", "succeeded");
        assert!(check_seen(&own, true).is_ok() && check_seen(&own, false).is_ok());
        let shared = own.shared();
        assert!(check_seen(&shared, false).is_ok());
        let told = check_seen(&shared, true).unwrap_err().to_string();
        assert!(told.starts_with("`web` is recorded where others can write"), "{told}");
    }
}
