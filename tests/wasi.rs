//! A component that was built with a standard library gets WASI that reaches nothing and is the same in every
//! run.
#![expect(clippy::unwrap_used, reason = "tests may fail anywhere")]

mod support;

use carnet::capability::functions::{INTERFACES, Provision, provision};
use carnet::host::Host;
use carnet::install::{Operation, Outcome};
use carnet::verify::Verified;
use support::guest::written;
use support::{Home, approving, unsigned};
use wasmtime::component::Linker;

const MAPS: &str = r#"
requests:
  kubernetes:
  - {verbs: [apply], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}
"#;

fn texts(outcome: &Outcome) -> Vec<&str> {
    outcome.log.iter().map(|entry| entry.text.as_str()).collect()
}

fn operation(home: &Home, guest: &str, requests: &str) -> (Option<Verified>, Operation) {
    let verified = unsigned(home.bundle("guest", &written(guest), requests));
    let operation = Operation { consent: approving(&verified), ..home.operation("install") };
    (Some(verified), operation)
}

fn run(home: &Home, guest: &str, requests: &str) -> Outcome {
    let (verified, operation) = operation(home, guest, requests);
    home.act(verified, operation).unwrap()
}

fn plan(home: &Home, guest: &str, requests: &str) -> Outcome {
    let (verified, operation) = operation(home, guest, requests);
    home.plan(verified, operation).unwrap()
}

#[test]
fn a_component_sees_cnab_variables_a_clock_that_counts_and_no_directory() {
    let home = Home::new();
    let outcome = run(&home, "reports", MAPS);
    let told = texts(&outcome);
    let variables: Vec<_> = told[..12].chunks(2).map(|pair| (pair[0], pair[1])).collect();
    let revision = outcome.plan().revision.as_str();
    let expected = [
        ("CNAB_ACTION", "install"),
        ("CNAB_BUNDLE_NAME", "guest"),
        ("CNAB_BUNDLE_VERSION", "1.0.0"),
        ("CNAB_CLAIMS_VERSION", "CNAB-Claims-1.0.0"),
        ("CNAB_INSTALLATION_NAME", "web"),
        ("CNAB_REVISION", revision),
    ];
    assert_eq!(variables, expected);
    assert_eq!(told[12..14], ["00000000"; 2], "no arguments and no directories");
    let readings: Vec<_> = told[14..17]
        .iter()
        .map(|hex| u64::from_str_radix(hex, 16).unwrap().swap_bytes() / 1_000_000)
        .collect();
    assert_eq!(readings[1..], [readings[0] + 1, readings[0] + 2], "a millisecond for each reading");
    assert!(readings[0] < 10, "{readings:?}");
    assert_eq!(told.len(), 18);
}

#[test]
fn two_runs_make_the_same_calls_with_the_same_numbers() {
    let home = Home::new();
    let (one, two) = (plan(&home, "reports", MAPS), plan(&home, "reports", MAPS));
    assert_ne!(one.plan().revision, two.plan().revision);
    assert_eq!(one.plan().steps, two.plan().steps);
    assert_eq!(one.plan().digest, two.plan().digest);
    assert_eq!(texts(&one)[12..], texts(&two)[12..]);
    // The object is named after random bytes: had they been others, so would the plan be.
    let random = texts(&one)[17];
    assert_eq!(one.plan().steps[0].object.name, format!("web-{}", &random[..16]));
    assert_ne!(random, "0".repeat(64));
    home.assert_untouched();
}

#[test]
fn no_socket_is_made_and_no_name_is_looked_up() {
    let outcome = run(&Home::new(), "dials", "");
    // Access denied, twice, and what WASI has for a name that nobody looks up: error 20, a permanent failure.
    assert_eq!(texts(&outcome), ["11", "11", "1D"]);
}

/// One function or resource of each interface of WASI that is said to be inert.
const INERT: [(&str, &str); 27] = [
    ("wasi:cli/environment", "get-environment"),
    ("wasi:cli/exit", "exit"),
    ("wasi:cli/stderr", "get-stderr"),
    ("wasi:cli/stdin", "get-stdin"),
    ("wasi:cli/stdout", "get-stdout"),
    ("wasi:cli/terminal-input", "terminal-input"),
    ("wasi:cli/terminal-output", "terminal-output"),
    ("wasi:cli/terminal-stderr", "get-terminal-stderr"),
    ("wasi:cli/terminal-stdin", "get-terminal-stdin"),
    ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
    ("wasi:clocks/monotonic-clock", "now"),
    ("wasi:clocks/wall-clock", "now"),
    ("wasi:filesystem/preopens", "get-directories"),
    ("wasi:filesystem/types", "descriptor"),
    ("wasi:io/error", "error"),
    ("wasi:io/poll", "poll"),
    ("wasi:io/streams", "input-stream"),
    ("wasi:random/insecure", "get-insecure-random-bytes"),
    ("wasi:random/insecure-seed", "insecure-seed"),
    ("wasi:random/random", "get-random-bytes"),
    ("wasi:sockets/instance-network", "instance-network"),
    ("wasi:sockets/ip-name-lookup", "resolve-addresses"),
    ("wasi:sockets/network", "network"),
    ("wasi:sockets/tcp", "tcp-socket"),
    ("wasi:sockets/tcp-create-socket", "create-tcp-socket"),
    ("wasi:sockets/udp", "udp-socket"),
    ("wasi:sockets/udp-create-socket", "create-udp-socket"),
];

/// A linker defines nothing twice, so what it cannot define is there.
fn is_there(linker: &mut Linker<Host>, interface: &str, name: &str) -> bool {
    let refused = linker.instance(interface).unwrap().func_new(name, |_, _, _, _| Ok(())).err();
    refused.is_some_and(|error| error.to_string().contains("defined twice"))
}

#[test]
fn the_linker_provides_what_the_tables_say() {
    let mut linker = Linker::<Host>::new(&wasmtime::Engine::default());
    Host::add_to_linker(&mut linker).unwrap();
    Host::add_wasi_to_linker(&mut linker).unwrap();
    for interface in INTERFACES {
        for function in interface.functions {
            let name = format!("{}@0.1.0", interface.name);
            let function = function.name();
            assert!(is_there(&mut linker, &name, function), "{name} {function}");
        }
    }
    for (interface, name) in INERT {
        let interface = format!("{interface}@0.2.12");
        assert!(is_there(&mut linker, &interface, name), "{interface} {name}");
        assert!(matches!(provision(&interface, [name]), Provision::Inert(_)), "{interface}");
    }
    assert!(!is_there(&mut linker, "wasi:http/outgoing-handler@0.2.12", "handle"));
}
