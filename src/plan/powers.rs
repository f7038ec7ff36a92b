//! Powers: the rights and privileges that the objects of a plan will have once they exist.
//!
//! The rights of an installer do not bound the rights of what it installs, so this is told beforehand: what pods may do
//! to their nodes, what their service accounts may do in the cluster, who can see or change what others write, which
//! images nobody vouches for, and what can be reached from outside. Everything here is pure and total: objects are the
//! work of a component, may have any shape, and are looked at in bounded space.

mod untyped;
mod dangers;
mod pods;
mod accounts;
mod admission;
mod exposure;
mod images;
mod security;
mod volumes;
mod kinds;
mod credentials;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::ObjectChange;

use accounts::Rbac;
use pods::PodView;

pub use credentials::CredentialReader;
pub use images::Images;

pub(super) use credentials::readers;

/// The most findings about one object. Without it, one manifest with thousands of containers would fill the plan.
const MAX_OF_ONE: usize = 50;

/// The most findings of a plan. The rest is counted.
const MAX: usize = 1000;

/// The longest sentence, in characters.
const MAX_TEXT: usize = 600;

/// The rule of the row that counts the findings left out.
const MORE: &str = "more";

/// One thing that an installed object will be able to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    /// How much harm it could do.
    pub severity: Severity,
    /// Which object.
    pub object: String,
    /// The power as a predicate, to be read after the object's name.
    pub what: String,
    /// The identifier of the rule that found it, for scripts.
    pub rule: String,
    /// Whether the object gains this power by the change. Always false for a new object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
}

/// The powers of a plan's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// Powers after the plan, the worst first.
    pub there: Vec<Power>,
    /// Powers that exist now and are lost by the plan.
    pub gone: Vec<Power>,
}

/// RBAC objects of the cluster that are not part of the plan, as far as they are known.
#[derive(Debug, Clone)]
pub struct ClusterContext {
    /// Roles, and the bindings that concern accounts of the plan.
    pub objects: Vec<(ObjectRef, Value)>,
    /// Whether these are all that exist.
    pub coverage: Coverage,
}

/// How much is known of rights in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All that there is.
    All,
    /// The target is a directory.
    Directory,
    /// Nobody looks at the plan, so nobody asked.
    NotAsked,
    /// Not all of it could be read.
    Part,
}

/// RBAC objects to look up in the cluster before the rights of the plan's service accounts are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookups {
    /// The accounts.
    accounts: BTreeSet<accounts::AccountName>,
    /// Roles that the plan binds and does not bring.
    roles: BTreeSet<ObjectRef>,
}

/// Why a plan is not carried out: what it installs could do too much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(.by, *.refused, .powers))]
pub struct RefusedPowers {
    /// Who refuses it.
    pub by: By,
    /// The severity from which on it is refused.
    pub refused: Severity,
    /// The refused powers.
    pub powers: Vec<Power>,
}

/// Who refuses powers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The operator, for this run.
    Operator,
    /// The trust policy, by the rule of this scope.
    Policy(String),
}

/// An object as it would be, or as it is.
#[derive(Clone, Copy)]
struct Item<'a> {
    object: &'a ObjectRef,
    body: &'a Value,
}

/// Findings, no more than so many of them, the worst of all.
struct Found {
    object: String,
    most: usize,
    rows: Vec<Power>,
    omitted: usize,
    worst_omitted: Severity,
}

impl Powers {
    /// Finds the powers of a plan's objects. `images` are those of the bundle, if there is one.
    pub fn of(changes: &[ObjectChange], images: Option<&Images>, context: &ClusterContext) -> Self {
        let after = looked(&items(changes, |row| row.after.as_ref()), changes, images, context);
        let before = items(changes, |row| row.before.as_ref());
        if before.is_empty() {
            return Self { there: after.rows, gone: Vec::new() };
        }
        let before = looked(&before, changes, images, context);
        let known: BTreeSet<_> = before.rows.iter().map(Power::key).collect();
        let mut there = after.rows;
        there.iter_mut().for_each(|power| power.new = !known.contains(&power.key()));
        // Findings beyond the limit are unknown, so with a truncated list no power can be called gone.
        let is_cut = there.iter().any(|power| power.rule == MORE);
        let kept: BTreeSet<_> = there.iter().map(Power::key).collect();
        let gone = before.rows.iter().filter(|power| !is_cut && !kept.contains(&power.key()));
        Self { gone: gone.cloned().collect(), there }
    }

    /// The powers from this severity on.
    ///
    /// # Errors
    /// [`RefusedPowers`] where there are any.
    pub fn check(there: &[Power], by: By, refused: Severity) -> Result<(), RefusedPowers> {
        let powers: Vec<_> = there.iter().filter(|power| power.severity >= refused).cloned().collect();
        if powers.is_empty() { Ok(()) } else { Err(RefusedPowers { by, refused, powers }) }
    }
}

impl Power {
    fn key(&self) -> (&str, &str, &str) {
        (&self.object, &self.rule, &self.what)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.severity, self.object, self.what)
    }
}

impl ClusterContext {
    /// Nothing is known.
    pub fn unknown(coverage: Coverage) -> Self {
        Self { objects: Vec::new(), coverage }
    }

    /// Keeps those of a cluster's bindings that concern accounts of the plan.
    pub fn keep(&mut self, lookups: &Lookups, bindings: Vec<(ObjectRef, Value)>) {
        let keys: BTreeSet<String> = lookups.accounts.iter().flat_map(accounts::keys).collect();
        let concerns = |(object, body): &(ObjectRef, Value)| {
            accounts::subjects(&Item { object, body }).iter().any(|subject| keys.contains(subject))
        };
        self.objects.extend(bindings.into_iter().filter(concerns));
    }

    /// The roles that are still to be read.
    pub fn roles(&self, lookups: &Lookups) -> BTreeSet<ObjectRef> {
        let bound = self.objects.iter().filter_map(|(object, body)| accounts::role(&Item { object, body }));
        bound.chain(lookups.roles.iter().cloned()).collect()
    }
}

impl Lookups {
    /// The lookups that the powers of a plan's objects depend on.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a ObjectChange>) -> Self {
        let items = items(changes, |row| row.after.as_ref());
        let rbac = Rbac::new(&items, &[], Coverage::All);
        let mut lookups = Self::default();
        for item in &items {
            lookups.accounts.extend(PodView::all(item).iter().filter_map(|pod| rbac.carried(item, pod)));
            lookups.accounts.extend(accounts::of_token(item));
            lookups.roles.extend(accounts::role(item));
        }
        let planned: BTreeSet<_> = items.iter().map(|item| item.object.id()).collect();
        lookups.roles.retain(|role| !planned.contains(&role.id()));
        lookups
    }

    /// Whether nothing has to be known.
    pub fn is_nothing(&self) -> bool {
        self.accounts.is_empty() && self.roles.is_empty()
    }

    /// Whether bindings have to be known.
    pub fn has_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The namespaces of the accounts.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.accounts.iter().map(|(namespace, _)| namespace.as_str()).collect()
    }
}

impl Found {
    fn new(object: String, most: usize) -> Self {
        Self { object, most, rows: Vec::new(), omitted: 0, worst_omitted: Severity::Low }
    }

    fn add(&mut self, severity: Severity, rule: &str, what: impl AsRef<str>) {
        let what = untyped::cut(what.as_ref(), MAX_TEXT);
        self.push(Power { severity, object: self.object.clone(), what, rule: rule.into(), new: false });
    }

    fn push(&mut self, power: Power) {
        self.rows.push(power);
        if self.rows.len() >= 2 * self.most {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        self.rows.sort_by_key(|power| Reverse(power.severity));
        let least = self.rows.get(self.most).map(|power| power.severity);
        self.worst_omitted = least.map_or(self.worst_omitted, |least| least.max(self.worst_omitted));
        self.omitted += self.rows.len().saturating_sub(self.most);
        self.rows.truncate(self.most);
    }

    /// The findings, the worst first, and how many there are besides.
    fn finished(mut self) -> Self {
        self.shorten();
        if self.omitted > 0 {
            let (severity, omitted) = (self.worst_omitted, self.omitted);
            let what = format!("can do {omitted} more things, up to the severity {severity}");
            let (object, rule) = (self.object.clone(), MORE.to_owned());
            self.rows.push(Power { severity, object, what, rule, new: false });
        }
        self
    }
}

/// The bodies of a plan's objects, on one side of it.
fn items<'a>(
    changes: impl IntoIterator<Item = &'a ObjectChange>,
    side: impl Fn(&'a ObjectChange) -> Option<&'a Value>,
) -> Vec<Item<'a>> {
    changes.into_iter().filter_map(|row| Some(Item { object: &row.object, body: side(row)? })).collect()
}

/// Objects of the cluster that the plan neither changes nor removes.
fn beside<'a>(changes: &[ObjectChange], context: &'a ClusterContext) -> Vec<Item<'a>> {
    let planned: BTreeSet<_> = changes.iter().map(|row| row.object.id()).collect();
    let there = context.objects.iter().filter(|(object, _)| !planned.contains(&object.id()));
    there.map(|(object, body)| Item { object, body }).collect()
}

fn looked(
    items: &[Item<'_>],
    changes: &[ObjectChange],
    images: Option<&Images>,
    context: &ClusterContext,
) -> Found {
    let rbac = Rbac::new(items, &beside(changes, context), context.coverage);
    let (mut all, mut known) = (Found::new("the plan".into(), MAX), BTreeMap::new());
    for item in items {
        let mut found = Found::new(item.object.to_string(), MAX_OF_ONE);
        for pod in PodView::all(item) {
            pod.check_shape(&mut found);
            security::look(&pod, &mut found);
            volumes::look(&pod, &mut found);
            images::look(&pod, images, &mut found);
            rbac.look_at_pod(item, &pod, &mut known, &mut found);
        }
        rbac.look(item, &mut found);
        admission::look(item, &mut found);
        exposure::look(item, &mut found);
        kinds::look(item, &mut found);
        found.finished().rows.into_iter().for_each(|power| all.push(power));
    }
    let mut all = all.finished();
    // The last row, which counts the rest, is the least of all.
    all.rows.sort_by_key(|power| Reverse(power.severity));
    all
}

fn told(by: &By, refused: Severity, powers: &[Power]) -> String {
    let who = match by {
        By::Operator => "`--refuse-powers`".to_owned(),
        By::Policy(rule) => format!("rule `{rule}` of the trust policy"),
    };
    let count = match powers.len() {
        1 => "there is 1".to_owned(),
        count => format!("there are {count}"),
    };
    format!("{who} refuses powers of severity {refused} and above, and {count}")
}
