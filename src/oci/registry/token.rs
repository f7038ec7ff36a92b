//! Has tokens made for a repository, where a registry says so (the token protocol of Distribution and of OAuth 2).

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::Instant;

use super::RegistryError;
use super::credential::RegistryCredential;
use super::response::{Answer, Unread};
use super::transport::{Party, RequestBody, Transport, full, no_body, sensitive};
use crate::document;
use crate::text::url::percent_encoded;

/// The longest answer with a token that is read, in bytes.
const MAX_TOKEN: u64 = 256 << 10;

/// How long a token is used that says nothing about it: as the protocol has it. And how long before its end another one
/// is made, since a request takes its time.
const USUAL_LIFE: Duration = Duration::from_secs(60);
const MARGIN: Duration = Duration::from_secs(10);

/// A token for one repository.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: SecretString,
    until: Instant,
}

impl Token {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.until
    }
}

/// The credential that a token is asked for with.
pub(super) struct TokenRequest<'a> {
    pub(super) realm: Uri,
    pub(super) host: String,
    pub(super) party: Party,
    pub(super) service: Option<&'a str>,
    /// `repository:NAME:pull` and the like.
    pub(super) scope: &'a str,
    pub(super) credential: Option<&'a RegistryCredential>,
}

/// Has a token made. An error stays one: a failed request is never repeated as nobody.
pub(super) async fn make(transport: &Transport, asked: &TokenRequest<'_>) -> Result<Token, RegistryError> {
    let broken = |why: &str| RegistryError::Protocol { host: asked.host.clone(), why: why.into() };
    let request = match asked.credential {
        Some(RegistryCredential::Identity(token)) => refresh(asked, token),
        credential => get(asked, credential),
    };
    let request = request.map_err(|_| broken("the address where tokens are made cannot be used"))?;
    let response = transport.send(request, asked.party).await?;
    let answer = Answer::new(response, asked.host.clone(), transport.patience());
    let status = answer.status;
    if !status.is_success() {
        let said = answer.reason().await;
        return Err(match status.as_u16() {
            401 | 403 => RegistryError::Denied {
                host: asked.host.clone(),
                action: "a token for",
                repository: asked.scope.split(':').nth(1).unwrap_or_default().to_owned(),
                status: status.as_u16(),
                said,
                with_credential: asked.credential.is_some(),
            },
            status => RegistryError::Status { host: asked.host.clone(), status, said },
        });
    }
    let bytes = answer.read(MAX_TOKEN).await.map_err(|unread| match unread {
        Unread::TooLong => broken("the answer with the token is too long"),
        Unread::Failed(error) => error,
    })?;
    let answer = document::json(&bytes).map_err(|_| broken("the answer with the token is no JSON"))?;
    token(&answer).ok_or_else(|| broken("the answer has no token that can be used"))
}

fn get(asked: &TokenRequest<'_>, who: Option<&RegistryCredential>) -> http::Result<Request<RequestBody>> {
    let mut url = asked.realm.to_string();
    let mut add = |name: &str, value: &str| {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={}", percent_encoded(value)));
    };
    if let Some(service) = asked.service {
        add("service", service);
    }
    if !asked.scope.is_empty() {
        add("scope", asked.scope);
    }
    let mut request = Request::builder().method(Method::GET).uri(url).header(ACCEPT, "application/json");
    let basic = who.and_then(RegistryCredential::basic);
    if let Some(basic) = basic.and_then(|basic| sensitive(basic.expose_secret())) {
        request = request.header(AUTHORIZATION, basic);
    }
    request.body(no_body())
}

fn refresh(asked: &TokenRequest<'_>, token: &SecretString) -> http::Result<Request<RequestBody>> {
    let form = format!(
        "grant_type=refresh_token&client_id=carnet&service={}&scope={}&refresh_token={}",
        percent_encoded(asked.service.unwrap_or_default()),
        percent_encoded(asked.scope),
        percent_encoded(token.expose_secret())
    );
    Request::builder()
        .method(Method::POST)
        .uri(asked.realm.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(full(form.into()))
}

fn token(answer: &Value) -> Option<Token> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let value = text("token").or_else(|| text("access_token"))?;
    // It becomes a header.
    sensitive(&format!("Bearer {value}"))?;
    let life = answer.get("expires_in").and_then(Value::as_u64).map_or(USUAL_LIFE, Duration::from_secs);
    let life = life.min(Duration::from_secs(3600));
    let until = Instant::now() + life.saturating_sub(MARGIN.min(life / 2));
    Some(Token { value: value.to_owned().into(), until })
}
