//! mutation ROOT FOLDER FILE...: changes code of carnet in all the ways that cargo-mutants knows, builds all of them as one test
//! program in FOLDER, and says which ones no unit test notices. FILE is how a path below `src` begins.
//!
//! `ROOT/.ci/survivors` holds those that are known, each with a reason why no test can or need notice it. Exit code 1: there
//! are others.

mod change;
mod copy;
mod run;
mod weave;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use copy::Copy;
use run::End;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(root), Some(folder)) = (args.next(), args.next()) else {
        return Err("mutation ROOT FOLDER FILE...".into());
    };
    let (root, files) = (Path::new(&root), args.collect::<Vec<_>>());
    let known = std::fs::read_to_string(root.join(".ci/survivors"))?;
    let known: BTreeSet<&str> = known.lines().filter(|line| line.starts_with("src/")).collect();
    let changes = change::list(root, &files)?;
    let copy = Copy::build(root, folder.into(), &changes)?;
    let reached = run::reached(&copy)?;
    let ends = run::ends(&copy, &changes, &reached);
    let survived: Vec<_> = ends.iter().filter(|(_, end)| **end != End::Noticed).collect();
    println!(
        "{} changes: {} noticed, {} survived, {} do not compile",
        changes.len(),
        ends.len() - survived.len(),
        survived.len(),
        changes.len() - ends.len()
    );
    let mut titles = BTreeSet::new();
    for (number, end) in survived {
        let change = &changes[number - 1];
        titles.insert(change.title());
        if !known.contains(change.title().as_str()) {
            println!("new: {} ({end:?})", change.name);
        }
    }
    let is_here = |title: &&&str| files.iter().any(|file| title.trim_start_matches("src/").starts_with(file));
    for gone in known.iter().filter(is_here).filter(|title| !titles.contains(**title)) {
        println!("no longer: {gone}");
    }
    Ok(if titles.iter().all(|title| known.contains(title.as_str())) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
