//! Every function that the host provides, what it means in plain words, and what a bundle must request to import it.
//!
//! The table is what everything else is compared with: `inspect` explains from it, the check of imports against
//! requests reads it, the host's gate counts by its functions, and tests compare it with `wit/`, with the linker and
//! with the gate, so that no function can be added without a decision about it.

use crate::bundle::component::{Imports, unversioned};

use super::Requests;
use super::kubernetes::Verb;

/// How much a power can do, the riskiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// It shows secrets to the component.
    Reveals,
    /// It removes things.
    Removes,
    /// It changes things.
    Changes,
    /// It places secrets without showing them.
    Places,
    /// It reads.
    Reads,
    /// It needs no grant.
    None,
}

/// A function of the host. There are no others than the constants below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    interface: &'static str,
    name: &'static str,
}

/// An interface of the host.
#[derive(Debug)]
pub struct Interface {
    /// The name without version.
    pub name: &'static str,
    /// Its functions.
    pub functions: &'static [Function],
    /// How much it can do.
    pub risk: Risk,
    /// Its meaning: the power that it gives, as the end of the sentence "it can …".
    pub meaning: &'static str,
    /// The power that a component lacks without it, as the end of the sentence "it cannot …".
    pub without: Option<&'static str>,
    requested: fn(&Requests) -> bool,
}

/// The version of every package of the host API.
pub const VERSION: semver::Version = semver::Version::new(0, 1, 0);

/// Applies objects.
pub const APPLY: Function = Function::new("carnet:kubernetes/apply", "apply");

/// Tells the version of the bundle.
pub const BUNDLE_VERSION: Function = Function::new("carnet:installation/context", "bundle-version");

/// Removes objects.
pub const DELETE: Function = Function::new("carnet:kubernetes/delete", "delete");

/// Makes a credential.
pub const GENERATE: Function = Function::new("carnet:credentials/generate", "generate");

/// Reads an object.
pub const GET: Function = Function::new("carnet:kubernetes/get", "get");

/// Tells the reference of an image.
pub const IMAGE: Function = Function::new("carnet:installation/context", "image");

/// Lends a credential.
pub const LEND: Function = Function::new("carnet:credentials/lend", "lend");

/// Writes to the log.
pub const LOG: Function = Function::new("carnet:installation/log", "log");

/// Tells the name of the installation.
pub const NAME: Function = Function::new("carnet:installation/context", "name");

/// Tells the namespace of the installation.
pub const NAMESPACE: Function = Function::new("carnet:installation/context", "namespace");

/// Tells the value of a parameter.
pub const PARAMETER: Function = Function::new("carnet:installation/context", "parameter");

/// Names a credential that may be placed.
pub const PLACEHOLDER: Function =
    Function::new("carnet:credentials/handles", "[method]credential.placeholder");

/// Reads a file.
pub const READ: Function = Function::new("carnet:files/read", "read");

/// Shows a credential.
pub const REVEAL: Function = Function::new("carnet:credentials/reveal", "reveal");

/// Tells the revision.
pub const REVISION: Function = Function::new("carnet:installation/context", "revision");

/// Sets an output.
pub const SET: Function = Function::new("carnet:installation/outputs", "set");

/// Waits for objects.
pub const WAIT: Function = Function::new("carnet:kubernetes/wait", "wait");

/// The interfaces of the host.
pub const INTERFACES: &[Interface] = &[
    Interface {
        name: "carnet:credentials/reveal",
        functions: &[REVEAL],
        risk: Risk::Reveals,
        meaning: "see the value of a credential",
        without: Some("see the value of any credential"),
        requested: |requests| requests.credentials.iter().any(|request| request.text.reveal),
    },
    Interface {
        name: "carnet:kubernetes/delete",
        functions: &[DELETE],
        risk: Risk::Removes,
        meaning: "delete objects",
        without: Some("delete any object"),
        requested: |requests| requests.asks_for(&[Verb::Delete]),
    },
    Interface {
        name: "carnet:kubernetes/apply",
        functions: &[APPLY],
        risk: Risk::Changes,
        meaning: "create and change objects",
        without: Some("create or change any object"),
        requested: |requests| requests.asks_for(&[Verb::Apply]),
    },
    Interface {
        name: "carnet:credentials/lend",
        functions: &[LEND],
        risk: Risk::Places,
        meaning: "place a credential into a Secret without seeing it",
        without: Some("use any credential"),
        requested: |requests| !requests.credentials.is_empty(),
    },
    Interface {
        name: "carnet:credentials/generate",
        functions: &[GENERATE],
        risk: Risk::Places,
        meaning: "have a credential made and placed into a Secret without seeing it",
        without: Some("have any credential made"),
        requested: |requests| !requests.generate.is_empty(),
    },
    Interface {
        name: "carnet:kubernetes/get",
        functions: &[GET],
        risk: Risk::Reads,
        meaning: "read objects",
        without: Some("read any object"),
        requested: |requests| requests.asks_for(&[Verb::Get, Verb::GetSecret]),
    },
    Interface {
        name: "carnet:kubernetes/wait",
        functions: &[WAIT],
        risk: Risk::Reads,
        meaning: "wait until objects are ready",
        without: None,
        requested: |requests| requests.asks_for(&[Verb::Apply, Verb::Get, Verb::GetSecret]),
    },
    Interface {
        name: "carnet:files/read",
        functions: &[READ],
        risk: Risk::Reads,
        meaning: "read files that you hand to it",
        without: Some("read any file"),
        requested: |requests| !requests.files.is_empty(),
    },
    free("carnet:credentials/handles", &[PLACEHOLDER], "name a credential that it may place"),
    free(
        "carnet:installation/context",
        &[BUNDLE_VERSION, IMAGE, NAME, NAMESPACE, PARAMETER, REVISION],
        "know its name, namespace, revision, version, parameters and images",
    ),
    free("carnet:installation/log", &[LOG], "write to the log"),
    free("carnet:installation/outputs", &[SET], "set the outputs that the bundle declares"),
    free("carnet:types/types", &[], "use shared types"),
];

const fn free(name: &'static str, functions: &'static [Function], meaning: &'static str) -> Interface {
    Interface { name, functions, risk: Risk::None, meaning, without: None, requested: |_| true }
}

impl Interface {
    fn has(&self, function: &str) -> bool {
        self.functions.iter().any(|provided| provided.name == function)
    }
}

impl Function {
    const fn new(interface: &'static str, name: &'static str) -> Self {
        Self { interface, name }
    }

    /// The interface that it is a part of, without version.
    pub fn interface(self) -> &'static str {
        self.interface
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }
}

/// WASI interfaces that are backed by an empty, deterministic context, each with an explanation.
const INERT: &[(&str, &str)] = &[
    ("wasi:cli/environment", "the CNAB variables of this run, and nothing of yours"),
    ("wasi:cli/exit", "ending itself"),
    ("wasi:cli/stderr", "text that lands in the log"),
    ("wasi:cli/stdin", "always at its end"),
    ("wasi:cli/stdout", "text that lands in the log"),
    ("wasi:cli/terminal-input", "there is no terminal"),
    ("wasi:cli/terminal-output", "there is no terminal"),
    ("wasi:cli/terminal-stderr", "there is no terminal"),
    ("wasi:cli/terminal-stdin", "there is no terminal"),
    ("wasi:cli/terminal-stdout", "there is no terminal"),
    ("wasi:clocks/monotonic-clock", "a virtual clock that starts at zero"),
    ("wasi:clocks/wall-clock", "a virtual clock that starts in 1970"),
    ("wasi:filesystem/preopens", "an empty list"),
    ("wasi:filesystem/types", "there is nothing to open"),
    ("wasi:io/error", "text of errors"),
    ("wasi:io/poll", "waiting, bounded by the time limit"),
    ("wasi:io/streams", "streams of the interfaces named here"),
    ("wasi:random/insecure", "the same numbers in every run"),
    ("wasi:random/insecure-seed", "the same seed in every run"),
    ("wasi:random/random", "the same numbers in every run"),
    ("wasi:sockets/instance-network", "no address can be reached"),
    ("wasi:sockets/ip-name-lookup", "no name can be looked up"),
    ("wasi:sockets/network", "no address can be reached"),
    ("wasi:sockets/tcp", "no address can be reached"),
    ("wasi:sockets/tcp-create-socket", "no address can be reached"),
    ("wasi:sockets/udp", "no address can be reached"),
    ("wasi:sockets/udp-create-socket", "no address can be reached"),
];

/// The WASI version that the host provides.
const WASI: semver::Version = semver::Version::new(0, 2, 12);

/// How the host provides an import.
#[derive(Debug, Clone, Copy)]
pub enum Provision {
    /// WASI that reaches nothing, with an explanation.
    Inert(&'static str),
    /// Nothing here provides it: such a component cannot run.
    None,
    /// An interface of the host.
    Provided(&'static Interface),
}

/// How the host provides an interface of which these functions are imported.
pub fn provision<'a>(interface: &str, functions: impl IntoIterator<Item = &'a str>) -> Provision {
    let name = unversioned(interface);
    let Some(version) = interface.split_once('@').and_then(|(_, version)| version.parse().ok()) else {
        return Provision::None;
    };
    if let Some((_, meaning)) = INERT.iter().find(|(inert, _)| *inert == name) {
        return if is_compatible(&version, &WASI) { Provision::Inert(meaning) } else { Provision::None };
    }
    let found = INTERFACES.iter().find(|provided| provided.name == name);
    match found {
        Some(provided)
            if is_compatible(&version, &VERSION)
                && functions.into_iter().all(|function| provided.has(function)) =>
        {
            Provision::Provided(provided)
        }
        _ => Provision::None,
    }
}

/// The imports that the host does not provide.
pub fn unprovided(imports: &Imports) -> Vec<String> {
    select(imports, |provision, _| matches!(provision, Provision::None))
}

/// The imports that call for a request which is not there.
pub fn unrequested(imports: &Imports, requests: &Requests) -> Vec<String> {
    select(imports, |provision, calls| match provision {
        Provision::Provided(interface) => calls && !(interface.requested)(requests),
        Provision::Inert(_) | Provision::None => false,
    })
}

/// The interfaces without which some request could never be used: what is asked for, and the binary cannot call.
pub fn unused(imports: &Imports, requests: &Requests) -> Vec<&'static str> {
    let calls = |interface: &Interface| {
        interface.functions.iter().any(|function| imports.calls(interface.name, function.name))
    };
    let is_waiting = imports.calls("carnet:kubernetes/wait", "wait");
    let all_revealed = requests.credentials.iter().all(|request| request.text.reveal);
    let wanted = |interface: &&Interface| match interface.name {
        // Waiting for an object takes the same grant as reading it.
        "carnet:kubernetes/get" => !is_waiting,
        "carnet:credentials/lend" => !all_revealed,
        _ => interface.without.is_some(),
    };
    let uncalled = |interface: &&Interface| (interface.requested)(requests) && !calls(interface);
    INTERFACES.iter().filter(wanted).filter(uncalled).map(|interface| interface.name).collect()
}

fn select(imports: &Imports, wanted: impl Fn(Provision, bool) -> bool) -> Vec<String> {
    let matching = |(name, functions): &(&String, &std::collections::BTreeSet<String>)| {
        wanted(provision(name, functions.iter().map(String::as_str)), !functions.is_empty())
    };
    imports.0.iter().filter(matching).map(|(name, _)| name.clone()).collect()
}

/// The rule by which wasmtime's linker matches versions: equal up to the first part that is not zero.
fn is_compatible(wanted: &semver::Version, provided: &semver::Version) -> bool {
    let track = |version: &semver::Version| match version {
        semver::Version { major: 0, minor: 0, patch, .. } => (0, 0, *patch),
        semver::Version { major: 0, minor, .. } => (0, *minor, 0),
        semver::Version { major, .. } => (*major, 0, 0),
    };
    wanted.pre == provided.pre && track(wanted) == track(provided)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn kind(interface: &str, functions: &[&str]) -> &'static str {
        match provision(interface, functions.iter().copied()) {
            Provision::Inert(_) => "inert",
            Provision::None => "none",
            Provision::Provided(_) => "provided",
        }
    }

    #[test]
    fn versions_match_as_the_linker_matches_them() {
        assert_eq!(kind("carnet:kubernetes/apply@0.1.0", &["apply"]), "provided");
        assert_eq!(kind("carnet:kubernetes/apply@0.1.7", &["apply"]), "provided");
        assert_eq!(kind("carnet:kubernetes/apply@0.2.0", &["apply"]), "none");
        assert_eq!(kind("carnet:kubernetes/apply@0.1.0-rc", &["apply"]), "none");
        assert_eq!(kind("carnet:kubernetes/apply", &["apply"]), "none");
        assert_eq!(kind("wasi:cli/environment@0.2.6", &[]), "inert");
        assert_eq!(kind("wasi:cli/environment@0.3.0", &[]), "none");
        assert_eq!(kind("wasi:http/outgoing-handler@0.2.6", &[]), "none");
    }

    #[test]
    fn every_function_stands_in_its_interface_once() {
        let mut all = BTreeSet::new();
        for interface in INTERFACES {
            for function in interface.functions {
                assert_eq!(function.interface(), interface.name);
                assert!(all.insert(*function), "{function:?} stands twice");
            }
        }
        assert_eq!(all.len(), 17);
    }

    #[test]
    fn a_function_that_the_host_lacks_makes_the_import_unprovided() {
        assert_eq!(kind("carnet:kubernetes/apply@0.1.1", &["apply", "force"]), "none");
    }

    #[test]
    fn an_interface_that_only_brings_types_asks_for_nothing() {
        let imports = |functions: &[&str]| {
            let functions = functions.iter().map(|f| (*f).to_owned()).collect();
            Imports([("carnet:kubernetes/apply@0.1.0".to_owned(), functions)].into())
        };
        assert!(unrequested(&imports(&[]), &Requests::default()).is_empty());
        assert_eq!(
            unrequested(&imports(&["apply"]), &Requests::default()),
            ["carnet:kubernetes/apply@0.1.0"]
        );
    }

    /// Each power is requested by what names it, and by nothing else.
    #[test]
    fn an_import_is_requested_by_its_own_kind_of_request() {
        let rule = |verb: &str| serde_json::json!({"kubernetes": [{"verbs": [verb], "kinds": ["Pod"], "namespaces": ["a"], "names": ["b"]}]});
        let requests = [
            ("get", rule("get")),
            ("get-secret", rule("get-secret")),
            ("apply", rule("apply")),
            ("delete", rule("delete")),
            ("file", serde_json::json!({"files": [{"name": "a"}]})),
            ("lent", serde_json::json!({"credentials": [{"name": "a"}]})),
            ("shown", serde_json::json!({"credentials": [{"name": "a", "reveal": true}]})),
            ("made", serde_json::json!({"generate": [{"name": "a", "into": ["a/Secret/b"]}]})),
        ];
        for (function, by) in [
            (GET, &["get", "get-secret"][..]),
            (APPLY, &["apply"]),
            (DELETE, &["delete"]),
            (WAIT, &["get", "get-secret", "apply"]),
            (READ, &["file"]),
            (LEND, &["lent", "shown"]),
            (REVEAL, &["shown"]),
            (GENERATE, &["made"]),
        ] {
            let name = format!("{}@{VERSION}", function.interface());
            let imports = Imports([(name.clone(), [function.name().to_owned()].into())].into());
            assert!(unprovided(&imports).is_empty(), "{function:?}");
            assert_eq!(unrequested(&imports, &Requests::default()), [name], "{function:?}");
            for (what, request) in &requests {
                let request = serde_json::from_value(request.clone()).unwrap();
                let is_requested = unrequested(&imports, &request).is_empty();
                assert_eq!(is_requested, by.contains(what), "{function:?} by {what}");
            }
        }
    }

    #[test]
    fn a_request_that_the_binary_cannot_use_is_named() {
        let requests = |json: serde_json::Value| serde_json::from_value::<Requests>(json).unwrap();
        let imports = |interfaces: &[(&str, &str)]| {
            let one = |(name, function): &(&str, &str)| {
                (format!("carnet:{name}@0.1.0"), [(*function).to_owned()].into())
            };
            Imports(interfaces.iter().map(one).collect())
        };
        let both = requests(serde_json::json!({
            "kubernetes": [{"verbs": ["get", "delete"], "kinds": ["Pod"], "namespaces": ["a"], "names": ["b"]}],
            "credentials": [{"name": "c", "reveal": true}],
        }));
        let all = ["carnet:credentials/reveal", "carnet:kubernetes/delete", "carnet:kubernetes/get"];
        assert_eq!(unused(&imports(&[]), &both), all);
        assert_eq!(unused(&imports(&[("kubernetes/wait", "wait")]), &both), all[..2]);
        let all =
            [("kubernetes/get", "get"), ("kubernetes/delete", "delete"), ("credentials/reveal", "reveal")];
        assert!(unused(&imports(&all), &both).is_empty());
    }
}
