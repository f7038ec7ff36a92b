//! Runs the tests that come across a change while it is made.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::change::Change;
use crate::copy::Copy;

/// How many tests run at once in one process, the first time and then.
const FIRST: usize = 6;
const MORE: usize = 40;

/// A test that passes when nothing is changed, and how long it takes.
#[derive(Debug, Clone)]
pub struct Test {
    name: String,
    takes: Duration,
}

/// The end of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A test failed, or did not end.
    Noticed,
    /// All of these tests passed.
    Survived(usize),
}

/// The tests that come across each change.
pub fn reached(copy: &Copy) -> Result<BTreeMap<usize, Vec<Test>>, Box<dyn Error>> {
    let listed = program(copy, 0).args(["--list", "--format", "terse"]).stdout(Stdio::piped()).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let names: Vec<_> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    if names.is_empty() {
        return Err("the test program has no tests".into());
    }
    let found = side_by_side(names, |name| traced(copy, name));
    let mut reached: BTreeMap<usize, Vec<Test>> = BTreeMap::new();
    for (test, numbers) in found.into_iter().flatten() {
        for number in numbers {
            reached.entry(number).or_default().push(test.clone());
        }
    }
    Ok(reached)
}

/// What becomes of each change that is in the copy.
pub fn ends(copy: &Copy, changes: &[Change], reached: &BTreeMap<usize, Vec<Test>>) -> BTreeMap<usize, End> {
    let numbers = copy.numbers.iter().copied().collect();
    let found = side_by_side(numbers, |number| {
        let module = changes[number - 1].module();
        let mut tests = reached.get(&number).cloned().unwrap_or_default();
        // Those beside the code are most likely to notice, and among them those that end soon.
        tests.sort_by_key(|test| (!test.name.starts_with(&module), test.takes));
        (number, end(copy, number, &tests))
    });
    found.into_iter().collect()
}

fn end(copy: &Copy, number: usize, tests: &[Test]) -> End {
    let (first, rest) = tests.split_at(FIRST.min(tests.len()));
    let groups = [first].into_iter().chain(rest.chunks(MORE)).filter(|group| !group.is_empty());
    let mut noticed = groups.map(|group| {
        let limit = Duration::from_secs(30) + 5 * group.iter().map(|test| test.takes).sum::<Duration>();
        let mut run = program(copy, number);
        run.args(["--exact", "--test-threads", "2"]).args(group.iter().map(|test| &test.name));
        !passes(run, limit)
    });
    if noticed.any(|noticed| noticed) { End::Noticed } else { End::Survived(tests.len()) }
}

/// A test by itself: what it comes across. None: it does not pass.
fn traced(copy: &Copy, name: &str) -> Option<(Test, Vec<usize>)> {
    let path = copy.folder.join(format!("trace-{:?}", thread::current().id()));
    File::create(&path).ok()?;
    let began = Instant::now();
    let mut run = program(copy, 0);
    run.args(["--exact", name]).env("MUTATION_TRACE", &path);
    let has_passed = passes(run, Duration::from_secs(120));
    let numbers = fs::read_to_string(&path).ok()?.lines().filter_map(|line| line.parse().ok()).collect();
    has_passed.then(|| (Test { name: name.into(), takes: began.elapsed() }, numbers))
}

fn program(copy: &Copy, number: usize) -> Command {
    let mut command = Command::new(&copy.program);
    command.current_dir(&copy.folder).env("MUTATION", number.to_string()).env("PROPTEST_CASES", "64");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn passes(mut command: Command, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    let Ok(mut child) = command.spawn() else { return false };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            _ => return ended(child),
        }
    }
}

fn ended(mut child: Child) -> bool {
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// Does some work for each item, two at a time.
fn side_by_side<T: Send, O: Send>(items: Vec<T>, work: impl Fn(T) -> O + Sync) -> Vec<O> {
    let (items, outcomes) = (Mutex::new(items.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = locked(&items).next();
                    let Some(item) = next else { break };
                    let outcome = work(item);
                    locked(&outcomes).push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A test program of three tests: one comes across changes 1 and 2 and notices 2, one notices 3, and one does
    /// not pass whatever is changed.
    const PROGRAM: &str = r#"#!/bin/sh
case "$*" in
*--list*) printf 'a::one: test\na::two: test\na::three: test\n'; exit ;;
*three*) exit 1 ;;
*one*) [ -z "$MUTATION_TRACE" ] || printf '1\n2\n' >> "$MUTATION_TRACE"; [ "$MUTATION" != 2 ] || exit 101 ;;
*two*) [ -z "$MUTATION_TRACE" ] || printf '3\n' >> "$MUTATION_TRACE"; [ "$MUTATION" != 3 ] || exit 101 ;;
esac
"#;

    #[test]
    fn a_change_is_noticed_by_a_test_that_comes_across_it_and_fails() {
        let folder = std::env::temp_dir().join(format!("mutation-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("program");
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let copy = Copy { folder: folder.clone(), program, numbers: (1..=4).collect() };
        let change = || {
            serde_json::from_value(serde_json::json!({
                "file": "src/a.rs", "function": null, "genre": "FnValue", "name": "", "replacement": "",
                "span": { "start": { "line": 1, "column": 1 }, "end": { "line": 1, "column": 1 } },
            }))
        };
        let changes: Vec<Change> = (0..4).map(|_| change().unwrap()).collect();
        let reached = reached(&copy).unwrap();
        let names = |number: usize| {
            reached.get(&number).into_iter().flatten().map(|test| test.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            [names(1), names(2), names(3), names(4)],
            [vec!["a::one"], vec!["a::one"], vec!["a::two"], vec![]]
        );
        let ends: Vec<_> = ends(&copy, &changes, &reached).into_values().collect();
        assert_eq!(ends, [End::Survived(1), End::Noticed, End::Noticed, End::Survived(0)]);
        fs::remove_dir_all(folder).unwrap();
    }
}
