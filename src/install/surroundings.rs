//! Looks in the cluster for what the accounts of a plan may do there already.

use std::collections::BTreeSet;

use crate::capability::object::ObjectRef;
use crate::grant::beside;
use crate::host::work::{ObjectChange, Work};
use crate::plan::powers::{Known, Surroundings, Wanted};
use crate::target::Target;
use crate::target::cluster::Cluster;

/// The most roles that are read, one request each. Without it, a plan could bind thousands.
const MAX_ROLES: usize = 200;

/// What is there beside the objects of a plan. Only reads, only with the caller's identity, and only what has to be known:
/// a plan whose pods carry no tokens asks for nothing. Where nobody will look at the plan, `is_shown` is false, and nobody
/// is asked.
pub(super) async fn surroundings(work: &Work, removed: &[ObjectChange], is_shown: bool) -> Surroundings {
    let cluster = match &work.target {
        Target::Directory(_) => return Surroundings::unknown(Known::Directory),
        Target::Cluster(_) if !is_shown => return Surroundings::unknown(Known::NotAsked),
        Target::Cluster(cluster) => cluster,
    };
    let changes: Vec<_> = work.changes.iter().chain(removed).cloned().collect();
    let wanted = Wanted::of(&changes);
    let mut there = Surroundings::unknown(Known::All);
    if wanted.has_accounts() {
        let bindings = cluster.bindings(&beside::bindings(), wanted.namespaces()).await;
        there.keep(&wanted, bindings.found);
        there.known = if bindings.is_complete { Known::All } else { Known::Part };
    }
    let roles = there.roles(&wanted);
    read_roles(cluster, work, roles, &mut there).await;
    there
}

/// A role that cannot be read is missing, and is shown as unknown wherever it is bound.
async fn read_roles(cluster: &Cluster, work: &Work, roles: BTreeSet<ObjectRef>, there: &mut Surroundings) {
    for role in roles.into_iter().take(MAX_ROLES) {
        let Some(permit) = beside::role(role.clone()) else { continue };
        if let Ok(Some(body)) = cluster.get(&permit, &work.kinds).await {
            there.objects.push((role, body));
        }
    }
}
