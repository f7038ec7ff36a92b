//! The bundles that a bundle depends on: the extension `io.cnab.dependencies` (CNAB 500).
//!
//! Its text defines `sequence`, which its own schema forbids; the text counts.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde_json::Value;

use super::Bundle;
use super::fault::{Fault, Purpose};
use super::validator::{Members, Validator, Weight};

mod range;

pub use range::VersionRange;

/// The name of the extension.
pub const DEPENDENCIES: &str = "io.cnab.dependencies";

/// The most bundles that one may depend on. Each is fetched before anything runs.
const MAX_DEPENDENCIES: usize = 100;

const RULE: &str = "CNAB 500 #158";

/// The bundles that a bundle depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The order in which they are installed, as far as the author gives one.
    pub sequence: Vec<String>,
    /// Each of them, by the name that the author gave it.
    pub requires: BTreeMap<String, Dependency>,
}

/// One bundle that another depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Where it is, without a version: `REGISTRY/NAME`.
    pub bundle: String,
    /// The versions that will do; all where empty.
    pub ranges: Vec<VersionRange>,
    /// Whether versions will do that are not released yet.
    pub prereleases: bool,
}

/// The bundles that a bundle depends on; none where it names none.
///
/// # Errors
/// The faults.
pub fn of(bundle: &Bundle) -> Result<Dependencies, Vec<Fault>> {
    let Some(value) = bundle.custom(DEPENDENCIES) else { return Ok(Dependencies::default()) };
    let (dependencies, faults) = read(value, Purpose::Read);
    dependencies.ok_or(faults)
}

impl Dependencies {
    /// The names in the order of installing: those of the sequence, then the others.
    pub fn order(&self) -> Vec<&str> {
        let others = self.requires.keys().filter(|name| !self.sequence.contains(name));
        self.sequence.iter().chain(others).map(String::as_str).collect()
    }
}

impl Dependency {
    /// Whether this version will do.
    pub fn accepts(&self, version: &Version) -> bool {
        let is_named = self.ranges.iter().any(|range| range.is(version));
        is_named
            || ((self.prereleases || version.pre.is_empty())
                && (self.ranges.is_empty() || self.ranges.iter().any(|range| range.contains(version))))
    }
}

/// Reads the value of the extension.
pub(super) fn read(value: &Value, purpose: Purpose) -> (Option<Dependencies>, Vec<Fault>) {
    let mut validator = Validator::new(purpose);
    let read = validator.dependencies(value).filter(|_| !validator.refused);
    (read, validator.faults)
}

impl Validator {
    fn dependencies(&mut self, value: &Value) -> Option<Dependencies> {
        let members = self.map(String::new(), value, RULE)?;
        self.check_known(&members, &["requires", "sequence"], Weight::Must, RULE);
        self.required(&members, "requires", RULE)?;
        let faults = self.faults.len();
        let requires = self
            .entries(&members, "requires", RULE, |validator, at, _, value| validator.dependency(at, value));
        if requires.is_empty() && self.faults.len() == faults {
            self.fault(Weight::Must, members.below("requires"), "must name at least one bundle", RULE);
        }
        if requires.len() > MAX_DEPENDENCIES {
            let what = format!("names more than {MAX_DEPENDENCIES} bundles");
            self.fault(Weight::Must, members.below("requires"), what, RULE);
        }
        let sequence = self.sequence(&members);
        Some(Dependencies { sequence, requires })
    }

    fn dependency(&mut self, at: String, value: &Value) -> Option<Dependency> {
        let members = self.map(at, value, RULE)?;
        self.check_known(&members, &["bundle", "version"], Weight::Must, RULE);
        let bundle = self.required_text(&members, "bundle", RULE);
        if let Some(bundle) = bundle.as_deref().filter(|bundle| !bundle.is_empty()) {
            self.check_bundle(members.below("bundle"), bundle);
        }
        let (ranges, prereleases) = self.versions(&members);
        Some(Dependency { bundle: bundle?, ranges, prereleases })
    }

    fn check_bundle(&mut self, at: String, bundle: &str) {
        let repository = bundle.split('@').next().unwrap_or_default();
        let path = repository.rsplit('/').next().unwrap_or_default();
        let is_place =
            repository.split('/').count() > 1 && repository.split('/').all(|part| !part.is_empty());
        if !is_place || bundle.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.fault(Weight::Must, at, "must say where the bundle is: `REGISTRY/NAME`", RULE);
        } else if path.contains(':') || bundle.contains('@') {
            let what = "should name no tag or digest: `version` says which versions will do";
            self.fault(Weight::Advice, at, what, RULE);
        }
    }

    fn versions(&mut self, members: &Members<'_>) -> (Vec<VersionRange>, bool) {
        let Some(version) = self.member(members, "version") else { return Default::default() };
        let Some(version) = self.map(members.below("version"), version, RULE) else {
            return Default::default();
        };
        self.check_known(&version, &["prereleases", "ranges"], Weight::Must, RULE);
        let prereleases = self.flag(&version, "prereleases", RULE);
        let ranges = self.items(&version, "ranges", RULE, |validator, at, item| {
            let range = item.as_str().and_then(VersionRange::parse);
            if range.is_none() {
                let what = "must be a range of versions: `1.2.3`, `1.2.x`, `1.x` or `1.5.x - 3`";
                validator.fault(Weight::Must, at, what, RULE);
            }
            range
        });
        (ranges.unwrap_or_default(), prereleases)
    }

    fn sequence(&mut self, members: &Members<'_>) -> Vec<String> {
        const RULE: &str = "CNAB 500 #157";
        let sequence = self.texts(members, "sequence", RULE).unwrap_or_default();
        let requires = members.map.get("requires").and_then(Value::as_object);
        let mut seen = BTreeSet::new();
        for (index, name) in sequence.iter().enumerate() {
            let at = format!("{}/{index}", members.below("sequence"));
            if !requires.is_some_and(|requires| requires.contains_key(name)) {
                self.fault(Weight::Must, at, format!("names `{name}`, which `requires` does not have"), RULE);
            } else if !seen.insert(name) {
                self.fault(Weight::Must, at, format!("names `{name}` twice"), RULE);
            }
        }
        for name in requires.into_iter().flat_map(|requires| requires.keys()) {
            if !sequence.is_empty() && !seen.contains(name) {
                let what = format!("leaves out `{name}`, so that it has no place in the order");
                self.fault(Weight::Advice, members.below("sequence"), what, RULE);
            }
        }
        sequence
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(value: &Value) -> Vec<String> {
        read(value, Purpose::Lint).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn bundles_are_read_in_the_order_of_their_sequence() {
        let value = json!({
            "sequence": ["z"],
            "requires": {
                "a": { "bundle": "registry.example/a" },
                "z": { "bundle": "registry.example/z", "version": { "ranges": ["1.x"], "prereleases": true } },
            },
        });
        let (read, faults) = read(&value, Purpose::Read);
        let read = read.unwrap();
        assert_eq!(faults, []);
        assert_eq!(read.order(), ["z", "a"]);
        let accepts = |name: &str, version: &str| read.requires[name].accepts(&version.parse().unwrap());
        assert!(accepts("a", "7.0.0") && !accepts("a", "7.0.0-rc.1"));
        assert!(accepts("z", "1.9.0") && accepts("z", "1.9.0-rc.1") && !accepts("z", "2.0.0"));
    }

    #[test]
    fn a_version_that_is_named_will_do_before_its_release() {
        let value =
            json!({ "requires": { "a": { "bundle": "r/a", "version": { "ranges": ["1.0.0-rc.1"] } } } });
        let read = read(&value, Purpose::Read).0.unwrap();
        let accepts = |version: &str| read.requires["a"].accepts(&version.parse().unwrap());
        assert!(accepts("1.0.0-rc.1") && !accepts("1.0.0-rc.2") && !accepts("1.0.0"));
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        let one = |entry: Value| json!({ "requires": { "a": entry } });
        for (value, expected) in [
            (json!([]), "/: must be an object"),
            (json!({}), "/requires: is missing"),
            (json!({ "requires": {} }), "/requires: must name at least one bundle"),
            (json!({ "requires": {}, "more": 1 }), "/more: is a member that CNAB does not know"),
            (one(json!(1)), "/requires/a: must be an object"),
            (one(json!({})), "/requires/a/bundle: is missing"),
            (one(json!({ "bundle": "mysql" })), "/requires/a/bundle: must say where"),
            (one(json!({ "bundle": "r/ m" })), "/requires/a/bundle: must say where"),
            (one(json!({ "bundle": "r/m:1" })), "/requires/a/bundle: should name no tag"),
            (one(json!({ "bundle": "r/m", "version": "1" })), "/requires/a/version: must be an object"),
            (
                one(json!({ "bundle": "r/m", "version": { "range": "1.x" } })),
                "/requires/a/version/range: is a",
            ),
            (
                one(json!({ "bundle": "r/m", "version": { "ranges": ["1.x", ">=1"] } })),
                "/requires/a/version/ranges/1: must be a range",
            ),
            (
                one(json!({ "bundle": "r/m", "version": { "prereleases": "true" } })),
                "/requires/a/version/prereleases: must be true or false",
            ),
            (
                json!({ "sequence": ["a", "b", "a"], "requires": { "a": { "bundle": "r/m" } } }),
                "/sequence/1: names `b`",
            ),
            (
                json!({ "sequence": ["a", "a"], "requires": { "a": { "bundle": "r/m" } } }),
                "/sequence/1: names `a` twice",
            ),
            (
                json!({ "sequence": ["a"], "requires": { "a": { "bundle": "r/m" }, "b": { "bundle": "r/m" } } }),
                "/sequence: leaves out `b`",
            ),
        ] {
            let faults = faults(&value);
            assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:?}");
        }
        let both = faults(&json!({ "requires": { "a": {}, "b": { "bundle": "x" } } }));
        assert_eq!(both.len(), 2, "{both:?}");
    }
}
