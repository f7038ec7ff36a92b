//! A copy of the project with all changes in it, as a test program.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::change::Change;
use crate::weave::{changes_at, weave};

/// The built copy.
pub struct Copy {
    pub folder: PathBuf,
    pub program: PathBuf,
    /// The changes that are in it. The others do not compile, or not in this way.
    pub numbers: BTreeSet<usize>,
}

const SWITCH: &str = include_str!("switch.rs");

impl Copy {
    /// Leaves out what does not compile until the rest does.
    pub fn build(root: &Path, folder: PathBuf, changes: &[Change]) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(&folder)?;
        let mut wanted: BTreeSet<usize> = (1..=changes.len()).collect();
        loop {
            copied(root, &folder)?;
            let numbers = woven(&folder, changes, &wanted)?;
            match tried(&folder)? {
                Ok(program) => return Ok(Self { folder, program, numbers }),
                Err(faulty) => {
                    println!("{} changes do not compile", faulty.len());
                    wanted = numbers.difference(&faulty).copied().collect();
                }
            }
        }
    }
}

fn copied(root: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut tar = Command::new("tar");
    tar.args(["-C", &root.display().to_string(), "--exclude=./target", "--exclude=./.git", "-c", "."]);
    let mut packed = tar.stdout(Stdio::piped()).spawn()?;
    let archive = packed.stdout.take().ok_or("tar writes nothing")?;
    let unpacked = Command::new("tar").arg("-C").arg(folder).arg("-x").stdin(archive).status()?;
    if !packed.wait()?.success() || !unpacked.success() {
        return Err("the project cannot be copied".into());
    }
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    // What is woven is not written as people write.
    let plain = text.split("\n[").filter(|table| !table.starts_with("lints."));
    Ok(fs::write(manifest, plain.collect::<Vec<_>>().join("\n["))?)
}

fn woven(
    folder: &Path,
    changes: &[Change],
    wanted: &BTreeSet<usize>,
) -> Result<BTreeSet<usize>, Box<dyn Error>> {
    let mut files: BTreeMap<&str, Vec<(usize, &Change)>> = BTreeMap::new();
    for (number, change) in (1..).zip(changes).filter(|(number, _)| wanted.contains(number)) {
        files.entry(&change.file).or_default().push((number, change));
    }
    let mut numbers = BTreeSet::new();
    for (file, changes) in files {
        let path = folder.join(file);
        let woven = weave(&fs::read_to_string(&path)?, &changes)?;
        fs::write(path, woven.source)?;
        numbers.extend(woven.numbers);
    }
    fs::write(folder.join("src/mutation.rs"), SWITCH)?;
    let lib = folder.join("src/lib.rs");
    let text = fs::read_to_string(&lib)?;
    fs::write(lib, format!("#![allow(warnings)]\n{text}\nmod mutation;\n"))?;
    Ok(numbers)
}

/// The test program, or the changes that the compiler complains about.
fn tried(folder: &Path) -> Result<Result<PathBuf, BTreeSet<usize>>, Box<dyn Error>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--lib", "--no-run", "--message-format=json"]).current_dir(folder);
    cargo.env_remove("RUSTC_WORKSPACE_WRAPPER").env_remove("CLIPPY_ARGS");
    let output = cargo.stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8(output.stdout)?;
    let messages: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    if output.status.success() {
        let program = messages.iter().rev().find_map(|message| message["executable"].as_str());
        return Ok(Ok(program.ok_or("cargo made no test program")?.into()));
    }
    let mut faulty = BTreeSet::new();
    let mut others = String::new();
    let errors = messages.iter().map(|message| &message["message"]).filter(|it| it["level"] == "error");
    for error in errors.filter(|error| error["spans"].as_array().is_some_and(|spans| !spans.is_empty())) {
        let found = spans(error).iter().map(|span| changes_in(folder, span)).find(|found| !found.is_empty());
        match found {
            Some(found) => faulty.extend(found),
            None => others.push_str(error["rendered"].as_str().unwrap_or_default()),
        }
    }
    if faulty.is_empty() { Err(others.into()) } else { Ok(Err(faulty)) }
}

/// The places of an error, its own first, then those of its notes.
fn spans(error: &Value) -> Vec<&Value> {
    let mut own: Vec<_> = error["spans"].as_array().into_iter().flatten().collect();
    own.sort_by_key(|span| span["is_primary"] != true);
    let notes = error["children"].as_array().into_iter().flatten().flat_map(spans);
    own.into_iter().chain(notes).collect()
}

fn changes_in(folder: &Path, span: &Value) -> Vec<usize> {
    let file = span["file_name"].as_str().filter(|name| name.starts_with("src/"));
    let text = file.and_then(|name| fs::read_to_string(folder.join(name)).ok());
    let byte = span["byte_start"].as_u64().and_then(|byte| usize::try_from(byte).ok());
    text.zip(byte).map(|(text, byte)| changes_at(&text, byte)).unwrap_or_default()
}
