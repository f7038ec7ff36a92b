//! One table, one gate, one linker: what `wit/` writes down is decided about, provided, and counted, function by
//! function.
#![expect(clippy::unwrap_used, reason = "tests may fail anywhere")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use carnet::bundle::component::unversioned;
use carnet::capability::functions::{INTERFACES, VERSION};
use carnet::grant::limits::LimitTexts;
use carnet::install::{Error, Operation, Outcome};
use carnet::run::RunError;
use support::guest::{ALLOCATOR, component};
use support::{Home, approving, unsigned};
use wit_parser::Resolve;
use wit_parser::abi::{AbiVariant, WasmType};

/// Requests for every function, and no object.
const ALL: &str = r#"
credentials: {db: {required: false}}
requests:
  kubernetes:
  - {verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: [nowhere], names: [nothing], optional: true}
  files:
  - {name: settings, optional: true}
  credentials:
  - {name: db, reveal: true, optional: true}
  generate:
  - {name: made, into: ["${namespace}/Secret/${installation}-made"], optional: true}
"#;

/// A function as `wit/` has it, and as a core module imports it.
struct Written {
    interface: String,
    name: String,
    parameters: Vec<WasmType>,
    results: Vec<WasmType>,
}

/// The functions of `wit/`. That a resource is dropped is no function of it.
fn written() -> Vec<Written> {
    let mut resolve = Resolve::default();
    resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("wit")).unwrap();
    let mut written = Vec::new();
    for (id, interface) in resolve.interfaces.iter().filter(|(_, interface)| interface.name.is_some()) {
        let name = unversioned(&resolve.id_of(id).unwrap()).to_owned();
        for function in interface.functions.values().filter(|_| name != "carnet:bundle/installer") {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            written.push(Written {
                interface: name.clone(),
                name: function.name.clone(),
                parameters: signature.params,
                results: signature.results,
            });
        }
    }
    written
}

fn words(types: &[WasmType]) -> Vec<&'static str> {
    types
        .iter()
        .map(|word| match word {
            WasmType::I64 => "i64",
            WasmType::F32 => "f32",
            WasmType::F64 => "f64",
            _ => "i32",
        })
        .collect()
}

impl Written {
    /// An installer that calls the function once, with arguments that are all zero: empty texts and lists. Before a
    /// function that takes a handle, one is lent.
    fn guest(&self) -> Vec<u8> {
        let import = |interface: &str, name: &str, id: &str, parameters: &[&str], results: &[&str]| {
            let (parameters, results) = (parameters.join(" "), results.join(" "));
            format!(
                "(import \"{interface}@{VERSION}\" \"{name}\" (func {id} (param {parameters}) (result {results})))"
            )
        };
        let parameters = words(&self.parameters);
        let mut imports = import(&self.interface, &self.name, "$called", &parameters, &words(&self.results));
        let mut arguments: Vec<_> = parameters.iter().map(|word| format!("({word}.const 0)")).collect();
        let mut body = String::new();
        if self.takes_handle() {
            imports += &import("carnet:credentials/lend", "lend", "$lend", &["i32"; 3], &[]);
            body += "(call $lend (i32.const 32) (i32.const 2) (i32.const 64))";
            arguments[0] = "(i32.load (i32.const 68))".into();
        }
        body += &format!("(call $called {})", arguments.join(" "));
        body += &"(drop)".repeat(self.results.len());
        component(&format!(
            r#"(module {imports}
              (memory (export "memory") 1)
              (data (i32.const 32) "db")
              (global $heap (mut i32) (i32.const 1024))
              {ALLOCATOR}
              (func (export "carnet:bundle/installer@0.1.0#run") (param i32 i32) (result i32)
                {body}
                (i32.store8 (i32.const 512) (i32.const 0))
                (i32.const 512)))"#
        ))
    }

    fn takes_handle(&self) -> bool {
        ["[method]credential.placeholder", "reveal"].contains(&self.name.as_str())
    }

    /// Plans the guest with this many calls.
    fn plan(&self, host_calls: u64) -> Result<Outcome, Error> {
        let home = Home::new();
        let verified = unsigned(home.bundle("guest", &self.guest(), ALL));
        let mut consent = approving(&verified);
        consent.grant.limits = LimitTexts { host_calls: Some(host_calls), ..LimitTexts::default() };
        let credentials = [("db".to_owned(), "secret".into())].into();
        let credentials = carnet::host::Supplied::new(credentials);
        home.plan(Some(verified), Operation { consent, credentials, ..home.operation("install") })
    }
}

#[test]
fn every_function_of_the_host_api_has_a_capability() {
    let mut interfaces = BTreeMap::<_, BTreeSet<_>>::new();
    for function in written() {
        interfaces.entry(function.interface).or_default().insert(function.name);
    }
    let decided = INTERFACES.iter().map(|interface| {
        let functions = interface.functions.iter().map(|function| function.name().to_owned());
        (interface.name.to_owned(), functions.collect::<BTreeSet<_>>())
    });
    let decided: BTreeMap<_, _> = decided.filter(|(_, functions)| !functions.is_empty()).collect();
    assert_eq!(decided, interfaces);
}

#[test]
fn every_function_passes_the_gate_under_its_own_name() {
    for function in written() {
        let Written { interface, name, .. } = &function;
        let planned = function.plan(100).unwrap_or_else(|error| panic!("{interface} {name}: {error:?}"));
        let calls = planned.plan().host_calls.iter();
        let counted: Vec<_> =
            calls.filter(|call| call.interface == *interface && call.function == *name).collect();
        assert_eq!(counted.len(), 1, "{interface} {name} is not counted");
        assert_eq!(counted[0].count, 1, "{interface} {name}");
    }
}

#[test]
fn no_function_does_anything_when_no_call_is_left() {
    for function in written() {
        let Written { interface, name, .. } = &function;
        let before = u64::from(function.takes_handle());
        match function.plan(before) {
            Err(Error::Run { source: RunError::Limit(hit), .. }) => assert_eq!(hit.limit, "hostCalls"),
            other => panic!("{interface} {name} went on: {:?}", other.map(|outcome| outcome.proposed)),
        }
    }
}
