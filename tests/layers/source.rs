//! The source as the order of the house sees it: which modules there are, and which of them each file uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the library, without its tests and comments.
pub(crate) struct Source {
    /// Below `src/`.
    pub(crate) path: String,
    /// `cluster::connect`, as a list. Empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    pub(crate) code: String,
}

/// The modules, by their path.
pub(crate) struct Tree(BTreeMap<Vec<String>, Module>);

struct Module {
    /// The modules below it, in its order.
    children: Vec<String>,
    /// The paths of its `use` items, and where they stand.
    imports: Vec<Import>,
    /// Paths in its code, outside of `use`.
    paths: Vec<Vec<String>>,
}

struct Import {
    /// The name it has here.
    name: String,
    path: Vec<String>,
}

/// How often one name may stand for another. A circle of names ends here.
const MAX_HOPS: usize = 8;

impl Tree {
    pub(crate) fn of_the_library() -> Self {
        Self(all().into_iter().map(|source| (source.module.clone(), Module::of(&source.code))).collect())
    }

    /// A made-up library: paths of modules and their code.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let module = |(path, code): &(&str, &str)| {
            let path = if *path == "lib" { Vec::new() } else { segments(path) };
            (path, Module::of(code))
        };
        Self(files.iter().map(module).collect())
    }

    /// Modules that use what does not stand above them, each with what it uses.
    pub(crate) fn upward_uses(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (own, module) in &self.0 {
            let imported = module.imports.iter().map(|import| &import.path);
            for path in imported.chain(&module.paths) {
                let Some(used) = self.resolve(own, path, 0) else { continue };
                if !self.may_use(own, &used) {
                    wrong.push(format!("{} uses {}", own.join("::"), used.join("::")));
                }
            }
        }
        wrong.sort();
        wrong.dedup();
        wrong
    }

    /// Files that no file above them lists.
    pub(crate) fn without_a_place(&self) -> Vec<String> {
        let is_listed = |module: &&Vec<String>| match module.split_last() {
            Some((name, parent)) => self.0.get(parent).is_some_and(|parent| parent.children.contains(name)),
            None => true,
        };
        self.0.keys().filter(|module| !is_listed(module)).map(|module| module.join("::")).collect()
    }

    /// Where two modules part, the one that is used has to be listed first. What lies on one line may know each other.
    fn may_use(&self, own: &[String], used: &[String]) -> bool {
        let common = own.iter().zip(used).take_while(|(one, other)| one == other).count();
        let (Some(here), Some(there)) = (own.get(common), used.get(common)) else { return true };
        let children = &self.0[&own[..common]].children;
        let place = |name| children.iter().position(|child| child == name);
        place(there) < place(here)
    }

    /// The module that a path leads to, from a module on. None: it leads out of this crate.
    fn resolve(&self, from: &[String], path: &[String], hops: usize) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "super" => from.split_last()?.1.to_vec(),
            "self" => from.to_vec(),
            child if self.0.get(from)?.children.iter().any(|name| name == child) => {
                [from, std::slice::from_ref(first)].concat()
            }
            _ => return None,
        };
        for segment in rest {
            if segment == "super" {
                at.pop();
                continue;
            }
            let module = self.0.get(&at)?;
            if module.children.contains(segment) {
                at.push(segment.clone());
                continue;
            }
            let import = module.imports.iter().find(|import| import.name == *segment);
            let elsewhere = import
                .filter(|_| hops < MAX_HOPS)
                .and_then(|import| self.resolve(&at, &import.path, hops + 1));
            return Some(elsewhere.unwrap_or(at));
        }
        Some(at)
    }
}

impl Module {
    fn of(code: &str) -> Self {
        let mut module = Self { children: Vec::new(), imports: Vec::new(), paths: Vec::new() };
        let mut rest = String::new();
        for statement in statements(code) {
            let text = without_visibility(&statement);
            if let Some(tree) = text.strip_prefix("use ").and_then(|text| text.strip_suffix(';')) {
                flatten(&[], tree, &mut module.imports);
            } else if let Some(name) = text.strip_prefix("mod ").and_then(|text| text.strip_suffix(';')) {
                module.children.push(name.trim().to_owned());
            } else {
                rest.push_str(&statement);
            }
        }
        module.paths = paths(&rest);
        module
    }
}

/// A `use` with its braces is one statement; all else ends where a brace or a semicolon stands.
fn statements(code: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for piece in code.split_inclusive([';', '{', '}']) {
        match statements.last_mut().filter(|last| is_open_use(last)) {
            Some(last) => last.push_str(piece),
            None => statements.push(piece.to_owned()),
        }
    }
    statements
}

fn is_open_use(statement: &str) -> bool {
    without_visibility(statement).starts_with("use ") && !statement.ends_with(';')
}

/// A statement without what may stand before it: attributes and who may use it.
fn without_visibility(statement: &str) -> &str {
    let mut text = statement.trim_start();
    while text.starts_with("#[") {
        let Some(end) = text.find("]\n") else { break };
        text = text[end + 1..].trim_start();
    }
    let Some(rest) = text.strip_prefix("pub") else { return text };
    let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
    rest.strip_prefix(' ').unwrap_or(text)
}

/// The paths of a `use`: `a::{b, c::{self, d as e}}` are `a::b`, `a::c` and `a::c::d`.
fn flatten(prefix: &[String], tree: &str, imports: &mut Vec<Import>) {
    for part in split_at_depth_zero(tree) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if let Some((head, list)) = part.split_once('{') {
            let head = [prefix, &segments(head.trim().trim_end_matches("::"))].concat();
            flatten(&head, list.trim_end().trim_end_matches('}'), imports);
            continue;
        }
        let (path, alias) = part.split_once(" as ").map_or((part, None), |(path, alias)| (path, Some(alias)));
        let mut path = [prefix, &segments(path)].concat();
        // `a::{self}` names `a`; `self::a` begins here.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(last) = path.last() else { continue };
        imports.push(Import { name: alias.unwrap_or(last).trim().to_owned(), path });
    }
}

fn split_at_depth_zero(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty()).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// Paths in code that begin at the root, at a parent, or with a name.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_part(c)).filter(|word| word.contains("::"));
    words.map(|word| segments(word.trim_end_matches(':'))).filter(|path| !path.is_empty()).collect()
}

impl Source {
    /// A made-up file.
    pub(crate) fn of(path: &str, code: &str) -> Self {
        Self { path: path.to_owned(), module: Vec::new(), code: code.to_owned() }
    }

    /// The names that this file gives to what it names with `use`.
    pub(crate) fn names_of(&self, item: &str) -> Vec<String> {
        let imports = Module::of(&self.code).imports.into_iter();
        let named = imports.filter(|import| import.path.last().is_some_and(|last| last == item));
        named.map(|import| import.name).collect()
    }

    /// The names that this file gives to any of these types, with `use` or as an alias.
    pub(crate) fn names_of_any(&self, types: &BTreeSet<String>) -> Vec<String> {
        if !types.iter().any(|name| self.code.contains(name.as_str())) {
            return Vec::new();
        }
        let imports = Module::of(&self.code).imports.into_iter();
        let imported = imports.filter(|import| import.path.last().is_some_and(|last| types.contains(last)));
        let mut names: Vec<_> = imported.map(|import| import.name).collect();
        for statement in self.code.split(';') {
            let Some((_, alias)) = statement.rsplit_once("type ") else { continue };
            let Some((name, meant)) = alias.split_once('=') else { continue };
            if words(meant).any(|word| types.contains(word)) {
                names.extend(words(name).next().map(str::to_owned));
            }
        }
        names
    }

    /// Whether the code names a crate, in a path or an attribute.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.code.match_indices(name).any(|(index, _)| {
            let before = self.code[..index].chars().next_back();
            let after = &self.code[index + name.len()..];
            // `Self::wasmtime::…` or `crate::kube::…` would be a module of ours.
            !before.is_some_and(|c| c.is_alphanumeric() || "_:\"".contains(c))
                && (after.starts_with("::") || after.starts_with(';'))
        })
    }
}

/// Every file of the library.
pub(crate) fn all() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort();
    files.iter().filter(|file| !file.ends_with("main.rs")).map(|file| source(file)).collect()
}

fn source(file: &Path) -> Source {
    let path = file.strip_prefix(root()).unwrap().display().to_string();
    let mut module = segments(&path.trim_end_matches(".rs").replace('/', "::"));
    module.retain(|segment| segment != "lib");
    let text = fs::read_to_string(file).unwrap();
    // Tests stand last in a file and may use what they like.
    let tests = text.find("mod tests {").and_then(|end| text[..end].rfind("#[cfg(test)]"));
    let code = &text[..tests.unwrap_or(text.len())];
    let code = code.replace("#[cfg(test)]\nmod tests;", "");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    Source { module, code: lines.collect::<Vec<_>>().join("\n"), path }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            files.push(path);
        }
    }
}

/// `tests.rs`, and what lies in a folder of that name.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests.rs" || part.as_os_str() == "tests")
        || path.ends_with("tests.rs")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
