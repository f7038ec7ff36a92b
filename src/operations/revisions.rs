//! The choice of a revision to go back to.

use std::collections::BTreeSet;

use crate::bundle::claim::ResultStatus;
use crate::bundle::{UNINSTALL, UPGRADE, is_installing};
use crate::state::{Revision, State};

use super::Error;

/// The last revision before another one that succeeded, if nothing was uninstalled in between.
pub(super) fn before<'a>(history: &'a [Revision], current: Option<&Revision>) -> Option<&'a Revision> {
    // Ids are made of the clocks of several machines, so only the place in the history tells what came before.
    let at = history.iter().rposition(|it| current.is_some_and(|current| it.claim == current.claim));
    let (earlier, _) = history.split_at(at.unwrap_or(history.len()));
    earlier
        .iter()
        .rev()
        .take_while(|it| it.action != UNINSTALL || it.result != ResultStatus::Succeeded)
        .find(|it| is_bundled(it) && it.result == ResultStatus::Succeeded)
}

/// The last revision that installed or removed something: what the bundle's own actions do is no version of it.
pub(super) fn last_change(history: &[Revision]) -> Option<&Revision> {
    history.iter().rfind(|it| is_bundled(it) || it.modifies && it.action == "uninstall")
}

/// The last revision that ran the bundle to install something.
pub(super) fn bundled(history: &[Revision]) -> Option<&Revision> {
    history.iter().rev().find(|revision| is_bundled(revision))
}

/// The revisions that a run goes back behind which goes back to this one: those after it, and those that it went back
/// behind itself. `by` is the claim of the run, where it is on record.
pub(super) fn undone(history: &[Revision], to: &str, by: Option<&str>) -> BTreeSet<String> {
    let mut undone = BTreeSet::new();
    let end = history.iter().position(|it| by == Some(&*it.claim)).unwrap_or(history.len());
    let (mut rest, mut to) = (history.get(..end).unwrap_or_default(), Some(to));
    while let Some(at) = to.and_then(|to| rest.iter().rposition(|it| is_bundled(it) && it.revision == to)) {
        let (earlier, after) = rest.split_at(at);
        let Some((reached, after)) = after.split_first() else { break };
        // An action that changes nothing has the revision that it found.
        undone
            .extend(after.iter().filter(|it| it.revision != reached.revision).map(|it| it.revision.clone()));
        (rest, to) = (earlier, reached.rollback_to.as_deref());
    }
    undone
}

/// The revisions that the last run of the bundle went back behind.
pub(super) fn undone_by_last(history: &[Revision]) -> BTreeSet<String> {
    let last = bundled(history);
    let back = last.and_then(|last| Some((last.rollback_to.as_deref()?, &*last.claim)));
    back.map(|(to, by)| undone(history, to, Some(by))).unwrap_or_default()
}

/// Whether a revision is one that can be gone back to.
fn is_bundled(revision: &Revision) -> bool {
    revision.modifies && is_installing(&revision.action)
}

/// The revision whose name begins so.
pub(super) fn named<'a>(history: &'a [Revision], start: &str, name: &str) -> Result<&'a Revision, Error> {
    let (start, name) = (start.to_ascii_uppercase(), name.to_owned());
    let mut found = history.iter().filter(|it| is_bundled(it) && it.revision.starts_with(&start));
    match (found.next(), found.next()) {
        (Some(revision), None) => Ok(revision),
        (None, _) => Err(Error::NoRevision { name, start }),
        (Some(_), Some(_)) => Err(Error::AmbiguousRevision { name, start }),
    }
}

/// What can be done about a run that was cut short, beside giving the same command again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn {
    /// Nothing but looking at it.
    Look,
    /// Going back to the revision before.
    RollBack,
    /// Removing what it has made.
    Uninstall,
}

impl WayOn {
    /// The way on where the last run of an installation did not succeed. None: nothing was done yet, or nobody can tell.
    pub fn of(name: &str, state: &State) -> Option<Self> {
        let last = state.find(name).ok()??.last?;
        let history = state.history(name).unwrap_or_default();
        Self::after(&last, &history)
    }

    fn after(last: &Revision, history: &[Revision]) -> Option<Self> {
        let is_done = |it: &Revision| it.result == ResultStatus::Succeeded;
        match last.action.as_str() {
            _ if is_done(last) => None,
            UPGRADE if history.iter().any(is_done) => Some(Self::RollBack),
            action if is_installing(action) => Some(Self::Uninstall),
            _ => Some(Self::Look),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
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
            result: ResultStatus::of(result).unwrap(),
            message: None,
            parameters: std::collections::BTreeMap::new(),
            modifies: true,
            reference: String::new(),
            secret_parameters: Vec::new(),
            imported: false,
            rollback_to: None,
            files: None,
            grant: crate::grant::spec::GrantSpec::default(),
            dangers: Vec::new(),
        }
    }

    /// Some revision that succeeded.
    pub(in crate::operations) fn succeeded() -> Revision {
        revision("1", "install", "succeeded")
    }

    fn before_last(history: &[(&str, &str)]) -> Option<String> {
        let history: Vec<_> = history
            .iter()
            .enumerate()
            .map(|(at, (action, result))| revision(&format!("{at:02}"), action, result))
            .collect();
        before(&history, history.last()).map(|found| found.claim.clone())
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
            assert_eq!(before_last(&history).as_deref(), expected, "{history:?}");
        }
    }

    #[test]
    fn an_action_of_the_bundle_is_no_change_to_go_back_over() {
        let back = |actions: &[&str]| {
            let history: Vec<_> = actions
                .iter()
                .enumerate()
                .map(|(at, action)| revision(&format!("{at:02}"), action, "succeeded"))
                .collect();
            before(&history, last_change(&history)).map(|found| found.claim.clone())
        };
        assert_eq!(back(&["install", "upgrade", "dev.carnet.web.backup"]).as_deref(), Some("00"));
        let twice = ["install", "upgrade", "dev.carnet.web.backup", "upgrade", "dev.carnet.web.backup"];
        assert_eq!(back(&twice).as_deref(), Some("01"));
        assert_eq!(back(&["install", "dev.carnet.web.backup"]), None);
        assert_eq!(back(&["install", "upgrade", "uninstall"]).as_deref(), Some("01"));
    }

    #[test]
    fn what_came_after_a_revision_is_undone_by_going_back_to_it_and_what_that_had_undone_too() {
        let back = |claim: &str, to: &str| Revision {
            rollback_to: Some(to.into()),
            ..revision(claim, "upgrade", "succeeded")
        };
        let up = |claim: &str| revision(claim, "upgrade", "succeeded");
        let looked = Revision { modifies: false, claim: "x".into(), ..revision("1", "look", "succeeded") };
        let mut history = vec![revision("1", "install", "succeeded"), looked, up("2"), back("3", "1")];
        let set = |undone: &[&str]| undone.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(undone(&history, "2", None), set(&["3"]));
        assert_eq!(undone(&history, "1", None), set(&["2", "3"]));
        assert_eq!(undone_by_last(&history), set(&["2"]), "without what it is itself");
        history.push(up("4"));
        assert_eq!(undone_by_last(&history), set(&[]), "it is not behind anything any more");
        history.push(back("5", "3"));
        assert_eq!(undone_by_last(&history), set(&["2", "4"]));
        assert_eq!(undone(&history, "0", None), set(&[]), "nothing says where that was");
    }

    #[test]
    fn a_revision_is_named_by_how_it_begins_and_by_nothing_that_fits_two() {
        let mut history = vec![revision("AB1", "install", "succeeded"), revision("AB2", "upgrade", "failed")];
        history.push(revision("AC1", "uninstall", "succeeded"));
        history.push(revision("AD1", "dev.carnet.test.look", "succeeded"));
        let found = |start: &str| named(&history, start, "web").map(|it| it.revision.clone());
        assert_eq!(found("ab1").unwrap(), "AB1");
        assert_eq!(found("AB2").unwrap(), "AB2", "one that failed can be named");
        for start in ["AC1", "AD", "X"] {
            let error = found(start).unwrap_err().to_string();
            assert_eq!(error, format!("`web` has no revision `{start}` that installed something"));
        }
        let error = found("a").unwrap_err().to_string();
        assert_eq!(error, "several revisions of `web` begin with `A`");
    }

    #[test]
    fn the_way_on_is_back_only_where_there_is_something_to_go_back_to() {
        let installed = revision("1", "install", "succeeded");
        for (action, result, history, expected) in [
            ("upgrade", "failed", vec![installed.clone()], Some(WayOn::RollBack)),
            ("upgrade", "canceled", vec![installed.clone()], Some(WayOn::RollBack)),
            ("upgrade", "unknown", vec![revision("1", "install", "failed")], Some(WayOn::Uninstall)),
            ("upgrade", "failed", Vec::new(), Some(WayOn::Uninstall)),
            ("install", "failed", vec![installed.clone()], Some(WayOn::Uninstall)),
            ("uninstall", "failed", vec![installed.clone()], Some(WayOn::Look)),
            ("dev.carnet.web.backup", "canceled", vec![installed.clone()], Some(WayOn::Look)),
            ("upgrade", "succeeded", vec![installed], None),
        ] {
            let last = revision("2", action, result);
            assert_eq!(WayOn::after(&last, &history), expected, "{action} {result}");
        }
    }
}
