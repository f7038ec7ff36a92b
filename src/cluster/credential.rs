//! Who asks: the header of each request, from a token, a password, a file that is read again, or a credential plugin
//! that is run again.
//!
//! kube would make the header as well. It takes a text that no header can hold for a fault of the program and ends it,
//! and shows what a plugin was given and has printed.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tower::BoxError;
use tower::filter::AsyncPredicate;

use crate::document::shortened;

use super::clock::here;
use super::file::read;
use super::plugin::{Issued, Plugin, PluginError};

/// How long before its end a token is no longer used: the request may be under way for a while.
const EARLY: SignedDuration = SignedDuration::from_secs(60);

/// How long a token is used that was read from a file. Whoever keeps the file writes a new one there.
const FILE_TOKEN: SignedDuration = SignedDuration::from_secs(60);

/// The longest token file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The most characters of a path that are shown.
const MAX_PATH: usize = 300;

/// Why there is no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The token file cannot be read.
    #[error("the token file `{}` cannot be read", shown(.0))]
    File(PathBuf),
    /// The plugin gave nothing.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A header cannot hold it.
    #[error("{0} has characters that no header can hold")]
    Text(&'static str),
}

/// Makes the header that says who asks.
#[derive(Clone)]
pub(super) struct RequestCredential(Arc<Mutex<Source>>);

enum Source {
    File { path: PathBuf, held: Held },
    Fixed(HeaderValue),
    Plugin { plugin: Box<Plugin>, held: Held },
}

/// A header, and how long it can be used.
struct Held {
    header: HeaderValue,
    until: Timestamp,
}

impl RequestCredential {
    /// A token that stays as it is.
    pub(super) fn token(token: &SecretString) -> Result<Self, CredentialError> {
        Ok(Self::of(Source::Fixed(bearer(token.expose_secret(), "the token")?)))
    }

    /// A name and a password.
    pub(super) fn password(name: &str, password: &SecretString) -> Result<Self, CredentialError> {
        let pair = STANDARD.encode(format!("{name}:{}", password.expose_secret()));
        Ok(Self::of(Source::Fixed(header(&format!("Basic {pair}"), "the password")?)))
    }

    /// The token in a file. It is read now, so that a file that is not there is known at once.
    pub(super) fn file(path: PathBuf) -> Result<Self, CredentialError> {
        let header = token_in(&path)?;
        let held = Held { header, until: here() + FILE_TOKEN };
        Ok(Self::of(Source::File { path, held }))
    }

    /// The token that a plugin gave, and gives again when that one ends. None: it gave none.
    pub(super) fn issued(plugin: Plugin, issued: &Issued) -> Result<Option<Self>, CredentialError> {
        let Some(token) = &issued.token else { return Ok(None) };
        let header = bearer(token.expose_secret(), "the credential plugin's token")?;
        Ok(Some(Self::of(match issued.expires {
            Some(until) => Source::Plugin { plugin: Box::new(plugin), held: Held { header, until } },
            None => Source::Fixed(header),
        })))
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Mutex::new(source)))
    }

    async fn header(&self) -> Result<HeaderValue, CredentialError> {
        let mut source = self.0.lock().await;
        match &mut *source {
            Source::Fixed(header) => Ok(header.clone()),
            Source::File { path, held } => {
                // As with kubectl, the last token stays in use when the file goes.
                if held.until <= here()
                    && let Ok(header) = token_in(path)
                {
                    *held = Held { header, until: here() + FILE_TOKEN };
                }
                Ok(held.header.clone())
            }
            Source::Plugin { plugin, held } => {
                if held.until <= here() + EARLY {
                    *held = renewed(Plugin::clone(plugin)).await?;
                }
                Ok(held.header.clone())
            }
        }
    }
}

/// Runs the plugin once more, in a thread of its own: it may take its time.
async fn renewed(plugin: Plugin) -> Result<Held, CredentialError> {
    let name = plugin.name();
    let ran = tokio::task::spawn_blocking(move || plugin.run()).await;
    let none = || PluginError::Answer(name.clone(), "it gave no token that ends");
    let issued = ran.map_err(|_| none())??;
    match (issued.token, issued.expires) {
        (Some(token), Some(until)) => {
            Ok(Held { header: bearer(token.expose_secret(), "the credential plugin's token")?, until })
        }
        _ => Err(none().into()),
    }
}

impl<B: Send + 'static> AsyncPredicate<Request<B>> for RequestCredential {
    type Future = Pin<Box<dyn Future<Output = Result<Request<B>, BoxError>> + Send>>;
    type Request = Request<B>;

    fn check(&mut self, mut request: Request<B>) -> Self::Future {
        let credential = self.clone();
        Box::pin(async move {
            request.headers_mut().insert(AUTHORIZATION, credential.header().await?);
            Ok(request)
        })
    }
}

/// The token in a file, without the white space around it.
fn token_in(path: &Path) -> Result<HeaderValue, CredentialError> {
    let text = read(path, MAX_FILE).map_err(|_| CredentialError::File(path.to_owned()))?;
    bearer(text.trim(), "the token in the token file")
}

fn shown(path: &Path) -> String {
    shortened(&path.display().to_string(), MAX_PATH)
}

fn bearer(token: &str, what: &'static str) -> Result<HeaderValue, CredentialError> {
    header(&format!("Bearer {token}"), what)
}

fn header(text: &str, what: &'static str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| CredentialError::Text(what))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use kube::config::ExecConfig;

    use super::*;

    async fn asked(credential: &mut RequestCredential) -> Result<String, String> {
        let request = credential.check(Request::new(())).await.map_err(|error| error.to_string())?;
        Ok(request.headers()[AUTHORIZATION].to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn each_source_has_its_header() {
        let mut token = RequestCredential::token(&"abc".into()).unwrap();
        assert_eq!(asked(&mut token).await, Ok("Bearer abc".into()));
        let mut password = RequestCredential::password("me", &"a\nb".into()).unwrap();
        assert_eq!(asked(&mut password).await, Ok("Basic bWU6YQpi".into()));
    }

    #[test]
    fn what_no_header_can_hold_is_an_error_and_is_not_shown() {
        for text in ["hunter2\n", "hunter2\r\nX: y", "hunter2\0", "hunter2\u{1b}"] {
            let told = RequestCredential::token(&text.into()).err().unwrap().to_string();
            assert_eq!(told, "the token has characters that no header can hold");
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test writes a token file")]
    async fn a_token_file_may_end_in_a_line_break_and_may_go() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc\n").unwrap();
        let mut credential = RequestCredential::file(file.path().into()).unwrap();
        let gone = file.path().to_owned();
        drop(file);
        assert_eq!(asked(&mut credential).await, Ok("Bearer abc".into()));
        assert_eq!(RequestCredential::file(gone.clone()).err(), Some(CredentialError::File(gone)));
    }

    #[tokio::test]
    async fn a_plugin_is_run_again_when_its_token_ends() {
        let answer = |token: &str, expires: &str| {
            format!(
                r#"printf '{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{{"token":"{token}"{expires}}}}}'"#
            )
        };
        let plugin = |script: String| {
            let exec = ExecConfig {
                api_version: Some("client.authentication.k8s.io/v1".into()),
                command: Some("sh".into()),
                args: Some(vec!["-c".into(), script]),
                ..ExecConfig::default()
            };
            Plugin::new(exec).unwrap_or_else(|(member, why)| panic!("{member} {why}"))
        };
        let ending = r#","expirationTimestamp":"2099-01-01T00:00:00Z""#;
        let ended = Issued {
            token: Some("old".into()),
            certificate: None,
            expires: Some("2001-01-01T00:00:00Z".parse().unwrap()),
        };
        let mut credential =
            RequestCredential::issued(plugin(answer("new", ending)), &ended).unwrap().unwrap();
        assert_eq!(asked(&mut credential).await, Ok("Bearer new".into()));
        let mut broken =
            RequestCredential::issued(plugin(answer(r"a\\nhunter2", ending)), &ended).unwrap().unwrap();
        let told = asked(&mut broken).await.unwrap_err();
        assert_eq!(told, "the credential plugin's token has characters that no header can hold");
        let mut endless = RequestCredential::issued(plugin(answer("new", "")), &ended).unwrap().unwrap();
        assert!(asked(&mut endless).await.unwrap_err().contains("it gave no token that ends"));
    }
}
