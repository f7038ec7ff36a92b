//! Checks the powers of a plan's objects: reads the RBAC objects of the cluster that concern its accounts, and stops a
//! plan whose powers are refused.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::cluster::Bindings;
use crate::grant::beside;
use crate::host::pass::Site;
use crate::kubernetes::object::ObjectRef;
use crate::plan::powers::{By, ClusterContext, Coverage, Images, Lookups, Powers};
use crate::plan::trace::{ObjectChange, Trace};
use crate::plan::{self, Plan};
use crate::targets::Target;
use crate::targets::cluster::Cluster;
use crate::verify::TrustDecision;

use super::run::Run;
use super::{Error, Mode};

/// The most roles that are read, one request each. Without it, a plan could bind thousands.
const MAX_ROLES: usize = 200;

impl Run<'_> {
    /// Reads the RBAC objects beside the plan. Sends only reads, as the caller, and only those needed: none for a plan
    /// whose pods carry no tokens, or whose powers nobody will see.
    pub(super) async fn cluster_context(
        &self,
        site: &Site,
        trace: &Trace,
        removed: &[ObjectChange],
    ) -> ClusterContext {
        let cluster = match site.target() {
            Target::Directory(_) => return ClusterContext::unknown(Coverage::Directory),
            Target::Cluster(_) if !self.is_looked_at() => return ClusterContext::unknown(Coverage::NotAsked),
            Target::Cluster(cluster) => cluster,
        };
        let lookups = Lookups::of(trace.changes.iter().chain(removed));
        let mut there = ClusterContext::unknown(Coverage::All);
        if lookups.has_accounts() {
            let bindings = Bindings::read(cluster.server(), &beside::bindings(), lookups.namespaces()).await;
            there.keep(&lookups, bindings.found);
            there.coverage = if bindings.is_complete { Coverage::All } else { Coverage::Part };
        }
        let roles = there.roles(&lookups);
        read_roles(cluster, site, roles, &mut there).await;
        there
    }

    /// Admission policies that bindings of the plan name: what the server asks for depends on what they take parameters
    /// from. One that cannot be read is missing, and the server is taken to ask for all.
    pub(super) async fn policies_beside(&self, site: &Site, trace: &Trace) -> Vec<(ObjectRef, Value)> {
        let Target::Cluster(cluster) = site.target() else { return Vec::new() };
        let mut found = Vec::new();
        for policy in plan::policies_beside(trace) {
            let Some(permit) = beside::policy(policy.clone()) else { continue };
            if let Ok(Some(body)) = cluster.get(&permit, site.kinds()).await {
                found.push((policy, body));
            }
        }
        found
    }

    /// The images of the bundle that is there: its objects are judged by what was signed with them, and not by another
    /// version's. None: nothing is there, nobody will see it, or that bundle is not kept.
    pub(super) async fn images_before(&self) -> Option<Images> {
        let settings = &self.earlier.filter(|_| self.is_looked_at())?.settings;
        let verified = self.actor.granted()?.verified();
        if verified.digest() == settings.bundle {
            return Some(Images::of(verified.bundle()));
        }
        let kept = self.environment.state.load(settings.bundle, &settings.reference).await;
        kept.ok().map(|fetched| Images::of(fetched.bundle()))
    }

    /// Refuses a plan with powers that the policy or the operator refuses. Nothing has been written yet.
    pub(super) fn check_powers(&self, plan: &Plan) -> Result<(), Error> {
        if self.mode == Mode::Examine {
            return Ok(());
        }
        let checks =
            self.refusals().into_iter().map(|(by, refused)| Powers::check(&plan.powers, by, refused));
        let checked: Result<(), _> = checks.collect();
        checked.map_err(|refused| Error::Powers { refused, plan: Box::new(plan.clone()) })
    }

    /// Whether the plan's powers matter to anybody: to a person who is shown the plan, or to a limit on powers.
    fn is_looked_at(&self) -> bool {
        match self.mode {
            Mode::Act => !self.operation.options.confirmed || !self.refusals().is_empty(),
            Mode::Examine => false,
            Mode::Plan => true,
        }
    }

    /// The severity from which on powers are refused, and by whom. The trust policy takes precedence.
    fn refusals(&self) -> Vec<(By, Severity)> {
        let by_policy = match &self.decided.decision.trust {
            Some(TrustDecision::Signed { rule, refuse_powers, .. }) => {
                refuse_powers.map(|refused| (By::Policy(rule.clone()), refused))
            }
            Some(TrustDecision::Unsigned) | None => None,
        };
        by_policy
            .into_iter()
            .chain(self.operation.options.refuse_powers.map(|refused| (By::Operator, refused)))
            .collect()
    }
}

/// A role that cannot be read is missing, and is shown as unknown wherever it is bound.
async fn read_roles(cluster: &Cluster, site: &Site, roles: BTreeSet<ObjectRef>, there: &mut ClusterContext) {
    for role in roles.into_iter().take(MAX_ROLES) {
        let Some(permit) = beside::role(role.clone()) else { continue };
        if let Ok(Some(body)) = cluster.get(&permit, site.kinds()).await {
            there.objects.push((role, body));
        }
    }
}
