//! The acting pass under an identity of its own: recorded before it is made, removed however the pass ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use crate::capability::rights::{Minted, Scope};
use crate::grant::{Mint, Review, recorded};
use crate::state::ulid;
use crate::target::cluster::{self, Cluster};
use crate::target::{Change, Target};

use super::run::{Planned, Run};
use super::{Error, Identity, Outcome};

/// What a token outlives the waiting for the target by: the component's own time, and some.
const SPARE: Duration = Duration::from_secs(300);

/// The longest time that removing an identity may take. What is left is removed by the next run.
const PATIENCE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// The acting pass, until it ends or the operator stops it. In a cluster it has an identity of its own, unless nothing
    /// is written or the operator's own is to be used.
    pub(super) async fn act_as_scoped(
        &self,
        mut planned: Planned,
    ) -> Result<(Outcome, BTreeMap<String, Value>), Error> {
        self.dismiss_leftovers(planned.target()).await?;
        let identity = self.identity(&mut planned)?;
        let acted = tokio::select! {
            acted = self.act_as(identity.as_deref(), planned) => acted,
            _ = tokio::signal::ctrl_c() => Err(Error::Canceled),
        };
        if let Some(identity) = identity {
            self.dismiss(&identity).await?;
        }
        acted
    }

    async fn act_as(
        &self,
        identity: Option<&cluster::ScopedIdentity>,
        planned: Planned,
    ) -> Result<(Outcome, BTreeMap<String, Value>), Error> {
        if let Some(identity) = identity {
            if let Err(source) = identity.make().await {
                return Err(refused(identity.minted(), &planned, source).await);
            }
            let scopes: Vec<_> = identity.minted().scopes.iter().map(ToString::to_string).collect();
            let name = &identity.minted().name;
            self.tools.operator.noted(&format!("Acting as {name}, with rights in {}.", scopes.join(", ")));
        }
        self.act(planned).await
    }

    /// An identity for the acting pass, written down, and not made yet.
    fn identity(&self, planned: &mut Planned) -> Result<Option<Arc<cluster::ScopedIdentity>>, Error> {
        if self.order.identity == Identity::Own || !planned.rights.can_write() {
            return Ok(None);
        }
        let mint = self.mint(planned);
        let Target::Cluster(cluster) = planned.target_mut() else { return Ok(None) };
        self.tools.state.identify(&self.order.name, &mint.minted)?;
        let identity = cluster.identity(recorded::mint(mint));
        cluster.assume(Arc::clone(&identity));
        Ok(Some(identity))
    }

    /// Just the rights of the plan. The account is in no namespace that the run makes or removes.
    fn mint(&self, planned: &Planned) -> Mint {
        let lifetime = self.order.timeout + self.patience() + SPARE;
        let touched = |changes: &[Change]| -> BTreeSet<String> {
            let rows = planned.plan.changes.iter().filter(|row| changes.contains(&row.action));
            rows.filter(|row| row.object.group_kind() == "Namespace")
                .map(|row| row.object.name.clone())
                .collect()
        };
        let (made, changed) = (touched(&[Change::Create]), touched(&[Change::Create, Change::Delete]));
        let context = match planned.target() {
            Target::Cluster(cluster) => cluster.namespace().to_owned(),
            Target::Directory(_) => "default".to_owned(),
        };
        let mut homes = vec![self.order.namespace.clone(), context, "default".to_owned()];
        homes.retain(|home| !changed.contains(home));
        homes.dedup();
        let minted = Minted {
            name: format!("carnet-{}", ulid().to_lowercase()),
            owner: format!("{}/{}", self.order.namespace, self.order.name),
            server: self.order.place.server.clone().unwrap_or_default(),
            homes,
            scopes: planned.rights.scopes().cloned().collect(),
            expires: after(lifetime),
        };
        Mint { minted, rights: planned.rights.clone(), lifetime, later: made }
    }

    /// The component's own time.
    fn patience(&self) -> Duration {
        self.decided.granted.as_ref().map(|granted| granted.limits().timeout).unwrap_or_default()
    }

    /// Removes what runs that were cut off left behind. Nobody else acts on the installation now, so they are over.
    async fn dismiss_leftovers(&self, target: &Target) -> Result<(), Error> {
        let Target::Cluster(cluster) = target else { return Ok(()) };
        for minted in self.tools.state.identities(&self.order.name)? {
            if minted.server != cluster.server() {
                continue;
            }
            match dismissed(cluster, &minted).await {
                Ok(()) => self.tools.state.forget_identity(&minted)?,
                Err(error) => self.tools.operator.noted(&left(&minted, &error.to_string())),
            }
        }
        Ok(())
    }

    /// Removes the identity of this run. That it cannot be removed does not undo what was done.
    async fn dismiss(&self, identity: &cluster::ScopedIdentity) -> Result<(), Error> {
        let why = match tokio::time::timeout(PATIENCE, identity.remove()).await {
            Ok(Ok(())) => return Ok(self.tools.state.forget_identity(identity.minted())?),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it took too long".to_owned(),
        };
        self.tools.operator.noted(&left(identity.minted(), &why));
        Ok(())
    }
}

/// Removes all that an identity may consist of.
///
/// # Errors
/// [`cluster::Error`] when something of it is still there.
pub async fn dismissed(cluster: &Cluster, minted: &Minted) -> Result<(), cluster::Error> {
    let permits: Vec<_> = minted.objects().into_iter().map(recorded::delete).collect();
    cluster.dismiss(&permits).await
}

/// Why no identity was made: with everything that the caller lacks, where that is the reason.
async fn refused(minted: &Minted, planned: &Planned, source: cluster::Error) -> Error {
    let mut missing = Vec::new();
    if let (cluster::Error::Denied { .. }, Target::Cluster(cluster)) = (&source, planned.target()) {
        let review = recorded::review(Review(needs(minted, planned)));
        missing = cluster.lacking(&review).await.unwrap_or_default();
    }
    Error::Identity { source, missing }
}

/// What making the identity takes: the rights to make it, and those that are handed to it.
fn needs(minted: &Minted, planned: &Planned) -> Vec<(Scope, crate::capability::rights::PolicyRule)> {
    let rights = &planned.rights;
    let given = rights
        .scopes()
        .flat_map(|scope| rights.rules(scope).into_iter().map(|justified| (scope.clone(), justified.rule)));
    minted.cost().into_iter().chain(given).collect()
}

fn left(minted: &Minted, why: &str) -> String {
    format!("{} was not removed ({why}): the next run does it, or `carnet doctor --fix`.", minted.name)
}

/// The time in a while (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "what is left behind says when it is of no more use")]
fn after(while_: Duration) -> String {
    let while_ = SignedDuration::try_from(while_).unwrap_or_default();
    let end = jiff::Timestamp::now().checked_add(while_).unwrap_or(jiff::Timestamp::MAX);
    end.round(jiff::Unit::Second).unwrap_or(end).to_string()
}
