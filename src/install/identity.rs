//! An identity for the acting pass: recorded before it is made, made before anything else is recorded, and removed
//! however the pass ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use ulid::Ulid;

use crate::cluster::identity::HOME;
use crate::cluster::{self, ScopedIdentity, Server};
use crate::document::chain;
use crate::grant::beside;
use crate::grant::identity::parts;
use crate::host::progress::RunEvent;
use crate::kubernetes::rbac::{IdentityName, IdentityRecord, PolicyRule, Rights, RoleScope};
use crate::plan::{Confirmed, Plan};
use crate::state::InstallationLock;
use crate::targets::Target;

use super::planning::PlannedRun;
use super::run::Run;
use super::{Error, Identity};

/// The margin by which a token outlives the time limits of the run.
const SPARE: Duration = Duration::from_secs(300);

/// The longest time that removing an identity may take. The next run removes the rest.
const PATIENCE: Duration = Duration::from_secs(10);

impl Run<'_> {
    /// Makes the identity. What could not be made is left to the caller to remove.
    pub(super) async fn make(&self, identity: &ScopedIdentity, planned: &PlannedRun) -> Result<(), Error> {
        let made = tokio::select! {
            made = identity.make() => made,
            () = self.environment.cancellation.canceled() => return Err(Error::Canceled),
        };
        if let Err(source) = made {
            return Err(refused(identity.record(), planned, source).await);
        }
        let IdentityRecord { name, scopes, .. } = identity.record();
        let scopes = scopes.iter().map(ToString::to_string).collect();
        self.environment.approver.noted(&RunEvent::ActingAs { identity: name.clone(), scopes });
        Ok(())
    }

    /// An identity for the acting pass, written down, and not made yet.
    pub(super) fn identity(
        &self,
        planned: &mut PlannedRun,
        confirmed: &Confirmed,
        lock: Option<&InstallationLock>,
    ) -> Result<Option<Arc<ScopedIdentity>>, Error> {
        if self.operation.options.identity == Identity::Own || !planned.proposed.acting_rights().can_write() {
            return Ok(None);
        }
        let own_time = self.actor.granted().map(|granted| granted.limits().timeout);
        let lifetime = self.operation.options.timeout + own_time.unwrap_or_default() + SPARE;
        let Target::Cluster(cluster) = planned.target() else { return Ok(None) };
        let home = self.operation.options.identity_namespace.as_deref();
        let rights = planned.proposed.acting_rights();
        let record = identity_record(planned.plan(), rights, cluster.server(), (lifetime, home));
        self.environment.state.identify(&self.operation.name, &record)?;
        let right = lock.and_then(InstallationLock::write_right);
        let identity = ScopedIdentity::new(cluster.server(), confirmed.mint(record, lifetime), right);
        if let Target::Cluster(cluster) = planned.target_mut() {
            cluster.assume(Arc::clone(&identity));
        }
        Ok(Some(identity))
    }

    /// Removes identities that interrupted runs left behind. The lock is held, so no such run is still in progress.
    pub(super) async fn remove_leftovers(&self, target: &Target) -> Result<(), Error> {
        let Target::Cluster(cluster) = target else { return Ok(()) };
        let identities = self.environment.state.identities(Some(&self.operation.name))?;
        for fault in &identities.unreadable {
            self.environment.approver.noted(&RunEvent::IdentityUnread { why: chain(fault) });
        }
        for record in identities.readable {
            match remove_identity(cluster.server(), &record).await {
                // A cluster may have several addresses, and another cluster has nothing of this name.
                Ok(0) if record.server != cluster.server().address() => {}
                Ok(_) => self.environment.state.forget_identity(&record)?,
                Err(error) => self.environment.approver.noted(&left(&record, &error)),
            }
        }
        Ok(())
    }

    /// Removes the identity of this run. A failure to remove it does not fail the run.
    pub(super) async fn remove(&self, identity: &ScopedIdentity) -> Result<(), Error> {
        let event = match tokio::time::timeout(PATIENCE, identity.remove()).await {
            Ok(Ok(())) => return Ok(self.environment.state.forget_identity(identity.record())?),
            Ok(Err(error)) => left(identity.record(), &error),
            Err(_) => {
                let (identity, why) = (identity.record().name.clone(), "it took too long".to_owned());
                RunEvent::IdentityLeft { identity, why }
            }
        };
        self.environment.approver.noted(&event);
        Ok(())
    }
}

/// An identity for the run of a plan. Its account is in the installation's namespace if it has no rights beyond that
/// one, else in one that is set apart for such accounts: whoever may edit the installation's objects must not get at
/// it.
pub fn identity_record(
    plan: &Plan,
    rights: &Rights,
    server: &Server,
    (lifetime, home): (Duration, Option<&str>),
) -> IdentityRecord {
    let here = &plan.installation.namespace;
    let is_apart = home.is_some() || goes_beyond(rights, here);
    let namespace = if is_apart { home.unwrap_or(HOME) } else { here };
    IdentityRecord {
        name: IdentityName::of(Ulid::generate()).into(),
        owner: format!("{here}/{}", plan.installation.name),
        server: server.address().to_owned(),
        namespaces: vec![namespace.to_owned()],
        is_apart,
        scopes: rights.scopes().cloned().collect(),
        expires: after(lifetime),
    }
}

/// Whether any of these rights is held elsewhere than in one namespace.
pub fn goes_beyond(rights: &Rights, namespace: &str) -> bool {
    rights.scopes().any(|scope| scope.namespace() != Some(namespace))
}

/// The rights that making an identity needs: those to create its objects, and those that it is granted.
pub fn required_rights(record: &IdentityRecord, rights: &Rights) -> Vec<(RoleScope, PolicyRule)> {
    record.required_rights().into_iter().chain(rights.all_rules()).collect()
}

/// Removes all objects that an identity may have. Returns how many existed.
///
/// # Errors
/// [`cluster::Error`] when something of it is still there.
pub async fn remove_identity(caller: &Server, record: &IdentityRecord) -> Result<usize, cluster::Error> {
    cluster::identity::remove(caller, &record.owner, &parts(record)).await
}

/// Why no identity was made: with everything that the caller lacks, where that is the reason.
async fn refused(record: &IdentityRecord, planned: &PlannedRun, source: cluster::Error) -> Error {
    let mut missing = Vec::new();
    if let (cluster::Error::Denied { .. } | cluster::Error::Home { .. }, Target::Cluster(cluster)) =
        (&source, planned.target())
    {
        let review = beside::own_rights(required_rights(record, planned.proposed.acting_rights()));
        missing = cluster::identity::missing_rights(cluster.server(), &review).await.unwrap_or_default();
    }
    Error::Identity { source, missing }
}

fn left(record: &IdentityRecord, error: &cluster::Error) -> RunEvent {
    let (identity, why) = (record.name.clone(), error.to_string());
    match error {
        cluster::Error::IdentityUnmarked(_) => RunEvent::IdentityUnmarked { why },
        _ => RunEvent::IdentityLeft { identity, why },
    }
}

/// The time in a while (RFC 3339).
#[expect(clippy::disallowed_methods, reason = "what is left behind says when it is of no more use")]
fn after(lifetime: Duration) -> String {
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or_default();
    let end = jiff::Timestamp::now().checked_add(lifetime).unwrap_or(jiff::Timestamp::MAX);
    end.round(jiff::Unit::Second).unwrap_or(end).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::kinds::Kinds;
    use crate::kubernetes::object::ObjectRef;
    use crate::kubernetes::rbac::ApiVerb;

    fn rights(namespaces: &[Option<&str>]) -> Rights {
        let mut rights = Rights::default();
        for namespace in namespaces {
            let kind = if namespace.is_some() { "ConfigMap" } else { "Namespace" };
            let object = ObjectRef::new("v1", kind, *namespace, "a");
            rights.uses(&object, &Kinds::default(), &[ApiVerb::Get], "is read");
        }
        rights
    }

    #[test]
    fn rights_go_beyond_a_namespace_when_any_is_held_elsewhere() {
        assert!(!goes_beyond(&rights(&[]), "prod"));
        assert!(!goes_beyond(&rights(&[Some("prod")]), "prod"));
        assert!(goes_beyond(&rights(&[Some("prod"), Some("dev")]), "prod"));
        assert!(goes_beyond(&rights(&[Some("prod"), None]), "prod"), "those of the whole cluster");
    }

    #[test]
    fn who_makes_an_identity_needs_its_rights_and_those_to_make_it() {
        let rights = rights(&[Some("prod"), None]);
        let record = IdentityRecord {
            name: "carnet-01k8zt3w9x5s7q2m4n6p8r0v1y".into(),
            owner: "prod/web".into(),
            server: String::new(),
            namespaces: vec!["prod".into()],
            is_apart: false,
            scopes: rights.scopes().cloned().collect(),
            expires: String::new(),
        };
        let needed = required_rights(&record, &rights);
        for own in record.required_rights().iter().chain(&rights.all_rules()) {
            assert!(needed.contains(own), "{own:?}");
        }
        assert_eq!(needed.len(), record.required_rights().len() + 2);
        assert_eq!(required_rights(&record, &Rights::default()), record.required_rights());
    }

    #[test]
    fn one_that_is_not_marked_is_told_apart_from_one_that_is_left_for_the_next_run() {
        let record = IdentityRecord {
            name: "carnet-x".into(),
            owner: String::new(),
            server: String::new(),
            namespaces: Vec::new(),
            is_apart: false,
            scopes: std::collections::BTreeSet::new(),
            expires: String::new(),
        };
        let unmarked = cluster::Error::IdentityUnmarked(Vec::new());
        assert!(matches!(left(&record, &unmarked), RunEvent::IdentityUnmarked { .. }));
        let lost = cluster::Error::NotFound("x".into());
        assert!(
            matches!(left(&record, &lost), RunEvent::IdentityLeft { identity, .. } if identity == "carnet-x")
        );
    }
}
