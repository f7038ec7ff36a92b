//! One answer of a run is not what it should be, whichever it is. What the run was told to be recorded is there for the next
//! run, which goes on.

use super::*;
use crate::bundle::claim::ResultStatus;
use crate::state::tests::server::OddAnswer;

/// As far as a run was told that things are recorded.
#[derive(Debug, Default)]
struct Told {
    claim: Option<String>,
    intended: bool,
    finished: bool,
}

/// A run that makes the object `b`.
fn run(state: &State, told: &mut Told) -> Result<(), String> {
    let why = |error: StateError| chain(&error);
    let _lock = state.lock("web").map_err(why)?;
    let claim = claim("upgrade", true);
    state.begin("web", "prod", &settings(), &claim).map_err(why)?;
    told.claim = Some(claim.id.clone());
    state.ledger("web").intend(&[recorded("b", None)]).map_err(|error| chain(&error))?;
    told.intended = true;
    state.finish(&claim, &succeeded(&BTreeMap::new())).map_err(why)?;
    told.finished = true;
    Ok(())
}

/// Whether the run was long enough for its answer to be odd.
fn is_survived(after: usize, odd: OddAnswer) -> bool {
    let (server, ..) = installed();
    server.spoil(after, odd);
    let mut told = Told::default();
    let ended = run(&in_cluster(&server, "alice"), &mut told);
    if server.will_spoil() {
        ended.unwrap();
        return false;
    }
    let at = format!("{odd:?} after {after} requests: {told:?}, {ended:?}");
    // A request may have been carried out whose answer is lost: it is made again, and is no other then.
    assert!(ended.is_ok() || ![OddAnswer::Lost, OddAnswer::Cut].contains(&odd), "{at}");

    // The Lease of a run that could not give it back ends by itself.
    server.later(3600);
    let bob = in_cluster(&server, "bob");
    let found = bob.get("web").unwrap_or_else(|error| panic!("{at}: {error}"));
    let last = found.last.as_ref().unwrap();
    assert!(told.claim.is_none() || told.claim.as_deref() == Some(&*last.claim), "{at}: {last:?}");
    assert!(!told.finished || last.result == ResultStatus::Succeeded, "{at}: {last:?}");
    let names: Vec<_> = found.inventory.iter().map(|it| it.object.name.as_str()).collect();
    assert!(names.contains(&"a") && (names.contains(&"b") || !told.intended), "{at}: {names:?}");
    let mut next = Told::default();
    run(&bob, &mut next).unwrap_or_else(|error| panic!("{at}: then {error}"));
    assert_eq!(bob.get("web").unwrap().last.map(|last| last.claim), next.claim, "{at}");
    true
}

#[test]
fn whichever_answer_is_odd_what_was_told_to_be_recorded_is() {
    std::thread::scope(|scope| {
        for odd in [OddAnswer::Cut, OddAnswer::Lost, OddAnswer::Null, OddAnswer::Other] {
            scope.spawn(move || {
                let survived = (0..).take_while(|after| is_survived(*after, odd)).count();
                assert!(survived > 8, "{odd:?}: the run has {survived} requests");
            });
        }
    });
}
