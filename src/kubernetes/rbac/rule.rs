//! One rule of a role: the product of four sets, or URLs that belong to no object.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A verb of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiVerb {
    /// Handing a role to somebody.
    Bind,
    /// Making an object.
    Create,
    /// Removing an object.
    Delete,
    /// Writing rules into a role that the writer does not hold.
    Escalate,
    /// Reading an object.
    Get,
    /// Reading all objects of a kind.
    List,
    /// Changing an object; a server-side apply that makes one takes this too.
    Patch,
    /// Being told how an object changes.
    Watch,
}

/// A rule of a Role or ClusterRole. Its sets are sorted, so equal rules are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRule {
    /// Groups; the core group is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub api_groups: BTreeSet<String>,
    /// Resources, with their subresources as `pods/log`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// Names of objects. Empty: all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resource_names: BTreeSet<String>,
    /// URLs that are no objects.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", rename = "nonResourceURLs")]
    pub non_resource_urls: BTreeSet<String>,
    /// Verbs.
    #[serde(default)]
    pub verbs: BTreeSet<String>,
}

impl fmt::Display for ApiVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "bind",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Escalate => "escalate",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Watch => "watch",
        })
    }
}

impl PolicyRule {
    /// One verb on one object.
    pub(super) fn one(group: &str, resource: &str, name: &str, verb: ApiVerb) -> Self {
        Self { resource_names: set(name), ..Self::all(group, resource, &[verb]) }
    }

    /// Whether another rule is the same but for its verbs.
    pub(super) fn is_about_the_same(&self, other: &Self) -> bool {
        self.resource_names == other.resource_names
            && self.resources == other.resources
            && self.api_groups == other.api_groups
            && self.non_resource_urls == other.non_resource_urls
    }

    /// Verbs on all objects of a resource.
    pub fn all(group: &str, resource: &str, verbs: &[ApiVerb]) -> Self {
        let verbs = verbs.iter().map(ApiVerb::to_string).collect();
        Self { api_groups: set(group), resources: set(resource), verbs, ..Self::default() }
    }

    /// Reads a rule out of a role, or out of what the server says about somebody's rights. What has another shape is
    /// left out: the server refuses such a role, and grants nothing by it.
    pub fn read(value: &Value) -> Self {
        #[cfg(test)]
        tests::count_rule();
        let texts = |name: &str| {
            let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Self {
            api_groups: texts("apiGroups"),
            resources: texts("resources"),
            resource_names: texts("resourceNames"),
            non_resource_urls: texts("nonResourceURLs"),
            verbs: texts("verbs"),
        }
    }

    /// Whether all that `other` allows is allowed by this rule too.
    pub fn covers(&self, other: &Self) -> bool {
        if !holds(&self.verbs, &other.verbs) {
            return false;
        }
        if !other.non_resource_urls.is_empty() {
            return other.non_resource_urls.iter().all(|url| self.reaches(url));
        }
        let names_all = self.resource_names.is_empty()
            || !other.resource_names.is_empty() && other.resource_names.is_subset(&self.resource_names);
        names_all
            && holds(&self.api_groups, &other.api_groups)
            && !other.resources.is_empty()
            && other.resources.iter().all(|resource| self.is_about(resource))
    }

    /// The rule in parts, none of which has more than one member in any set.
    pub fn parts(&self) -> Vec<Self> {
        let splits: [fn(&Self) -> Vec<Self>; 5] = [
            |rule| split(&rule.verbs, |verbs| Self { verbs, ..rule.clone() }),
            |rule| split(&rule.api_groups, |api_groups| Self { api_groups, ..rule.clone() }),
            |rule| split(&rule.resources, |resources| Self { resources, ..rule.clone() }),
            |rule| split(&rule.resource_names, |resource_names| Self { resource_names, ..rule.clone() }),
            |rule| {
                split(&rule.non_resource_urls, |non_resource_urls| Self { non_resource_urls, ..rule.clone() })
            },
        ];
        splits.into_iter().fold(vec![self.clone()], |parts, split| parts.iter().flat_map(split).collect())
    }

    /// Whether it is for reading alone.
    pub(super) fn is_reading(&self) -> bool {
        self.verbs.iter().all(|verb| ["get", "list", "watch"].contains(&&**verb))
    }

    /// `get, patch deployments.apps`, without the names.
    pub fn summary(&self) -> String {
        let group = |resource: &String| match self.api_groups.iter().next() {
            Some(group) if !group.is_empty() => format!("{resource}.{group}"),
            _ => resource.clone(),
        };
        let what: Vec<_> =
            self.resources.iter().map(group).chain(self.non_resource_urls.iter().cloned()).collect();
        format!("{} {}", list(&self.verbs), what.join(", "))
    }

    /// A summary with the names, for rights that are missing.
    pub fn line(&self) -> String {
        if self.resource_names.is_empty() {
            return self.summary();
        }
        format!("{} {}", self.summary(), list(&self.resource_names))
    }

    fn is_about(&self, resource: &str) -> bool {
        let of_all = |sub: &str| self.resources.contains(&format!("*/{sub}"));
        self.resources.contains("*")
            || self.resources.contains(resource)
            || resource.split_once('/').is_some_and(|(_, sub)| of_all(sub))
    }

    fn reaches(&self, url: &str) -> bool {
        self.non_resource_urls.iter().any(|held| match held.strip_suffix('*') {
            Some(prefix) => url.starts_with(prefix),
            None => held == url,
        })
    }
}

fn set(text: &str) -> BTreeSet<String> {
    [text.to_owned()].into()
}

/// A copy of the rule for each member of a set; an empty set stays as it is.
fn split(set: &BTreeSet<String>, with: impl Fn(BTreeSet<String>) -> PolicyRule) -> Vec<PolicyRule> {
    if set.is_empty() {
        return vec![with(BTreeSet::new())];
    }
    set.iter().map(|member| with([member.clone()].into())).collect()
}

fn holds(wide: &BTreeSet<String>, narrow: &BTreeSet<String>) -> bool {
    wide.contains("*") || narrow.is_subset(wide)
}

fn list(items: &BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        static RULES: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_rule() {
        RULES.set(RULES.get() + 1);
    }

    /// How many rules something reads, which shows how its work grows.
    pub(crate) fn rules_read(by: impl FnOnce()) -> usize {
        let before = RULES.get();
        by();
        RULES.get() - before
    }
}
