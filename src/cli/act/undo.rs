//! `--rollback-on-failure`: after a run that failed, back to what was there.

use crate::cli::Context;
use crate::install::{self, Mode};
use crate::state::{Revision, State};

use super::{Asked, on_installation, on_revision};

/// A run failed, and what it had begun was undone, or not.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Undone {
    what: String,
    source: install::Error,
}

/// Undoes what a failed run has done: back to the last revision that succeeded, or away with all of it. Gives the error
/// that is to be told. One who stopped the run is left with what is there.
pub(super) fn after(
    error: install::Error,
    asked: &Asked<'_>,
    before: Option<&Revision>,
    state: &State,
    context: &Context,
) -> anyhow::Error {
    let has_begun = match state.find(asked.name) {
        Ok(Some(now)) => now.last.as_ref().map(|last| &last.claim) != before.map(|last| &last.claim),
        Ok(None) | Err(_) => false,
    };
    if !has_begun || matches!(error, install::Error::Canceled) {
        return error.into();
    }
    let (action, name) = (asked.action, asked.name);
    context.ui.warning(format_args!("the {action} of {name} failed; going back to what was there"));
    let what = match back(asked, state, context) {
        Ok(place) => format!("the {action} of `{name}` failed, and {place}"),
        Err(error) => format!("the {action} of `{name}` failed, and going back did too ({error:#})"),
    };
    Undone { what, source: error }.into()
}

/// Goes back, and says to where.
fn back(asked: &Asked<'_>, state: &State, context: &Context) -> anyhow::Result<String> {
    let history = state.history(asked.name)?;
    let revision = revision_before(&history, history.iter().rfind(|revision| revision.modifies));
    // The grant is part of the revision, but where files are may not be.
    let consent = revision.map(|_| asked.consent.of_files()).unwrap_or_default();
    let undoing = Asked {
        action: if revision.is_some() { "upgrade" } else { "uninstall" },
        name: asked.name,
        home: asked.home,
        reference: String::new(),
        consent: &consent,
        inputs: asked.inputs,
        unsigned: asked.unsigned,
        change: &asked.change.undoing(),
        mode: Mode::Act,
        settled: None,
    };
    match revision {
        Some(revision) => {
            on_revision(undoing, revision, context)?;
            Ok(format!("it is back at revision {}", revision.revision))
        }
        None => {
            on_installation(undoing, context)?;
            Ok("what it had made was removed".into())
        }
    }
}

/// The last revision before another one that succeeded, if nothing was uninstalled in between.
pub(in crate::cli) fn revision_before<'a>(
    history: &'a [Revision],
    current: Option<&Revision>,
) -> Option<&'a Revision> {
    // Ids are made of the clocks of several machines, so only the place in the history tells what came before.
    let at = history.iter().rposition(|it| current.is_some_and(|current| it.claim == current.claim));
    let (earlier, _) = history.split_at(at.unwrap_or(history.len()));
    earlier
        .iter()
        .rev()
        .take_while(|it| it.action != "uninstall" || it.result != "succeeded")
        .find(|it| is_bundled(it) && it.result == "succeeded")
}

/// Whether a revision is one that can be gone back to.
pub(in crate::cli) fn is_bundled(revision: &Revision) -> bool {
    revision.modifies && ["install", "upgrade"].contains(&revision.action.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(claim: &str, action: &str, result: &str) -> Revision {
        let digest = crate::digest::Digest::of(b"");
        Revision {
            claim: claim.into(),
            revision: claim.into(),
            created: String::new(),
            action: action.into(),
            bundle: String::new(),
            digest,
            result: result.into(),
            message: None,
            parameters: std::collections::BTreeMap::new(),
            modifies: true,
            reference: String::new(),
            secret_parameters: Vec::new(),
            terms: crate::grant::spec::GrantSpec::default(),
            dangers: Vec::new(),
        }
    }

    fn before(history: &[(&str, &str)]) -> Option<String> {
        let history: Vec<_> = history
            .iter()
            .enumerate()
            .map(|(at, (action, result))| revision(&format!("{at:02}"), action, result))
            .collect();
        revision_before(&history, history.last()).map(|found| found.claim.clone())
    }

    #[test]
    fn one_goes_back_to_the_last_success() {
        let done = |action| (action, "succeeded");
        let failed = |action| (action, "failed");
        for (history, expected) in [
            (vec![done("install"), failed("upgrade")], Some("00")),
            (vec![done("install"), done("upgrade"), done("upgrade")], Some("01")),
            (vec![done("install"), failed("upgrade"), ("upgrade", "unknown")], Some("00")),
            (vec![failed("install")], None),
            (vec![done("install"), done("uninstall"), failed("install")], None),
            (vec![done("install"), failed("uninstall"), failed("upgrade")], Some("00")),
        ] {
            assert_eq!(before(&history).as_deref(), expected, "{history:?}");
        }
    }
}
