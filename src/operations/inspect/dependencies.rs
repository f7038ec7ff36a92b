//! The bundles that a bundle depends on, as its author names them. Nobody is asked for them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::dependencies::{self, Dependency};
use crate::bundle::parameter_sources::{self, ParameterSource};
use crate::bundle::{Bundle, Fault};
use crate::document::visible;

/// A bundle that another depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencySummary {
    /// Its name in the bundle.
    pub name: String,
    /// Where it is, without a version.
    pub bundle: String,
    /// The ranges of versions that will do; all where empty.
    pub versions: Vec<String>,
    /// Whether versions will do that are not released yet.
    pub prereleases: bool,
    /// The parameters that have their values from its outputs, when nobody gives them.
    pub parameters: Vec<DependencyOutput>,
}

/// A parameter that has its value from an output of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DependencyOutput {
    /// The parameter.
    pub parameter: String,
    /// The output.
    pub output: String,
}

impl DependencySummary {
    /// Those of a bundle, the first to be installed first, and why they cannot be used.
    pub(super) fn of(bundle: &Bundle) -> (Vec<Self>, Option<String>) {
        let told = |faults: Vec<Fault>| {
            let faults: Vec<_> = faults.iter().map(|fault| visible(&fault.to_string())).collect();
            (Vec::new(), Some(faults.join("; ")))
        };
        let (dependencies, sources) = match (dependencies::of(bundle), parameter_sources::of(bundle)) {
            (Ok(dependencies), Ok(sources)) => (dependencies, sources),
            (Err(faults), _) => return told(faults),
            (Ok(dependencies), Err(_)) => (dependencies, Default::default()),
        };
        let outputs = |name: &str| {
            let from = |(parameter, sources): (&String, &Vec<ParameterSource>)| {
                sources.iter().find_map(|source| match source {
                    ParameterSource::DependencyOutput { dependency, output } if dependency == name => {
                        Some(DependencyOutput { parameter: parameter.clone(), output: output.clone() })
                    }
                    _ => None,
                })
            };
            sources.iter().filter_map(from).collect()
        };
        let summary = |name: &str, dependency: &Dependency| Self {
            name: name.into(),
            bundle: dependency.bundle.clone(),
            versions: dependency.ranges.iter().map(ToString::to_string).collect(),
            prereleases: dependency.prereleases,
            parameters: outputs(name),
        };
        let order = dependencies.order();
        let known = |name: &str| Some(summary(name, dependencies.requires.get(name)?));
        (order.into_iter().filter_map(known).collect(), None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::digest::Digest;

    fn bundle(custom: &Value) -> Bundle {
        let text = json!({
            "schemaVersion": "v1.2.0", "name": "a", "version": "1.0.0",
            "invocationImages": [{"image": "registry.example/a:1", "contentDigest": Digest::of(b"")}],
            "custom": custom,
        });
        Bundle::parse(text.to_string().as_bytes()).unwrap().0
    }

    #[test]
    fn dependencies_are_listed_in_their_order_with_what_comes_of_them() {
        let (found, fault) = DependencySummary::of(&bundle(&json!({
            "io.cnab.dependencies": {
                "sequence": ["z", "a"],
                "requires": {
                    "a": { "bundle": "registry.example/a", "version": { "ranges": ["1.x", "3.1.x"] } },
                    "z": { "bundle": "registry.example/z", "version": { "prereleases": true } },
                },
            },
            "io.cnab.parameter-sources": {
                "own": { "priority": ["output"], "sources": { "output": { "name": "own" } } },
                "url": { "priority": ["dependencies.output"],
                    "sources": { "dependencies.output": { "dependency": "z", "name": "address" } } },
            },
        })));
        let [z, a] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((fault, z.name.as_str(), a.name.as_str()), (None, "z", "a"));
        assert_eq!((z.prereleases, &a.versions), (true, &vec!["1.x".to_owned(), "3.1.x".into()]));
        assert_eq!(z.parameters, [DependencyOutput { parameter: "url".into(), output: "address".into() }]);
        assert_eq!(a.parameters, []);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_nothing_is_nothing() {
        assert_eq!(DependencySummary::of(&bundle(&json!({}))), (Vec::new(), None));
        let wrong = json!({ "io.cnab.dependencies": { "requires": {
            "a": { "bundle": "b" },
            "c": { "bundle": "registry.example/c", "version": { "ranges": [">=1"] } },
        } } });
        let (found, fault) = DependencySummary::of(&bundle(&wrong));
        let fault = fault.unwrap();
        assert!(
            found.is_empty() && fault.contains("/requires/a/bundle") && fault.contains("ranges/0"),
            "{fault}"
        );
    }
}
