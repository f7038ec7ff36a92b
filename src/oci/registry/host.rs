//! Asks one registry, as whom it knows us, again where that may help, and elsewhere where it may send us.

use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use secrecy::ExposeSecret as _;

use super::RegistryError;
use super::ask::Ask;
use super::challenge::{Challenge, challenges};
use super::client::RegistryClient;
use super::credential::RegistryCredential;
use super::origin::{Bounds, Origin};
use super::response::Answer;
use super::retry::{may_pass, pause, wait};
use super::token::{self, TokenRequest};
use super::transport::{Party, Transport, sensitive};
use crate::oci::OciError;

/// How often a request is sent that fails and does no harm twice.
const MAX_TRIES: u32 = 4;
const MAX_REDIRECTS: usize = 5;

/// One registry, and where it may send us.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) client: Arc<RegistryClient>,
    /// As references name it.
    pub(super) name: String,
    pub(super) origin: Origin,
    bounds: Bounds,
}

/// Who we say that we are.
struct Identity {
    header: HeaderValue,
    /// Whether it stays as it is when it is refused: a token may be made anew.
    is_lasting: bool,
}

impl RegistryClient {
    /// Asks whether a registry knows us by the credential that it is given.
    ///
    /// # Errors
    /// [`RegistryError`] when it does not, or cannot be reached.
    pub async fn check(self: &Arc<Self>, name: &str) -> Result<(), RegistryError> {
        let host = self.host(name)?;
        let ask = Ask::new(Method::GET, host.url("/v2/"), String::new());
        let answer = host.expect(&ask, &[StatusCode::OK]).await?;
        if !answer.with_credential && host.identity(&ask.scope).is_none() {
            return Err(host.broken("it asks nobody who they are, so that nothing was kept for it"));
        }
        Ok(())
    }

    /// The registry that references name so.
    pub(super) fn host(self: &Arc<Self>, name: &str) -> Result<Host, RegistryError> {
        let (origin, token_hosts) = self.settings()?.registry(name)?;
        let bounds = Bounds { registry: origin.clone(), token_hosts };
        Ok(Host { client: Arc::clone(self), name: name.to_owned(), origin, bounds })
    }
}

impl Host {
    /// A URL at this registry. The path consists of checked names.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.origin.is_tls { "https" } else { "http" }, self.origin)
    }

    pub(super) fn transport(&self) -> Result<Arc<Transport>, RegistryError> {
        self.client.transport(&self.name)
    }

    /// The place that an answer names, relative to `base`, if it is at this registry.
    pub(super) fn own_place(&self, base: &str, place: &str) -> Result<String, RegistryError> {
        let checked = absolute(base, place).and_then(|place| self.bounds.own(&place));
        checked.map(|place| place.to_string()).map_err(|error| self.hushed(error))
    }

    /// An error without what a server may have put into it of a credential.
    fn hushed(&self, error: RegistryError) -> RegistryError {
        self.client.secrets.hush(&self.to_string(), error)
    }

    /// An error about a document of the registry, in the same way.
    pub(super) fn hushed_document(&self, error: impl Into<OciError>) -> OciError {
        self.client.secrets.hush_document(&self.to_string(), error.into())
    }

    pub(super) fn broken(&self, why: impl Into<String>) -> RegistryError {
        RegistryError::Protocol { host: self.to_string(), why: why.into() }
    }

    /// Sends a request, says who asks where that is wanted, and tries again what may succeed then.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        if self.client.is_offline()? {
            return Err(RegistryError::Offline { missing: "an answer".into(), place: self.name.clone() });
        }
        let mut tries = 1;
        loop {
            let sent = self.send_as_known(ask).await;
            let wait = match &sent {
                Ok(answer) => wait(answer.status, answer.retry_after(), ask.is_repeatable(), tries),
                Err(error) if ask.is_repeatable() && may_pass(error) => Some(pause(tries)),
                Err(_) => None,
            };
            let Some(wait) = wait.filter(|_| tries < MAX_TRIES) else {
                return sent.map_err(|error| self.hushed(error));
            };
            tokio::time::sleep(wait).await;
            tries += 1;
        }
    }

    /// As [`Self::send`], and the answer is one of those that are expected; any other is an error of the registry.
    pub(super) async fn expect(&self, ask: &Ask, expected: &[StatusCode]) -> Result<Answer, RegistryError> {
        let answer = self.send(ask).await?;
        if expected.contains(&answer.status) { Ok(answer) } else { Err(self.refusal(answer, ask).await) }
    }

    /// The error that an answer is.
    pub(super) async fn refusal(&self, answer: Answer, ask: &Ask) -> RegistryError {
        let (status, host) = (answer.status.as_u16(), answer.host.clone());
        let with_credential = answer.with_credential;
        let said = answer.reason().await;
        let is_push = ask.scope.ends_with("push");
        self.hushed(match status {
            401 | 403 => RegistryError::Denied {
                host,
                action: if is_push { "a push to" } else { "a pull from" },
                repository: ask.scope.split(':').nth(1).unwrap_or_default().to_owned(),
                status,
                said,
                with_credential,
            },
            status => RegistryError::Status { host, status, said },
        })
    }

    async fn send_as_known(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        let known = self.identity(&ask.scope);
        let answer = self.follow(ask, known.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED || answer.host != self.to_string() {
            return Ok(answer);
        }
        // Several requests at once are introduced once.
        let _introducing = self.client.introducing.lock().await;
        let learned =
            self.identity(&ask.scope).filter(|now| known.as_ref().is_none_or(|old| old.header != now.header));
        let identity = match (learned, known) {
            (Some(learned), _) => Some(learned),
            // It does not know us by this, and there is nothing else.
            (None, Some(Identity { is_lasting: true, .. })) => None,
            (None, _) => self.introduce(&answer.headers, &ask.scope).await?,
        };
        match identity {
            Some(identity) => self.follow(ask, Some(&identity)).await,
            None => Ok(answer),
        }
    }

    /// Sends a request, and on to where the answers lead. Only the registry itself is told who asks.
    async fn follow(&self, ask: &Ask, identity: Option<&Identity>) -> Result<Answer, RegistryError> {
        let (mut url, mut at) = (ask.url.clone(), self.origin.clone());
        for _ in 0..=MAX_REDIRECTS {
            let is_own = at == self.origin;
            let header = identity.filter(|_| is_own).map(|identity| &identity.header);
            let request =
                ask.request(&url, header).ok_or_else(|| self.broken("an address cannot be used"))?;
            let transport = self.transport()?;
            let party = match (is_own, self.origin.is_loopback()) {
                (true, _) => Party::Registry,
                // A registry on this machine may send us on to this machine, by whatever name.
                (false, true) => Party::Trusted,
                (false, false) => Party::Foreign,
            };
            let response = transport.send(request, party).await?;
            let answer = Answer::new(response, at.to_string(), transport.patience())
                .asked_by_somebody(identity.is_some() && is_own);
            if !is_redirect(answer.status) || !ask.is_repeatable() {
                return Ok(answer);
            }
            let place = answer.header(&LOCATION).ok_or_else(|| self.broken("a redirect leads nowhere"))?;
            let next = self.bounds.redirect(&at, &absolute(&url, place)?)?;
            at = Origin::of(&next).ok_or_else(|| self.broken("a redirect leads nowhere"))?;
            url = next.to_string();
        }
        Err(self.broken(format!("there are more than {MAX_REDIRECTS} redirects")))
    }

    /// Who we are known as here.
    fn identity(&self, scope: &str) -> Option<Identity> {
        let place = (self.origin.clone(), scope.to_owned());
        if let Some(credential) = self.client.lasting.lock().get(&place) {
            return lasting(credential);
        }
        let tokens = self.client.tokens.lock();
        let token = tokens.get(&place).filter(|token| token.is_fresh())?;
        bearer(token.value.expose_secret())
    }

    /// The header for a request that is sent once, such as an upload, after others were answered.
    pub(super) fn known_as(&self, scope: &str) -> Option<HeaderValue> {
        self.identity(scope).map(|identity| identity.header)
    }

    /// Says who we are in the way that the registry wants; none where there is nothing new to say.
    async fn introduce(&self, headers: &HeaderMap, scope: &str) -> Result<Option<Identity>, RegistryError> {
        let credential = self.credential(scope).await?;
        let offered = challenges(headers);
        let bearer_realm = offered.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Basic => None,
        });
        match (bearer_realm, credential) {
            (Some(_), Some(credential @ RegistryCredential::Token(_))) => {
                let place = (self.origin.clone(), scope.to_owned());
                self.client.lasting.lock().insert(place, credential.clone());
                Ok(lasting(&credential))
            }
            (Some((realm, service)), credential) => {
                let (realm, at) = self.bounds.realm(realm)?;
                let party = if at == self.origin { Party::Registry } else { Party::Trusted };
                let asked = TokenRequest {
                    realm,
                    host: at.to_string(),
                    party,
                    service: service.as_deref(),
                    scope,
                    credential: credential.as_ref(),
                };
                let token = token::make(&*self.transport()?, &asked).await?;
                self.client.secrets.add(token.value.expose_secret());
                let identity = bearer(token.value.expose_secret());
                self.client.tokens.lock().insert((self.origin.clone(), scope.to_owned()), token);
                Ok(identity)
            }
            (None, Some(credential)) if offered.contains(&Challenge::Basic) => {
                let place = (self.origin.clone(), scope.to_owned());
                self.client.lasting.lock().insert(place, credential.clone());
                Ok(lasting(&credential))
            }
            (None, _) => Ok(None),
        }
    }

    /// Programs that keep credentials take their time, on a thread of their own.
    async fn credential(&self, scope: &str) -> Result<Option<RegistryCredential>, RegistryError> {
        let (client, name) = (Arc::clone(&self.client), self.name.clone());
        let repository = scope.split(':').nth(1).unwrap_or_default().to_owned();
        let found = tokio::task::spawn_blocking(move || {
            let settings = client.settings().map_err(|error| error.to_string())?;
            settings.credentials.credential(&name, &repository)
        });
        let found = found.await.unwrap_or_else(|_| Err("looking it up did not come to an end".into()));
        let found = found.map_err(|why| RegistryError::Credential { host: self.name.clone(), why })?;
        if let Some(found) = &found {
            self.client.secrets.add(found.secret());
        }
        Ok(found)
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.origin.fmt(f)
    }
}

/// A credential that is sent as it is.
fn lasting(credential: &RegistryCredential) -> Option<Identity> {
    let header = sensitive(credential.header()?.expose_secret())?;
    Some(Identity { header, is_lasting: true })
}

fn bearer(token: &str) -> Option<Identity> {
    let header = sensitive(&format!("Bearer {token}"))?;
    Some(Identity { header, is_lasting: false })
}

fn is_redirect(status: StatusCode) -> bool {
    [301, 302, 303, 307, 308].contains(&status.as_u16())
}

/// `place`, which an answer from `base` named, as a whole URL.
fn absolute(base: &str, place: &str) -> Result<String, RegistryError> {
    let origin =
        base.parse::<Uri>().ok().and_then(|base| Some((base.scheme()?.clone(), base.authority()?.clone())));
    let Some((scheme, authority)) = origin else { return Ok(place.to_owned()) };
    if place.starts_with("//") {
        Ok(format!("{scheme}:{place}"))
    } else if place.starts_with('/') {
        Ok(format!("{scheme}://{authority}{place}"))
    } else if place.contains("://") {
        Ok(place.to_owned())
    } else {
        let path = base.split(['?', '#']).next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
        Ok(if place.starts_with('?') { format!("{path}{place}") } else { format!("{folder}/{place}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_a_browser_reads_it() {
        let base = "http://r.example:5000/v2/a/blobs/uploads/1?state=x";
        for (place, expected) in [
            ("/v2/b?c=d", "http://r.example:5000/v2/b?c=d"),
            ("2?e=f", "http://r.example:5000/v2/a/blobs/uploads/2?e=f"),
            ("?e=f", "http://r.example:5000/v2/a/blobs/uploads/1?e=f"),
            ("//other.example/x", "http://other.example/x"),
            ("https://other.example/x", "https://other.example/x"),
        ] {
            assert_eq!(absolute(base, place).unwrap(), expected, "{place}");
        }
    }

    #[test]
    fn only_what_leads_on_is_a_redirect() {
        let all = (300..=308).filter(|status| is_redirect(StatusCode::from_u16(*status).unwrap()));
        assert_eq!(all.collect::<Vec<_>>(), [301, 302, 303, 307, 308]);
        assert!(!is_redirect(StatusCode::OK) && !is_redirect(StatusCode::CREATED));
    }
}
