//! An identity for one run: a ServiceAccount with just the rights of the confirmed plan, a token for minutes, and a
//! client that carries this token and nothing of the caller's.
//!
//! The caller's client makes it and removes it. The server itself makes sure that nobody hands out what they do not
//! hold. A binding of ours names the account that was just made, and never another one.

mod parts;
mod home;
mod kubeconfig;
mod leftovers;
mod review;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::grant::{Delete, Mint, Permitted};
use crate::kubernetes::api::{AUTHENTICATION, v1};
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::metadata::{EXPIRES, IDENTITY, OWNER};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{IdentityRecord, Rights, RoleScope, account, body};
use crate::sync::Mutex;

use super::request::ApiRequest;
use super::response::ApiResponse;
use super::server::Server;
use super::status::{Error, path_of};
use super::write_right::WriteRight;

pub use home::{HOME, namespace_body};
pub use kubeconfig::{is_ours, written_for};
pub use leftovers::{Leftover, leftovers};
pub use review::missing_rights;

/// How long a 403 may be due to propagation: each API server caches roles and bindings, and learns of new ones a moment
/// later.
const SETTLING: Duration = Duration::from_secs(5);

/// The first pause before a request is sent again for that reason; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(4);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The shortest life of a token that the server accepts.
const SHORTEST_LIFE: u64 = 600;

/// An identity that is made for one run, and removed at its end.
pub struct ScopedIdentity {
    /// The server, asked as the caller.
    caller: Server,
    mint: Permitted<Mint>,
    /// Proved before anything of it is made.
    right: Option<Arc<dyn WriteRight>>,
    /// Held while something is made, so that everybody else waits for it.
    made: tokio::sync::Mutex<Made>,
    live: Mutex<Option<Live>>,
}

/// The parts of an identity that were made.
#[derive(Default)]
struct Made {
    /// The namespaces that the account was tried in; it is in the last one.
    namespaces: Vec<String>,
    /// Where roles were tried.
    begun: BTreeSet<RoleScope>,
    /// Where it has its rights.
    scopes: BTreeSet<RoleScope>,
    /// Whether it was made a second time.
    renewed: bool,
}

/// An identity that can be used.
#[derive(Clone)]
struct Live {
    /// The server, asked as this identity.
    server: Server,
    /// When it was last given rights.
    since: Instant,
    token: SecretString,
    /// How many tokens there were before this one.
    earlier: u32,
}

/// Removes the objects of an identity, as the caller: those that say themselves that they are parts of it, and act for
/// the installation `owner`. Returns how many there were.
///
/// # Errors
/// [`Error`] when something of it is still there.
pub async fn remove(caller: &Server, owner: &str, permits: &[Permitted<Delete>]) -> Result<usize, Error> {
    parts::remove(caller, owner, permits.iter().map(|permit| &permit.0)).await
}

impl ScopedIdentity {
    /// Prepares an identity, to be made by this caller as long as a right is held. Sends nothing.
    pub fn new(caller: &Server, permit: Permitted<Mint>, right: Option<Arc<dyn WriteRight>>) -> Arc<Self> {
        Arc::new(Self {
            caller: caller.clone(),
            mint: permit,
            right,
            made: tokio::sync::Mutex::default(),
            live: Mutex::default(),
        })
    }

    /// The record of it, to be written before it is made.
    pub fn record(&self) -> &IdentityRecord {
        &self.mint.record
    }

    /// Makes it: the account and the roles, then the bindings and a token. Rights in namespaces that the run makes
    /// itself follow when they are needed.
    ///
    /// # Errors
    /// [`Error`] when it cannot be made; part of it may be there then.
    pub async fn make(&self) -> Result<(), Error> {
        let mut made = self.made.lock().await;
        self.prove_anew().await?;
        if let Some(home) = self.record().namespaces.first().filter(|_| self.record().is_apart) {
            home::prepare(&self.caller, home).await?;
        }
        let is_now = |scope: &&RoleScope| scope.namespace().is_none_or(|it| !self.mint.later.contains(it));
        let scopes: Vec<_> = self.record().scopes.iter().filter(is_now).collect();
        made.begun.extend(scopes.iter().map(|scope| (*scope).clone()));
        let roles = join_all(scopes.iter().map(|scope| self.make_role(scope)));
        let (home, roles) = join(self.make_account(&mut made), roles).await;
        let home: String = home?;
        let mut present: Vec<&RoleScope> = Vec::new();
        for (scope, is_there) in scopes.into_iter().zip(roles) {
            present.extend(is_there?.then_some(scope));
        }
        let bindings = join_all(present.iter().map(|scope| self.make_binding(scope, &home)));
        let (token, bindings) = join(self.token(&home), bindings).await;
        bindings.into_iter().collect::<Result<(), _>>()?;
        made.scopes.extend(present.into_iter().cloned());
        self.go_live(token?)
    }

    /// Removes all that was made of it.
    ///
    /// # Errors
    /// [`Error`] when something of it is still there.
    pub async fn remove(&self) -> Result<(), Error> {
        let made = self.made.lock().await;
        let there = IdentityRecord {
            namespaces: made.namespaces.clone(),
            scopes: made.begun.clone(),
            ..self.record().clone()
        };
        parts::remove(&self.caller, &there.owner, &there.objects()).await.map(drop)
    }

    /// A kubeconfig by which anybody can act as this identity, until its token runs out. It says what it is: so it can
    /// be told from other files, and all of it can be removed.
    ///
    /// # Errors
    /// [`Error::IdentityRevoked`] unless it was made, with all rights that it is to have.
    pub async fn kubeconfig(&self, namespace: &str) -> Result<SecretString, Error> {
        let made = self.made.lock().await;
        let live =
            self.live().filter(|_| made.scopes == self.record().scopes).ok_or(Error::IdentityRevoked)?;
        let there = IdentityRecord { namespaces: made.namespaces.clone(), ..self.record().clone() };
        Ok(kubeconfig::leading_to(self.caller.endpoint(), &there, namespace, &live.token).to_string().into())
    }

    /// Sends a request as this identity. Rights in new namespaces are given first. A 403 soon after that is retried
    /// until the rights have had time to propagate.
    pub(crate) async fn send(&self, request: &ApiRequest) -> Result<ApiResponse, Error> {
        if let Some(namespace) = request.namespace()
            && !self.enter(namespace).await?
        {
            return Ok(request.without_namespace());
        }
        let mut pause = PAUSE;
        loop {
            let live = self.live().ok_or(Error::IdentityRevoked)?;
            let response = live.server.send(request).await?;
            let is_settling = live.since.elapsed() < SETTLING;
            match response.status {
                StatusCode::FORBIDDEN if !self.lacks_right(&response) => return Ok(response),
                StatusCode::UNAUTHORIZED if !is_settling => self.renew(live.earlier).await?,
                StatusCode::FORBIDDEN if !is_settling => {
                    self.prove_anew().await?;
                    return Ok(response);
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    // Who ends a run's hold takes its identity away: then nothing is to be waited for.
                    self.prove().await?;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                StatusCode::UNPROCESSABLE_ENTITY if is_settling && response.lacks_parameters() => {
                    self.prove().await?;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                _ => return Ok(response),
            }
        }
    }

    /// Gives rights in a namespace that was not there before. False: it is still not there.
    async fn enter(&self, namespace: &str) -> Result<bool, Error> {
        let scope = RoleScope::Namespace(namespace.to_owned());
        let mut made = self.made.lock().await;
        if made.scopes.contains(&scope) || !self.record().scopes.contains(&scope) {
            return Ok(true);
        }
        let Some(home) = made.namespaces.last().cloned() else { return Err(Error::IdentityRevoked) };
        self.prove_anew().await?;
        made.begun.insert(scope.clone());
        if !self.make_role(&scope).await? {
            return Ok(false);
        }
        self.make_binding(&scope, &home).await?;
        made.scopes.insert(scope);
        self.settle_again();
        Ok(true)
    }

    /// Makes account and token once more, after the token has run out or the account has vanished.
    async fn renew(&self, earlier: u32) -> Result<(), Error> {
        let mut made = self.made.lock().await;
        self.prove_anew().await?;
        if self.live().is_some_and(|live| live.earlier != earlier) {
            return Ok(());
        }
        let Some(home) = made.namespaces.last().cloned().filter(|_| !made.renewed) else {
            return Err(Error::IdentityRevoked);
        };
        made.renewed = true;
        let account = account(&home, &self.record().name);
        self.apply(&account, body(&account)).await?;
        self.go_live(self.token(&home).await?)
    }

    /// Makes the account in the first namespace that is there.
    async fn make_account(&self, made: &mut Made) -> Result<String, Error> {
        let mut missing = Error::IdentityRevoked;
        for home in &self.record().namespaces {
            made.namespaces.push(home.clone());
            let account = account(home, &self.record().name);
            match self.apply(&account, body(&account)).await {
                Ok(()) => return Ok(home.clone()),
                Err(error @ Error::NoNamespace { .. }) => missing = error,
                Err(error) => return Err(error),
            }
        }
        Err(missing)
    }

    /// False: the namespace is not there.
    async fn make_role(&self, scope: &RoleScope) -> Result<bool, Error> {
        let name = &self.record().name;
        match self.apply(&scope.role(name), self.mint.rights.role(scope, name)).await {
            Ok(()) => Ok(true),
            Err(Error::NoNamespace { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn make_binding(&self, scope: &RoleScope, home: &str) -> Result<(), Error> {
        let name = &self.record().name;
        let binding = Rights::binding(scope, name, &account(home, name));
        self.apply(&scope.binding(name), binding).await
    }

    async fn token(&self, home: &str) -> Result<SecretString, Error> {
        let account = account(home, &self.record().name);
        let seconds = self.mint.lifetime.as_secs().max(SHORTEST_LIFE);
        let request = json!({ "apiVersion": v1(AUTHENTICATION), "kind": "TokenRequest",
            "spec": { "expirationSeconds": seconds } });
        let url = format!("{}/token", path_of(&account, &Kinds::default())?);
        let response = self.caller.send(&ApiRequest::post(url, &request)).await?;
        let response = response.accepted("get a token of", &account)?;
        let token = response.text_at("/status/token").map(SecretString::from);
        token.ok_or_else(|| Error::unusable(&account, "it has no token"))
    }

    async fn apply(&self, object: &ObjectRef, mut body: Value) -> Result<(), Error> {
        let IdentityRecord { name, owner, expires, .. } = self.record();
        let metadata = &mut body["metadata"];
        metadata["labels"] = json!({ IDENTITY: name });
        metadata["annotations"][OWNER] = owner.clone().into();
        metadata["annotations"][EXPIRES] = expires.clone().into();
        parts::apply(&self.caller, object, &body).await
    }

    /// Proves that a run of its own goes on.
    async fn prove(&self) -> Result<(), Error> {
        match &self.right {
            Some(right) => right.proved().await,
            None => Ok(()),
        }
    }

    async fn prove_anew(&self) -> Result<(), Error> {
        match &self.right {
            Some(right) => right.proved_anew().await,
            None => Ok(()),
        }
    }

    fn go_live(&self, token: SecretString) -> Result<(), Error> {
        let server = self.caller.with_token(token.clone());
        let server = server.map_err(|error| Error::Unavailable(error.to_string()))?;
        let mut live = self.live.lock();
        let earlier = live.as_ref().map_or(0, |live| live.earlier + 1);
        *live = Some(Live { server, since: Instant::now(), token, earlier });
        Ok(())
    }

    fn settle_again(&self) {
        if let Some(live) = &mut *self.live.lock() {
            live.since = Instant::now();
        }
    }

    fn live(&self) -> Option<Live> {
        self.live.lock().clone()
    }

    /// Whether the server refuses because this identity lacks a right, rather than because of what was sent.
    fn lacks_right(&self, response: &ApiResponse) -> bool {
        let name = format!(":{}\" cannot ", self.record().name);
        response.text_at("/message").is_some_and(|message| {
            message.contains("User \"system:serviceaccount:") && message.contains(&name)
        })
    }
}
