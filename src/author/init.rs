//! Makes a source directory to start from: a small installer that builds as it is, in one of several languages.
//!
//! The host API is copied beside it, so that the source keeps the version that it was written against.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::{AuthorError, create_directory};
use crate::oci::file::write;
use crate::text::CommandLine;

/// A language that a source directory can begin in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// C, with clang.
    C,
    /// JavaScript, with componentize-qjs.
    JavaScript,
    /// Python, with componentize-py.
    Python,
    /// Rust, with cargo.
    #[default]
    Rust,
}

/// A source directory that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The name of the bundle.
    pub name: String,
    /// The language.
    pub language: Language,
    /// The command that builds the component, in the directory.
    pub build: CommandLine,
}

/// A file's place and content.
type File = (&'static str, &'static [u8]);

/// The files that every language has.
const COMMON: [File; 7] = [
    ("carnet.test.yaml", include_bytes!("template/carnet.test.yaml")),
    ("carnet.yaml", include_bytes!("template/carnet.yaml")),
    ("wit/deps/credentials.wit", include_bytes!("../../wit/deps/credentials.wit")),
    ("wit/deps/files.wit", include_bytes!("../../wit/deps/files.wit")),
    ("wit/deps/installation.wit", include_bytes!("../../wit/deps/installation.wit")),
    ("wit/deps/kubernetes.wit", include_bytes!("../../wit/deps/kubernetes.wit")),
    ("wit/deps/types.wit", include_bytes!("../../wit/deps/types.wit")),
];

/// The world of the whole host API. Of that, compilers that know what is called import no more than that.
const WHOLE_WORLD: File = ("wit/bundle.wit", include_bytes!("../../wit/bundle.wit"));

/// A world of one's own, for languages in which a component imports its whole world.
const OWN_WORLD: [File; 2] = [
    ("wit/world.wit", include_bytes!("template/world.wit")),
    ("wit/deps/bundle.wit", include_bytes!("../../wit/bundle.wit")),
];

const C: [File; 7] = [
    WHOLE_WORLD,
    (".gitignore", b"/*.wasm\n/dist\n"),
    ("Makefile", include_bytes!("template/c/Makefile.in")),
    ("bindings/bundle.c", include_bytes!("template/c/bindings/bundle.c")),
    ("bindings/bundle.h", include_bytes!("template/c/bindings/bundle.h")),
    ("bindings/bundle_component_type.o", include_bytes!("template/c/bindings/bundle_component_type.o")),
    ("installer.c", include_bytes!("template/c/installer.c")),
];

const JAVASCRIPT: [File; 5] = [
    OWN_WORLD[0],
    OWN_WORLD[1],
    (".gitignore", b"/*.wasm\n/dist\n/node_modules\n"),
    ("installer.js", include_bytes!("template/javascript/installer.js")),
    ("package.json", include_bytes!("template/javascript/package.json.in")),
];

const PYTHON: [File; 5] = [
    OWN_WORLD[0],
    OWN_WORLD[1],
    (".gitignore", b"/*.wasm\n/dist\n"),
    ("Makefile", include_bytes!("template/python/Makefile.in")),
    ("installer.py", include_bytes!("template/python/installer.py")),
];

const RUST: [File; 4] = [
    WHOLE_WORLD,
    (".gitignore", b"/dist\n/target\n"),
    ("Cargo.toml", include_bytes!("template/rust/Cargo.toml.in")),
    ("src/lib.rs", include_bytes!("template/rust/lib.rs.in")),
];

/// Makes the component of a directory with a `Cargo.toml`.
const CARGO: &str = "cargo build --release --target wasm32-unknown-unknown";

impl Language {
    /// The languages.
    pub const ALL: [Self; 4] = [Self::C, Self::JavaScript, Self::Python, Self::Rust];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::JavaScript => "javascript",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }

    fn files(self) -> Vec<File> {
        let own: &[File] = match self {
            Self::C => &C,
            Self::JavaScript => &JAVASCRIPT,
            Self::Python => &PYTHON,
            Self::Rust => &RUST,
        };
        COMMON.iter().chain(own).copied().collect()
    }

    /// The command that builds the component, in the directory.
    pub fn build(self) -> &'static str {
        match self {
            Self::C | Self::Python => "make",
            Self::JavaScript => "npm install && npm run build",
            Self::Rust => CARGO,
        }
    }

    fn component(self, name: &str) -> String {
        match self {
            Self::Rust => format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")),
            Self::C | Self::JavaScript | Self::Python => format!("{name}.wasm"),
        }
    }
}

/// Fills a directory that is empty or not there with a source in this language.
///
/// # Errors
/// [`AuthorError::NotEmpty`] when something is in it, and when it cannot be written.
pub fn init(path: &Path, language: Language) -> Result<Begun, AuthorError> {
    let system = || AuthorError::system(path);
    let directory = create_directory(path).map_err(system())?;
    if directory.entries().map_err(system())?.next().is_some() {
        return Err(AuthorError::NotEmpty(path.to_owned()));
    }
    // The name comes from the whole path, so that `.` has one as well.
    #[expect(clippy::disallowed_methods, reason = "a relative path has a name only where it is")]
    let whole = std::path::absolute(path).map_err(system())?;
    let name = name(whole.file_name().and_then(|name| name.to_str()));
    for (file, bytes) in language.files() {
        fill(&directory, file, &filled(file, bytes, &name, language)).map_err(system())?;
    }
    Ok(Begun { name, language, build: CommandLine::of(language.build()) })
}

fn fill(directory: &Dir, file: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = PathBuf::from(file);
    directory.create_dir_all(folder.parent().unwrap_or(Path::new("")))?;
    write(directory, file, bytes).map_err(std::io::Error::other)
}

/// A file with the names in it. What was generated, and the host API, are as they are.
fn filled(file: &str, bytes: &[u8], name: &str, language: Language) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !file.starts_with("wit/") && !file.starts_with("bindings/") => text
            .replace("COMPONENT", &language.component(name))
            .replace("BUILD", language.build())
            .replace("NAME", name)
            .into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// A name that cargo and CNAB both take: words of lower-case letters and digits that start with a letter.
fn name(directory: Option<&str>) -> String {
    let text = directory.unwrap_or_default().to_ascii_lowercase();
    let words: Vec<_> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name
    } else {
        format!("bundle-{name}").trim_end_matches('-').into()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;
    use crate::author::source::BundleSource;

    #[test]
    fn a_new_directory_holds_a_source_without_a_mistake_in_every_language() {
        let temporary = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            let path = temporary.path().join(language.name()).join("My Web");
            let begun = init(&path, language).unwrap();
            assert_eq!((&*begun.name, begun.build.as_str()), ("my-web", language.build()));
            let directory = create_directory(&path).unwrap();
            let yaml = directory.read_to_string("carnet.yaml").unwrap();
            let source = BundleSource::parse(&yaml).unwrap();
            assert_eq!((&source.name, &source.component), (&begun.name, &language.component("my-web")));
            assert!(yaml.contains(&format!("`{}`", language.build())), "{yaml}");
            for (file, bytes) in language.files() {
                let written = directory.read(file).unwrap();
                let is_ours = !file.starts_with("wit/") && !file.starts_with("bindings/");
                if is_ours {
                    let text = String::from_utf8(written).unwrap();
                    for word in ["NAME", "COMPONENT", "BUILD"] {
                        assert!(!text.contains(word), "{file}: {word}");
                    }
                } else {
                    assert_eq!(written, bytes, "{file}");
                }
            }
        }
        assert!(Language::Rust.component("my-web").ends_with("/my_web.wasm"));
    }

    #[test]
    fn nothing_is_ever_overwritten() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("web");
        init(&path, Language::Rust).unwrap();
        assert!(matches!(init(&path, Language::C), Err(AuthorError::NotEmpty(_))));
    }

    #[test]
    fn every_directory_has_a_name_that_can_be_used() {
        assert_eq!(name(Some("2048")), "bundle-2048");
        assert_eq!(name(Some("..")), "bundle");
        assert_eq!(name(None), "bundle");
    }
}
