//! An operation on an installation, and whether its recorded state allows that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::grant::{Consent, LoweredGuard};
use crate::host::Supplied;
use crate::kubernetes::object::is_label;
use crate::plan::{HeldFields, Plan};
use crate::state::{Installation, MadeFor, RecordedFiles, RequiredInstallation, StateError, ulid};
use crate::targets::{self, Place, RecordedPlace};

use super::{Approvals, ChangeOptions, Error, Identity};

/// An action on an installation, with all decisions of the caller.
pub struct Operation {
    /// `install`, `upgrade`, `uninstall`, or an action of the bundle.
    pub action: String,
    /// The installation's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where its objects go, as it is recorded.
    pub place: Place,
    /// The operator's consent: grants and flags.
    pub consent: Consent,
    /// Parameters that were given.
    pub parameters: BTreeMap<String, Value>,
    /// Parameters whose values were recorded where others can write: no scope is filled with them.
    pub doubtful: BTreeSet<String>,
    /// Whether parameters and consent are complete, so that nothing of the last run is carried over.
    pub complete: bool,
    /// The plan that is to be carried out, and no other.
    pub plan: Option<Box<Plan>>,
    /// Credentials that were given.
    pub credentials: Supplied,
    /// Why they could not be read, which is told once it is clear that the run is granted.
    pub unsupplied: Option<Arc<dyn std::error::Error + Send + Sync>>,
    /// Where the bundle came from, as it was typed.
    pub reference: String,
    /// The revision that it goes back to, if it does.
    pub rollback_to: Option<String>,
    /// The revisions that it goes back behind, or that the one before it has: what they brought is no part of it.
    pub undone: BTreeSet<String>,
    /// Whether the caller goes back to what was there where it fails, which is a plan of its own.
    pub goes_back: bool,
    /// The approvals that are at hand, and the policy that may demand some.
    pub approvals: Approvals,
    /// Guards that were lowered.
    pub dangers: Vec<LoweredGuard>,
    /// The operator's files as they are to be read: where their content is known it is taken from here, and where only their
    /// digests are, others are refused.
    pub files: RecordedFiles,
    /// The installations that it needs. None: those that are recorded.
    pub requires: Option<Vec<RequiredInstallation>>,
    /// The installation that it is made for. None: whichever is recorded.
    pub made_for: Option<MadeFor>,
    /// How it is carried out.
    pub options: ChangeOptions,
}

/// How far an operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Plan and apply.
    Act,
    /// Only the plan of the last action, without its credentials: to compare it with what is there.
    Examine,
    /// Only the plan.
    Plan,
}

impl Operation {
    /// An action with nothing granted, no inputs, and no guard lowered.
    pub fn new(action: &str, name: &str, namespace: &str, place: Place) -> Self {
        Self {
            action: action.into(),
            name: name.into(),
            namespace: namespace.into(),
            place,
            consent: Consent::default(),
            parameters: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            complete: false,
            plan: None,
            credentials: Supplied::default(),
            unsupplied: None,
            reference: String::new(),
            rollback_to: None,
            undone: BTreeSet::new(),
            goes_back: false,
            approvals: Approvals::default(),
            dangers: Vec::new(),
            files: RecordedFiles::default(),
            requires: None,
            made_for: None,
            options: ChangeOptions::default(),
        }
    }

    /// Whether it is carried out with all rights that the caller has in a cluster.
    pub fn acts_as_caller(&self) -> bool {
        self.options.identity == Identity::Own && self.place.is_cluster()
    }

    /// Whether it does not even wait where the component asks for it between its steps.
    pub fn is_unawaited(&self) -> bool {
        !self.options.waits.between_steps()
    }

    /// The id of the record of this installation. One that an earlier version of the program began has none before it is
    /// installed or upgraded again: what only compares or corrects leaves its objects as they were made.
    pub(super) fn record(&self, earlier: Option<&Installation>, mode: Mode) -> Option<String> {
        let recorded = earlier.and_then(|earlier| earlier.settings.record.clone());
        let begins = ["install", "upgrade"].contains(&&*self.action)
            && mode != Mode::Examine
            && !self.options.waits_for_changes_only;
        recorded.or_else(|| begins.then(ulid))
    }

    /// Whether the recorded installation allows this action, in this place.
    pub(super) fn check(&self, earlier: Option<&Installation>, mode: Mode) -> Result<(), Error> {
        if !is_label(&self.name) {
            return Err(Error::Name(self.name.clone()));
        }
        match (self.action.as_str(), earlier) {
            ("install", Some(earlier)) if mode != Mode::Examine => self.check_new(earlier),
            ("install", None) => Ok(()),
            (_, Some(earlier)) if !earlier.is_deleted() => self.check_same(earlier),
            _ => Err(StateError::Missing(self.name.clone()).into()),
        }
    }

    /// An installation that failed, was interrupted or is gone may be installed; one that succeeded is upgraded.
    fn check_new(&self, earlier: &Installation) -> Result<(), Error> {
        if earlier.is_installed() {
            // One that is elsewhere cannot be upgraded here: what helps is another name.
            return self.check_same(earlier).and(Err(self.existing(earlier)));
        }
        if earlier.inventory().is_empty() { Ok(()) } else { self.check_same(earlier) }
    }

    /// A conflict that is found now means that the saved plan is stale.
    pub(super) fn stale(&self, error: Error) -> Error {
        let is_in_the_way = |refusal: &targets::Error| {
            use crate::cluster::Error as Refusal;
            matches!(
                refusal,
                targets::Error::Cluster(Refusal::Conflict { .. } | Refusal::Immutable { .. })
                    | targets::Error::Edited { .. }
                    | targets::Error::Foreign { .. }
                    | targets::Error::Namesake { .. }
                    | targets::Error::TakenOver { .. }
            )
        };
        let Some(plan) = &self.plan else { return error };
        match error {
            Error::Run { refusal: Some(refusal), .. } if is_in_the_way(&refusal) => {
                Error::Stale { departures: vec![refusal.to_string()], again: plan.again() }
            }
            Error::Conflicts(held) => {
                let line = |held: &HeldFields| {
                    let fields: Vec<_> = held.fields.iter().map(ToString::to_string).collect();
                    format!("{}: {}", held.object, fields.join(", "))
                };
                Error::Stale { departures: held.iter().map(line).collect(), again: plan.again() }
            }
            error => error,
        }
    }

    fn check_same(&self, earlier: &Installation) -> Result<(), Error> {
        let recorded = earlier.settings.place.place();
        let is_same = recorded.is_ok_and(|recorded| self.place.is_same_target(&recorded))
            && self.namespace == earlier.namespace;
        if is_same { Ok(()) } else { Err(self.elsewhere(earlier)) }
    }

    fn existing(&self, earlier: &Installation) -> Error {
        let settings = &earlier.settings;
        Error::Exists {
            name: self.name.clone(),
            bundle: format!("{} {}", settings.bundle_name, settings.bundle_version),
            place: described(&settings.place, &earlier.namespace),
        }
    }

    /// The installation is in another place than the one that is asked for.
    pub(super) fn elsewhere(&self, earlier: &Installation) -> Error {
        Error::Place {
            name: self.name.clone(),
            namespace: earlier.namespace.clone(),
            recorded: described(&earlier.settings.place, &earlier.namespace),
            asked: described(&self.place.clone().into(), &self.namespace),
        }
    }
}

fn described(place: &RecordedPlace, namespace: &str) -> String {
    match place.server() {
        Some(server) => format!("{place} at {server} (namespace {namespace})"),
        None => format!("{place} (namespace {namespace})"),
    }
}

#[cfg(test)]
pub(in crate::install) mod tests {
    use super::*;
    use crate::bundle::claim::ResultStatus;
    use crate::digest::Digest;
    use crate::grant::spec::GrantSpec;
    use crate::kubernetes::object::ObjectRef;
    use crate::run::RunError;
    use crate::state::{InstallationSettings, Revision};
    use crate::targets::Recorded;

    pub(in crate::install) fn operation(action: &str) -> Operation {
        Operation::new(action, "web", "prod", Place::directory("/rendered"))
    }

    /// An installation whose last action ended so.
    pub(in crate::install) fn earlier(action: &str, result: &str) -> Installation {
        having(action, result, Vec::new())
    }

    /// Also with what it left.
    fn having(action: &str, result: &str, left: Vec<Recorded>) -> Installation {
        let last = Revision {
            claim: "1".into(),
            revision: "1".into(),
            created: String::new(),
            action: action.into(),
            bundle: String::new(),
            digest: Digest::of(b""),
            result: ResultStatus::of(result).unwrap(),
            message: None,
            parameters: BTreeMap::new(),
            modifies: true,
            reference: String::new(),
            secret_parameters: Vec::new(),
            imported: false,
            rollback_to: None,
            files: None,
            grant: GrantSpec::default(),
            dangers: Vec::new(),
        };
        let settings = InstallationSettings {
            place: Place::directory("/rendered").into(),
            bundle_name: "guestbook".into(),
            bundle_version: "1.0.0".into(),
            ..InstallationSettings::default()
        };
        Installation::unrecorded(settings, Some(last), left)
    }

    fn recorded() -> Recorded {
        let object = ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("prod".into()),
            name: "web".into(),
        };
        Recorded::of(object)
    }

    #[test]
    fn one_installs_what_is_not_there_and_upgrades_what_is() {
        let check =
            |action: &str, earlier: Option<&Installation>| operation(action).check(earlier, Mode::Act);
        assert!(check("install", None).is_ok());
        for action in ["upgrade", "uninstall", "dev.carnet.test.look"] {
            let error = check(action, None).unwrap_err().to_string();
            assert_eq!(error, "there is no installation `web`", "{action}");
            let gone = earlier("uninstall", "succeeded");
            let error = check(action, Some(&gone)).unwrap_err().to_string();
            assert_eq!(error, "there is no installation `web`", "{action}");
            assert!(check(action, Some(&earlier("install", "succeeded"))).is_ok(), "{action}");
        }
        let there = check("install", Some(&earlier("install", "succeeded"))).unwrap_err();
        let expected =
            "the installation `web` is there already: guestbook 1.0.0 in dir:/rendered (namespace prod)";
        assert_eq!(there.to_string(), expected);
        for (action, result) in [("install", "failed"), ("upgrade", "unknown"), ("uninstall", "succeeded")] {
            assert!(check("install", Some(&earlier(action, result))).is_ok(), "{action} {result}");
        }
    }

    #[test]
    fn a_name_that_objects_cannot_bear_is_refused() {
        for name in ["", "Web", "a/b", "-web", &"x".repeat(64)] {
            let operation = Operation { name: name.into(), ..operation("install") };
            assert!(matches!(operation.check(None, Mode::Act), Err(Error::Name(_))), "{name}");
        }
    }

    #[test]
    fn an_installation_is_looked_for_where_it_is() {
        let there = earlier("install", "succeeded");
        let elsewhere = [
            Operation { namespace: "dev".into(), ..operation("upgrade") },
            Operation { place: Place::directory("/other"), ..operation("upgrade") },
            Operation { place: Place::cluster(), ..operation("upgrade") },
            // A state has each name once. An upgrade, as for one that is here, would be refused as well.
            Operation { namespace: "dev".into(), ..operation("install") },
            Operation { place: Place::directory("/other"), ..operation("install") },
        ];
        for operation in elsewhere {
            let error = operation.check(Some(&there), Mode::Act).unwrap_err();
            assert!(matches!(error, Error::Place { .. }), "{error}");
        }
        let mut nowhere = there.clone();
        nowhere.settings.place = serde_json::from_value(serde_json::json!({ "target": "ssh:/x" })).unwrap();
        let error = operation("upgrade").check(Some(&nowhere), Mode::Act).unwrap_err().to_string();
        assert!(error.starts_with("the installation `web` is in ssh:/x (namespace prod), not in"), "{error}");
        let operation = Operation { place: Place::cluster(), ..operation("upgrade") };
        let error = operation.check(Some(&there), Mode::Act).unwrap_err().to_string();
        let expected =
            "the installation `web` is in dir:/rendered (namespace prod), not in kube (namespace prod)";
        assert_eq!(error, expected);
    }

    #[test]
    fn what_a_failed_install_left_keeps_its_place() {
        let elsewhere = Operation { place: Place::directory("/other"), ..operation("install") };
        let failed = earlier("install", "failed");
        assert!(elsewhere.check(Some(&failed), Mode::Act).is_ok(), "nothing was left");
        let failed = having("install", "failed", vec![recorded()]);
        assert!(matches!(elsewhere.check(Some(&failed), Mode::Act), Err(Error::Place { .. })));
    }

    #[test]
    fn an_install_may_be_examined_although_it_is_there() {
        let there = earlier("install", "succeeded");
        assert!(operation("install").check(Some(&there), Mode::Examine).is_ok());
        assert!(operation("install").check(Some(&there), Mode::Plan).is_err());
    }

    #[test]
    fn only_the_caller_in_a_cluster_has_all_rights_of_the_caller() {
        let acts = |identity, place| {
            let options = ChangeOptions { identity, ..ChangeOptions::default() };
            Operation { options, place, ..operation("install") }.acts_as_caller()
        };
        assert!(acts(Identity::Own, Place::cluster()));
        assert!(!acts(Identity::Own, Place::directory("/rendered")));
        assert!(!acts(Identity::Scoped, Place::cluster()));
    }

    #[test]
    fn without_a_saved_plan_a_conflict_is_one() {
        let refusal = targets::Error::Foreign { object: "ConfigMap prod/web".into(), owner: None };
        let failed = Error::Run {
            source: RunError::Engine(String::new()),
            refusal: Some(Box::new(refusal)),
            denials: Vec::new(),
            unready: Box::default(),
            done: Vec::new(),
            log: Vec::new(),
        };
        assert!(matches!(operation("install").stale(failed), Error::Run { .. }));
        assert!(matches!(operation("install").stale(Error::Canceled), Error::Canceled));
    }
}
