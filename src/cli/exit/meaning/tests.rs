use super::runs::{MAX_POWERS, of_powers};
use super::*;
use crate::capability::severity::Severity;
use crate::digest::Digest;
use crate::grant::Shortfall;
use crate::grant::spec::InvalidGrant;
use crate::operations;
use crate::plan::powers::{By, Power, RefusedPowers};
use crate::state::StateError;
use crate::verify::Refusal;

fn code(error: operations::Error) -> u8 {
    meaning(&error).unwrap_or_else(|| ERROR.into()).code.number()
}

#[test]
fn an_operation_means_what_stopped_it() {
    use operations::Error;
    for (error, expected) in [
        (Error::Refused(Refusal::Unsigned(Digest::of(b""))), 10),
        (Error::Shortfall(Shortfall::Missing(Vec::new())), 11),
        (Error::Install(install::Error::Stale { departures: Vec::new(), again: "x".into() }), 13),
        (Error::Install(install::Error::Unready(Vec::new())), 15),
        (Error::State(StateError::Locked { name: String::new(), holder: None }), 16),
        (Error::Install(install::Error::Canceled), 1),
        (Error::Install(install::Error::Name("A b".into())), 2),
        (Error::NoEarlierRevision("web".into()), 1),
        (Error::Uninstalled("web".into()), 1),
        (Error::NoPlace, 2),
        (Error::NotASource("layout:a".into()), 2),
        (Error::OtherInstallation { account: "a".into(), owner: "prod/web".into(), name: "b".into() }, 2),
        (Error::SettledGrant, 2),
        (Error::Shared { name: "web".into(), lines: Vec::new() }, 11),
        (Error::Directory, 2),
        (Error::SettledParameter("a".into()), 2),
        (Error::UnrecordedParameter("a".into()), 2),
        (Error::NoRevision { name: "web".into(), start: "0".into() }, 1),
        (Error::AmbiguousRevision { name: "web".into(), start: "0".into() }, 1),
        (Error::Namespaces { name: "web".into(), namespaces: vec!["a".into(), "b".into()] }, 1),
    ] {
        let text = error.to_string();
        assert_eq!(code(error), expected, "{text}");
    }
}

#[test]
fn what_a_component_passed_over_decides_where_its_own_error_follows_from_it() {
    use crate::host::GuestError;
    use crate::host::pass::Departure;
    use crate::run::RunError;
    let departed = || RunError::from(Departure { planned: "a".into(), actual: "a call that failed".into() });
    let held = || crate::targets::Error::held("ConfigMap prod/a".into(), "held by a finalizer");
    let edited = || crate::targets::Error::Edited { object: "ConfigMap prod/a".into(), file: "a".into() };
    let failed = || RunError::Reported(GuestError::Failed(String::new()));
    for (source, refusal, expected) in [
        (departed(), Some(held()), 15),
        (departed(), Some(edited()), 13),
        (departed(), None, 13),
        (failed(), Some(held()), 17),
    ] {
        let (unready, done) = (Vec::new().into(), Vec::new());
        let refusal = refusal.map(Box::new);
        let error =
            install::Error::Run { source, refusal, denials: Vec::new(), unready, done, log: Vec::new() };
        assert_eq!(code(operations::Error::Install(error)), expected);
    }
}

#[test]
fn a_bare_star_is_refused_with_the_flag_that_allows_it() {
    let refused = Shortfall::InvalidGrant(InvalidGrant::Wildcard("get ConfigMap in * named x".into()));
    let hint = of_shortfall(&refused).hint.unwrap().to_string();
    assert!(hint.contains("`--dangerous-wildcards`"), "{hint}");
}

#[test]
fn powers_that_a_policy_refuses_are_not_trusted_and_those_that_the_operator_refuses_not_granted() {
    let power = |n: usize| Power {
        severity: Severity::High,
        object: format!("Pod a/{n}"),
        what: "uses the network of its node".into(),
        rule: "x".into(),
        new: false,
    };
    for (by, code) in [(By::Policy("layout".into()), 10), (By::Operator, 11)] {
        let refused = RefusedPowers { by, refused: Severity::High, powers: (0..60).map(power).collect() };
        let meaning = of_powers(&refused);
        assert_eq!(meaning.code.number(), code);
        assert_eq!(meaning.details.len(), MAX_POWERS + 1);
        assert_eq!(meaning.details[0], said("high: Pod a/0 uses the network of its node"));
        assert_eq!(meaning.details[MAX_POWERS], said("and 10 more"));
    }
}
