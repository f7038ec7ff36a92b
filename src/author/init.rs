//! Makes a source directory to start from: a small installer in Rust that builds as it is.
//!
//! The host API is copied beside it, so that the source keeps the version that it was written against.

use std::path::Path;

use super::{AuthorError, create_directory};
use crate::oci::file::write;

/// The files, in which `NAME` and `CRATE` stand for names made from that of the directory.
const FILES: [(&str, &str); 10] = [
    (".gitignore", "/dist\n/target\n"),
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("carnet.yaml", include_str!("template/carnet.yaml")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("wit/bundle.wit", include_str!("../../wit/bundle.wit")),
    ("wit/deps/credentials.wit", include_str!("../../wit/deps/credentials.wit")),
    ("wit/deps/files.wit", include_str!("../../wit/deps/files.wit")),
    ("wit/deps/installation.wit", include_str!("../../wit/deps/installation.wit")),
    ("wit/deps/kubernetes.wit", include_str!("../../wit/deps/kubernetes.wit")),
    ("wit/deps/types.wit", include_str!("../../wit/deps/types.wit")),
];

/// Fills a directory that is empty or not there, and gives the name of the bundle that it is for.
///
/// # Errors
/// [`AuthorError::NotEmpty`] when something is in it, and when it cannot be written.
pub fn init(path: &Path) -> Result<String, AuthorError> {
    let system = || AuthorError::system(path);
    let directory = create_directory(path).map_err(system())?;
    if directory.entries().map_err(system())?.next().is_some() {
        return Err(AuthorError::NotEmpty(path.to_owned()));
    }
    // The name comes from the whole path, so that `.` has one as well.
    #[expect(clippy::disallowed_methods, reason = "a relative path has a name only where it is")]
    let whole = std::path::absolute(path).map_err(system())?;
    let name = name(whole.file_name().and_then(|name| name.to_str()));
    directory.create_dir_all("src").and_then(|()| directory.create_dir_all("wit/deps")).map_err(system())?;
    for (file, text) in FILES {
        let text = if file.starts_with("wit/") { text.to_owned() } else { filled(text, &name) };
        write(&directory, file, text.as_bytes())?;
    }
    Ok(name)
}

fn filled(text: &str, name: &str) -> String {
    text.replace("NAME", name).replace("CRATE", &name.replace('-', "_"))
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
    fn a_new_directory_holds_a_source_without_a_mistake() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("My Web");
        assert_eq!(init(&path).unwrap(), "my-web");
        let directory = create_directory(&path).unwrap();
        let source = BundleSource::parse(&directory.read_to_string("carnet.yaml").unwrap()).unwrap();
        assert_eq!(
            (&*source.name, &*source.component),
            ("my-web", "target/wasm32-unknown-unknown/release/my_web.wasm")
        );
        for (file, _) in FILES.iter().filter(|(file, _)| !file.starts_with("wit/")) {
            assert!(!directory.read_to_string(file).unwrap().contains("NAME"), "{file}");
        }
    }

    #[test]
    fn nothing_is_ever_overwritten() {
        let temporary = tempfile::tempdir().unwrap();
        init(&temporary.path().join("web")).unwrap();
        assert!(matches!(init(&temporary.path().join("web")), Err(AuthorError::NotEmpty(_))));
    }

    #[test]
    fn every_directory_has_a_name_that_can_be_used() {
        assert_eq!(name(Some("2048")), "bundle-2048");
        assert_eq!(name(Some("..")), "bundle");
        assert_eq!(name(None), "bundle");
    }
}
