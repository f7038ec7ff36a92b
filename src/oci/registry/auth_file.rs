//! Reads and writes the file in which container tools keep credentials (Docker's `config.json`, `auth.json` of the
//! containers' libraries), and asks the programs that it names for them.
//!
//! None of a value is in an error: most of them are secret.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::credential::{RegistryCredential, RegistryCredentials};
use super::helper;
use crate::document;

/// The name of Docker's own registry in these files.
const DOCKER: &str = "docker.io";
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The files, in the order in which they are looked into.
#[derive(Debug, Clone, Default)]
pub struct AuthFiles {
    /// Those that are there are read; the first is written.
    pub files: Vec<PathBuf>,
}

/// A file with credentials.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AuthFile(Map<String, Value>);

impl RegistryCredentials for AuthFiles {
    fn credential(&self, registry: &str, repository: &str) -> Result<Option<RegistryCredential>, String> {
        for path in &self.files {
            if let Some(file) = AuthFile::read(path)?
                && let Some(found) = file.credential(registry, repository, path)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl AuthFiles {
    /// Keeps a user and password for a registry: by the program that the first file names for that, else in the file.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn keep(&self, registry: &str, user: &str, password: &SecretString) -> Result<(), String> {
        let path =
            self.files.first().ok_or("no file for credentials is known: set HOME or REGISTRY_AUTH_FILE")?;
        let mut file = AuthFile::read(path)?.unwrap_or_default();
        if let Some(helper) = file.helper(registry).map_err(at(path))? {
            return helper::store(&helper, key_of(registry), user, password);
        }
        let both = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        let change = |auths: &mut Map<String, Value>| {
            auths.insert(key_of(registry).to_owned(), json!({ "auth": both }))
        };
        file.change(change).map_err(at(path))?;
        file.write(path)
    }

    /// Forgets what is kept for a registry. Says whether there was anything.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn forget(&self, registry: &str) -> Result<bool, String> {
        let mut was_known = false;
        for path in &self.files {
            was_known |= forget_in(path, registry)?;
        }
        Ok(was_known)
    }
}

/// Forgets what one file keeps.
fn forget_in(path: &Path, registry: &str) -> Result<bool, String> {
    let Some(mut file) = AuthFile::read(path)? else { return Ok(false) };
    let was_helped = match file.helper(registry).map_err(at(path))? {
        Some(helper) => {
            helper::get(&helper, key_of(registry))?.is_some() && {
                helper::erase(&helper, key_of(registry))?;
                true
            }
        }
        None => false,
    };
    let forget = |auths: &mut Map<String, Value>| {
        let before = auths.len();
        auths.retain(|key, _| host_of(key) != registry);
        auths.len() != before
    };
    let was_listed = file.change(forget).map_err(at(path))?;
    if was_listed {
        file.write(path)?;
    }
    Ok(was_helped || was_listed)
}

/// An error about a member of a file, with the file.
fn at(path: &Path) -> impl Fn(String) -> String {
    move |why| format!("`{}`: {why}", path.display())
}

impl AuthFile {
    fn read(path: &Path) -> Result<Option<Self>, String> {
        let told = |why: &str| format!("`{}` {why}", path.display());
        let bytes = match super::super::file::read_named(path, MAX_FILE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => {
                return Err(told(&format!("cannot be read: {}", document::visible(&error.to_string()))));
            }
        };
        Self::parse(&bytes).map(Some).map_err(told)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match document::json(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err("is no JSON object that can be read"),
        }
    }

    /// The credential for a repository: the program named for its registry, then the longest name in `auths`.
    fn credential(
        &self,
        registry: &str,
        repository: &str,
        path: &Path,
    ) -> Result<Option<RegistryCredential>, String> {
        if let Some(helper) = self.helper(registry).map_err(at(path))?
            && let Some(found) = helper::get(&helper, key_of(registry))?
        {
            return Ok(Some(found));
        }
        self.listed(registry, repository).map_err(at(path))
    }

    pub(super) fn listed(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<RegistryCredential>, String> {
        let Some(auths) = self.object("auths")? else { return Ok(None) };
        let mut place = format!("{registry}/{repository}");
        loop {
            let found = auths.iter().find(|(key, _)| **key == place);
            if let Some((key, entry)) = found {
                return read_entry(key, entry);
            }
            match place.rsplit_once('/') {
                Some((shorter, _)) => place.truncate(shorter.len()),
                None => break,
            }
        }
        match auths.iter().find(|(key, _)| host_of(key) == registry) {
            Some((key, entry)) => read_entry(key, entry),
            None => Ok(None),
        }
    }

    /// The program that keeps credentials for a registry.
    fn helper(&self, registry: &str) -> Result<Option<String>, String> {
        let own = self.object("credHelpers")?;
        let own = own.and_then(|helpers| helpers.get(registry).or_else(|| helpers.get(key_of(registry))));
        match own.or_else(|| self.0.get("credsStore")) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.clone()).filter(|name| !name.is_empty())),
            Some(_) if own.is_some() => Err("a member of `credHelpers` is no text".into()),
            Some(_) => Err("the member `credsStore` is no text".into()),
        }
    }

    /// A member that is an object, or not there. Anything else would be as if nothing was said, which is not what was meant.
    fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(format!("the member `{name}` is no object")),
        }
    }

    /// Changes the list of entries.
    fn change<T>(&mut self, change: impl FnOnce(&mut Map<String, Value>) -> T) -> Result<T, String> {
        let mut auths = self.object("auths")?.cloned().unwrap_or_default();
        let changed = change(&mut auths);
        self.0.insert("auths".into(), auths.into());
        Ok(changed)
    }

    fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.0).unwrap_or_default() + "\n";
        super::super::file::write_named_private(path, text.as_bytes()).map_err(|error| {
            format!("`{}` cannot be written: {}", path.display(), document::visible(&error.to_string()))
        })
    }
}

/// The name under which a registry stands in these files, and is known to the programs that they name.
fn key_of(registry: &str) -> &str {
    if registry == DOCKER { DOCKER_KEY } else { registry }
}

/// The registry that a name in these files is about. Older ones are URLs.
fn host_of(key: &str) -> &str {
    if key == DOCKER_KEY || key == "index.docker.io" {
        return DOCKER;
    }
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    match rest {
        // Of a URL, as Docker wrote them of old, the host counts.
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        // Of a name with a path, it is a part of the registry alone.
        None => key.trim_end_matches('/'),
    }
}

fn read_entry(key: &str, entry: &Value) -> Result<Option<RegistryCredential>, String> {
    credential_in(entry).map_err(|why| format!("the entry `{}` of `auths` {why}", document::visible(key)))
}

fn credential_in(entry: &Value) -> Result<Option<RegistryCredential>, &'static str> {
    if !entry.is_object() && !entry.is_null() {
        return Err("is no object: `carnet login` writes one");
    }
    let text = |name: &str| match entry.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err("has a member that is no text"),
    };
    if let Some(token) = text("identitytoken")? {
        return Ok(Some(RegistryCredential::Identity(token.into())));
    }
    if let Some(token) = text("registrytoken")? {
        return Ok(Some(RegistryCredential::Token(token.into())));
    }
    let (user, password) = match (text("auth")?, text("username")?, text("password")?) {
        (Some(auth), ..) => {
            let bytes = STANDARD.decode(auth.trim()).map_err(|_| "has an `auth` that is no base64")?;
            let both = String::from_utf8(bytes).map_err(|_| "has an `auth` that is no text")?;
            let (user, password) = both.split_once(':').ok_or("has an `auth` without a colon")?;
            // Docker ends some of them with a zero byte.
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        }
        (None, Some(user), Some(password)) => (user, password),
        _ => return Ok(None),
    };
    if user.chars().chain(password.chars()).any(char::is_control) {
        return Err("has a user or password with characters that no header can hold");
    }
    Ok(Some(RegistryCredential::Password { user, password: password.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(value: &Value) -> AuthFile {
        AuthFile::parse(value.to_string().as_bytes()).unwrap()
    }

    fn found(file: &AuthFile, registry: &str, repository: &str) -> String {
        match file.listed(registry, repository) {
            Ok(Some(RegistryCredential::Password { user, password })) => {
                format!("{user}:{}", password.expose_secret())
            }
            Ok(Some(RegistryCredential::Identity(token))) => format!("identity {}", token.expose_secret()),
            Ok(Some(RegistryCredential::Token(token))) => format!("token {}", token.expose_secret()),
            Ok(None) => "nobody".into(),
            Err(why) => why,
        }
    }

    fn auth(text: &str) -> Value {
        json!({ "auth": STANDARD.encode(text) })
    }

    #[test]
    fn entries_are_found_as_the_tools_write_them() {
        let file = file(&json!({"auths": {
            "https://index.docker.io/v1/": auth("docker:a"),
            "registry.example": auth("host:b:with:colons"),
            "registry.example/acme": auth("acme:c"),
            "registry.example/acme/web": auth("web:d\0"),
            "https://old.example/v1/": auth("old:e"),
            "port.example:5000": {"username": "plain", "password": "f"},
            "token.example": {"auth": "", "identitytoken": "g"},
            "fixed.example": {"registrytoken": "h"},
            "empty.example": {},
        }}));
        for (registry, repository, expected) in [
            ("docker.io", "library/x", "docker:a"),
            ("registry.example", "other/web", "host:b:with:colons"),
            ("registry.example", "acme/web", "web:d"),
            ("registry.example", "acme/web/more", "web:d"),
            ("registry.example", "acme/website", "acme:c"),
            ("registry.example", "acme-evil/x", "host:b:with:colons"),
            ("old.example", "x", "old:e"),
            ("port.example:5000", "x", "plain:f"),
            ("port.example", "x", "nobody"),
            ("port.example:5001", "x", "nobody"),
            ("token.example", "x", "identity g"),
            ("fixed.example", "x", "token h"),
            ("empty.example", "x", "nobody"),
            ("evil.example", "registry.example", "nobody"),
            ("example", "x", "nobody"),
        ] {
            assert_eq!(found(&file, registry, repository), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_any_of_it() {
        for entry in [
            json!("hunter2"),
            json!(["hunter2"]),
            json!({"auth": "hunter2!"}),
            json!({"auth": STANDARD.encode("hunter2")}),
            json!({"auth": STANDARD.encode("user:hunter2\nX-Evil: 1")}),
            json!({"auth": STANDARD.encode([b'h', 0xff])}),
            json!({"auth": ["hunter2"]}),
            json!({"identitytoken": {"x": "hunter2"}}),
        ] {
            let told = found(&file(&json!({"auths": {"a.example": entry.clone()}})), "a.example", "x");
            assert!(told.starts_with("the entry `a.example` of `auths` "), "{entry} {told}");
            assert!(!told.contains("hunter2"), "{entry} {told}");
            // Entries that nobody asks for are nobody's matter.
            assert_eq!(found(&file(&json!({"auths": {"a.example": entry}})), "b.example", "x"), "nobody");
        }
        for (other, told) in [
            (json!({"auths": "hunter2"}), "the member `auths` is no object"),
            (json!({"auths": [{"hunter2": {}}]}), "the member `auths` is no object"),
            (json!({"auths": null}), "nobody"),
            (json!({"auths": {"a.example": null}}), "nobody"),
        ] {
            assert_eq!(found(&file(&other), "a.example", "x"), told);
        }
        assert!(AuthFile::parse(b"[]").is_err() && AuthFile::parse(b"{").is_err());
        assert_eq!(AuthFile::parse(b" \n"), Ok(AuthFile::default()));
    }

    #[test]
    fn a_program_is_named_for_one_registry_or_for_all() {
        let named = file(&json!({"credHelpers": {"a.example": "one"}, "credsStore": "all"}));
        assert_eq!(named.helper("a.example"), Ok(Some("one".into())));
        assert_eq!(named.helper("b.example"), Ok(Some("all".into())));
        assert_eq!(file(&json!({"credHelpers": {"a.example": "one"}})).helper("b.example"), Ok(None));
        assert_eq!(file(&json!({"credsStore": ""})).helper("b.example"), Ok(None));
        for wrong in [
            json!({"credHelpers": "hunter2"}),
            json!({"credHelpers": {"a.example": ["hunter2"]}, "credsStore": "all"}),
            json!({"credsStore": {"hunter2": 1}}),
        ] {
            let told = file(&wrong).helper("a.example").unwrap_err();
            assert!(told.contains("cred") && !told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test looks at the file and changes it")]
    fn what_is_kept_is_found_and_what_others_wrote_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/config.json");
        let files = AuthFiles { files: vec![path.clone()] };
        files.keep("a.example", "somebody", &"hunter2".to_owned().into()).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text = text.replacen('{', "{\"psFormat\": \"{{json .}}\",", 1);
        std::fs::write(&path, text).unwrap();
        files.keep("docker.io", "other", &"b".to_owned().into()).unwrap();
        let read = AuthFile::read(&path).unwrap().unwrap();
        assert_eq!(found(&read, "a.example", "x"), "somebody:hunter2");
        assert_eq!(found(&read, "docker.io", "x"), "other:b");
        assert_eq!(read.0["psFormat"], "{{json .}}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(home.path().join("odd.json"), r#"{"auths": ["x"]}"#).unwrap();
        let odd = AuthFiles { files: vec![home.path().join("odd.json")] };
        let kept = odd.keep("a.example", "somebody", &"hunter2".to_owned().into());
        assert!(kept.unwrap_err().ends_with("odd.json`: the member `auths` is no object"));
        assert_eq!(std::fs::read(home.path().join("odd.json")).unwrap(), br#"{"auths": ["x"]}"#);
        assert!(files.forget("a.example").unwrap());
        assert!(!files.forget("a.example").unwrap());
        let read = AuthFile::read(&path).unwrap().unwrap();
        assert_eq!(found(&read, "a.example", "x"), "nobody");
        assert_eq!(found(&read, "docker.io", "x"), "other:b");
    }
}
