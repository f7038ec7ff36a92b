//! Everything that is done on a component's behalf stands under limits: reading it before anybody trusts it, compiling
//! it, instantiating it, and what its calls make the host read, hold and do.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests make files and run the program"
)]

mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use carnet::fetch::Fetched;
use carnet::grant::limits::LimitTexts;
use carnet::install::{Environment, Error, Mode, Operation, Outcome, act};
use carnet::oci::media_type::OCI_INDEX;
use carnet::oci::{Descriptor, Layout, Repository};
use carnet::run::RunError;
use carnet::signature::{NewSignature, PrivateKey};
use carnet::verify::Verified;
use support::guest::{ALLOCATOR, Script, component};
use support::{
    Home, Yes, approving, config_map, environment, fetch, object, reference, runtime, unsigned, wait,
};

const MAPS: &str = r#"
requests:
  kubernetes:
  - {verbs: [apply, delete, get], kinds: [ConfigMap], namespaces: ["${namespace}"], names: ["${installation}-*"]}
"#;

/// The program may take no more memory than this, in KiB: enough for itself, and little beside what a hostile binary
/// wants.
const MEMORY: u32 = 3 << 20;

fn carnet(home: &Home, arguments: &[&str]) -> Output {
    let script = format!("ulimit -v {MEMORY}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_carnet")]).args(arguments);
    command
        .current_dir(home.root.path())
        .env_clear()
        .env("HOME", home.path("home"))
        .env("COSIGN_PASSWORD", "");
    command.output().unwrap()
}

fn code(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let output = carnet(home, arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 128 {
        bytes.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// Four megabytes of branches out of a function with a thousand results.
fn branches() -> Vec<u8> {
    let ty = [vec![1, 0x60, 0], number(1_000), vec![0x7f; 1_000]].concat();
    let results = [0x41, 0].repeat(1_000);
    let body =
        [vec![0], results, vec![0x41, 0, 0x0e], number(4 << 20), vec![0; (4 << 20) + 1], vec![0x0b]].concat();
    let code = [vec![1], number(body.len()), body].concat();
    let module =
        [b"\0asm\x01\0\0\0".to_vec(), section(1, &ty), section(3, &[1, 0]), section(10, &code)].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// Types in types, three bytes each.
fn nested_types() -> Vec<u8> {
    let types = [vec![1], [0x41, 1, 1].repeat(600_000), vec![0x7f]].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(7, &types)].concat()
}

/// An installer with functions of nested loops over many locals, which it never calls.
fn loops(functions: usize, loops: usize, locals: usize) -> Vec<u8> {
    let uses: String = (0..locals).fold(String::new(), |mut text, local| {
        write!(text, "(local.set {local} (i32.add (local.get {local}) (i32.const 1)))").unwrap();
        text
    });
    let function = format!(
        "(func (export \"FN\") (local {}) {} {uses} (br_if 0 (local.get 0)) {})",
        "i32 ".repeat(locals),
        "(loop ".repeat(loops),
        ") (br_if 0 (local.get 1))".repeat(loops - 1) + ")"
    );
    let functions: String = (0..functions).map(|n| function.replace("FN", &format!("f{n}"))).collect();
    component(&format!(
        "(module (memory (export \"memory\") 1) (global $heap (mut i32) (i32.const 1024)) {ALLOCATOR} {functions}
           (func (export \"carnet:bundle/installer@0.1.0#run\") (param i32 i32) (result i32)
             (i32.store8 (i32.const 16) (i32.const 0)) (i32.const 16)))"
    ))
}

/// Signs a bundle as somebody does who does not look at it.
fn signed_blindly(layout: &Path, fetched: &Fetched) -> String {
    let key = PrivateKey::generate().unwrap();
    let index = Descriptor::of(OCI_INDEX, fetched.index_bytes());
    let directory = Dir::open_ambient_dir(layout, cap_std::ambient_authority()).unwrap();
    let mut repository = Repository::Layout(wait(Layout::open(directory)).unwrap());
    let signature = NewSignature::of(&index, &key).unwrap();
    wait(signature.write(index.digest, &mut repository)).unwrap();
    wait(repository.finish()).unwrap();
    key.public().to_pem()
}

#[test]
fn a_binary_that_takes_too_much_to_look_at_is_looked_at_by_nobody() {
    let home = Home::new();
    let honest = home.bundle("maps", &Script::new().log("hello").component(), MAPS);
    let key = PrivateKey::generate().unwrap();
    key.write(&home.path("key"), &"".to_owned().into()).unwrap();
    for (name, bytes) in
        [("branches", branches()), ("types", nested_types()), ("loops", loops(1, 2_000, 1_000))]
    {
        let layout = home.forged(name, &honest, &bytes, |_| ());
        let place = format!("layout:{name}");
        let (ended, page) = code(&home, &["inspect", &place]);
        assert!(ended == Some(0) && page.contains("NOT READ") && page.contains("UNKNOWN"), "{name}: {page}");
        assert!(!page.contains("reach the network"), "nothing is said of what it cannot do: {page}");
        let json = carnet(&home, &["inspect", &place, "-o", "json"]).stdout;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert!(json["component"]["unread"].as_str().unwrap().contains("too much to look at"), "{json}");
        assert_eq!(json["cannot"], serde_json::json!([]));

        assert_eq!(code(&home, &["verify", &place, "--key", "key.pub"]).0, Some(10), "{name}");
        for arguments in [
            &["lint", &place][..],
            &["grant", "check", &place],
            &["sign", &place, "--key", "key.key"],
            &["plan", "web", &place, "--dangerous-unsigned", "--target", "dir:rendered"],
        ] {
            let (ended, text) = code(&home, arguments);
            assert!(
                ended == Some(14) && text.contains("too much to look at"),
                "{name}, {arguments:?}: {text}"
            );
        }
        std::fs::write(home.path("maps-source/component.wasm"), &bytes).unwrap();
        let (ended, text) = code(&home, &["build", "maps-source", "--to", "built"]);
        assert!(ended == Some(14) && text.contains("too much to look at"), "{name}: {text}");

        // That somebody signed it makes it no cheaper.
        let public = signed_blindly(&layout, &fetch(&reference(&layout)).unwrap());
        std::fs::write(home.path("signer.pub"), public).unwrap();
        assert_eq!(code(&home, &["verify", &place, "--key", "signer.pub"]).0, Some(14), "{name}");
    }
    home.assert_untouched();
}

/// Grants everything but these limits, and has `program` compile.
fn install_by(home: &Home, verified: Verified, limits: LimitTexts, program: &Path) -> Result<Outcome, Error> {
    run_by(home, "install", verified, limits, program)
}

fn run_by(
    home: &Home,
    action: &str,
    verified: Verified,
    limits: LimitTexts,
    program: &Path,
) -> Result<Outcome, Error> {
    let mut consent = approving(&verified);
    consent.grant.limits = limits;
    let operation = Operation { consent, ..home.operation(action) };
    let state = home.state();
    let (cache, compiler) = (Some(home.path("cache")), Some(program.to_owned()));
    std::fs::create_dir_all(home.path("cache")).unwrap();
    let environment = Environment { cache, compiler, ..environment(&state, Arc::new(Yes::default())) };
    runtime().block_on(act(Some(verified), home.directory(), operation, &environment, Mode::Act))
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_carnet"))
}

#[test]
fn compiling_ends_at_the_limits_of_the_grant() {
    let home = Home::new();
    let guest = loops(12, 300, 1_000);
    let slow = LimitTexts { compile_time: Some("1s".into()), ..LimitTexts::default() };
    let greedy = LimitTexts { compile_memory: Some("100Mi".into()), ..LimitTexts::default() };
    for (limits, expected) in [
        (slow, "the limit `compileTime` of 1s was hit"),
        (greedy, "the limit `compileMemory` of 100Mi was hit"),
    ] {
        let verified = unsigned(home.bundle("greedy", &guest, MAPS));
        match install_by(&home, verified, limits, program()) {
            Err(Error::SetUp(RunError::Limit(hit))) => assert_eq!(hit.to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
    home.assert_untouched();
}

#[test]
fn what_was_compiled_within_limits_once_takes_no_process_again() {
    let home = Home::new();
    let guest = Script::new().apply(&[&config_map("web-a")]).component();
    let bundle = || unsigned(home.bundle("maps", &guest, MAPS));
    let nobody = Path::new("/nonexistent/carnet");
    let refused = install_by(&home, bundle(), LimitTexts::default(), nobody);
    let Err(Error::SetUp(RunError::Engine(text))) = refused else { panic!("{refused:?}") };
    assert!(text.contains("cannot be started"), "{text}");
    home.assert_untouched();
    install_by(&home, bundle(), LimitTexts::default(), program()).unwrap();
    let compiled = std::fs::read_dir(home.path("cache/modules")).unwrap().count();
    assert_eq!(compiled, 1, "the other process has left its code in the cache");
    // An upgrade plans, so the component is instantiated; a process that was started would have failed.
    run_by(&home, "upgrade", bundle(), LimitTexts::default(), nobody).unwrap();
}

/// A program in the place of the compiler, which says in a file that it has begun, and goes on so.
fn compiler(home: &Home, goes_on: &str) -> (PathBuf, PathBuf) {
    let (pid, compiler) = (home.path("pid"), home.path("compiler"));
    let script = format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\n{goes_on}\n", pid.display());
    std::fs::write(&compiler, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&compiler, mode).unwrap();
    (pid, compiler)
}

#[test]
fn a_run_that_is_stopped_ends_the_process_that_compiles() {
    for says in ["", "exec 2>&-", "head -c 100000 /dev/zero >&2"] {
        let home = Home::new();
        let ended = home.path("ended");
        let (pid, compiler) = compiler(&home, &format!("{says}\nsleep 30 2>&-\ntouch {}", ended.display()));
        let verified = unsigned(home.bundle("maps", &Script::new().log("a").component(), MAPS));
        let operation = Operation { consent: approving(&verified), ..home.operation("install") };
        let state = home.state();
        let environment = Environment {
            cache: None,
            compiler: Some(compiler),
            ..environment(&state, Arc::new(Yes::default()))
        };
        let cancellation = environment.cancellation.clone();
        let started = pid.clone();
        let stopping = std::thread::spawn(move || {
            while !started.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            cancellation.cancel();
        });
        let stopped =
            runtime().block_on(act(Some(verified), home.directory(), operation, &environment, Mode::Act));
        stopping.join().unwrap();
        assert!(matches!(stopped, Err(Error::Canceled)), "{says:?}: {stopped:?}");
        let process = std::fs::read_to_string(&pid).unwrap();
        assert!(!PathBuf::from(format!("/proc/{}", process.trim())).exists(), "{says:?}: it is gone");
        assert!(!ended.exists(), "{says:?}: nobody waited until it ended by itself");
        home.assert_untouched();
    }
}

#[test]
fn a_process_that_compiles_has_nothing_open_but_what_it_needs() {
    let home = Home::new();
    let open = home.path("open");
    let list = format!("for it in /proc/$$/fd/*; do readlink $it >> {}; done; true", open.display());
    let (_, compiler) = compiler(&home, &list);
    let verified = unsigned(home.bundle("maps", &Script::new().log("a").component(), MAPS));
    install_by(&home, verified, LimitTexts::default(), &compiler).unwrap();
    let listed = std::fs::read_to_string(&open).unwrap();
    assert!(listed.contains("pipe:"), "it reads the component: {listed}");
    // The shell has its script open, and the list. In this process the state, its lock and the cache are.
    let is_own = |it: &&str| [&open, &compiler].contains(&&PathBuf::from(it));
    let (home, inherited) = (home.path(""), listed.lines().filter(|it| !is_own(it)));
    let wrong: Vec<_> =
        inherited.filter(|it| Path::new(it).starts_with(&home) || it.starts_with("socket:")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_process_that_takes_no_time_of_the_processor_is_not_waited_for_for_ever() {
    let home = Home::new();
    let ended = home.path("ended");
    let (_, compiler) = compiler(&home, &format!("sleep 60 2>&-\ntouch {}", ended.display()));
    let verified = unsigned(home.bundle("maps", &Script::new().log("a").component(), MAPS));
    let limits = LimitTexts { compile_time: Some("100ms".into()), ..LimitTexts::default() };
    match install_by(&home, verified, limits, &compiler) {
        Err(Error::SetUp(RunError::Limit(hit))) => {
            assert_eq!(hit.to_string(), "the limit `compileTime` of 100ms was hit");
        }
        other => panic!("{other:?}"),
    }
    assert!(!ended.exists());
    home.assert_untouched();
}

#[test]
fn what_instances_take_in_the_host_counts_as_memory() {
    let home = Home::new();
    let installer = Script::new().log("hello").component();
    let components =
        wasmparser::Parser::new(0).parse_all(&installer).fold((0, 0_usize), |(depth, count), payload| {
            match payload.unwrap() {
                wasmparser::Payload::ComponentSection { .. } => (depth + 1, count + usize::from(depth == 0)),
                wasmparser::Payload::ModuleSection { .. } => (depth + 1, count),
                wasmparser::Payload::End(_) => (depth - 1, count),
                _ => (depth, count),
            }
        });
    let globals = "(global i64 (i64.const 0))".repeat(90_000);
    for (instances, is_much) in [(60, true), (2, false)] {
        let instances = "(core instance (instantiate $m))".repeat(instances);
        let inner = wat::parse_str(format!("(component (core module $m {globals}) {instances})")).unwrap();
        let instance = [vec![1, 0], number(components.1), vec![0]].concat();
        let guest = [&installer[..], &section(4, &inner), &section(5, &instance)].concat();
        let verified = unsigned(home.bundle("many", &guest, MAPS));
        let operation = Operation { consent: approving(&verified), ..home.operation("install") };
        match home.act(Some(verified), operation) {
            Err(Error::Run { source: RunError::Limit(hit), .. }) if is_much => {
                assert_eq!(hit.to_string(), "the limit `memory` of 64Mi was hit");
                home.assert_untouched();
            }
            Ok(outcome) if !is_much => assert_eq!(outcome.log[0].text, "hello"),
            other => panic!("{other:?}"),
        }
    }
}

fn run(home: &Home, guest: &[u8], limits: LimitTexts) -> Result<Outcome, Error> {
    let verified = unsigned(home.bundle("maps", guest, MAPS));
    let mut consent = approving(&verified);
    consent.grant.limits = limits;
    home.act(Some(verified), Operation { consent, ..home.operation("install") })
}

fn hit(result: Result<Outcome, Error>) -> String {
    match result {
        Err(Error::Run { source: RunError::Limit(hit), .. }) => hit.to_string(),
        other => panic!("no limit was hit: {other:?}"),
    }
}

/// A manifest in which aliases of aliases repeat something a hundred times `times`.
fn growing(name: &str, repeated: &str, times: usize) -> String {
    let ten = |alias: &str| [alias; 10].join(",");
    let many = vec!["*c"; times].join(",");
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{a: &a {repeated}, b: &b [{}], c: &c [{}], d: [{many}]}}}}",
        ten("*a"),
        ten("*b")
    )
}

#[test]
fn a_manifest_counts_by_what_its_aliases_come_to() {
    let home = Home::new();
    let bomb = growing("web-a", &"x".repeat(1_000), 10);
    let outcome = run(&home, &Script::new().tolerant().apply(&[&bomb]).component(), LimitTexts::default());
    let text = &outcome.unwrap().log[0].text;
    assert!(text.contains("too much for its length"), "{text}");
    assert!(home.rendered().is_empty());
}

#[test]
fn manifests_of_one_call_and_of_one_run_share_the_memory() {
    let manifests: Vec<_> = (0..400).map(|n| growing(&format!("web-{n}"), "{k: v}", 2)).collect();
    let texts: Vec<_> = manifests.iter().map(String::as_str).collect();
    let home = Home::new();
    let one_call = Script::new().tolerant().apply(&texts).component();
    assert_eq!(hit(run(&home, &one_call, LimitTexts::default())), "the limit `memory` of 64Mi was hit");
    let calls = texts.chunks(10).fold(Script::new().tolerant(), Script::apply);
    assert_eq!(
        hit(run(&home, &calls.component(), LimitTexts::default())),
        "the limit `memory` of 64Mi was hit"
    );
    home.assert_untouched();
}

#[test]
fn a_call_for_many_objects_counts_as_many_calls() {
    let objects: Vec<_> = (0..500).map(|n| object("v1", "ConfigMap", &format!("web-{n}"))).collect();
    let guest = Script::new().delete(&objects).delete(&objects).component();
    let calls = |host_calls| LimitTexts { host_calls: Some(host_calls), ..LimitTexts::default() };
    assert_eq!(hit(run(&Home::new(), &guest, calls(999))), "the limit `hostCalls` of 999 was hit");
    run(&Home::new(), &guest, calls(1_000)).unwrap();
    let names: Vec<_> = (0..500).map(|n| config_map(&format!("web-{n}"))).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let guest = Script::new().apply(&names).component();
    assert_eq!(hit(run(&Home::new(), &guest, calls(499))), "the limit `hostCalls` of 499 was hit");
}

fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let home = Home::new();
    pipe(&home.path("rendered/prod/configmap_web-a.yaml"));
    for guest in [
        Script::new().apply(&[&config_map("web-a")]),
        Script::new().get(&object("v1", "ConfigMap", "web-a")),
        Script::new().delete(&[object("v1", "ConfigMap", "web-a")]),
    ] {
        let refused = run(&home, &guest.component(), LimitTexts::default());
        let Err(Error::Run { refusal: Some(refusal), .. }) = &refused else { panic!("{refused:?}") };
        assert!(support::chain(&**refusal).contains("not a regular file"), "{refusal:?}");
    }
    assert!(home.state().find("web").unwrap().is_none());
}

#[test]
fn files_that_an_operator_names_may_be_streams_of_the_program_and_no_other_pipes() {
    let home = Home::new();
    home.bundle("maps", &Script::new().log("hello").component(), MAPS);
    pipe(&home.path("pipe"));
    let plan = ["plan", "web", "layout:maps", "--dangerous-unsigned", "--target", "dir:rendered"];
    for flag in ["--params", "--grants"] {
        let (ended, text) = code(&home, &[&plan[..], &[flag, "pipe"]].concat());
        assert!(ended == Some(1) && text.contains("not a regular file"), "{flag}: {text}");
        let (_, text) = code(&home, &[&plan[..], &[flag, "/dev/null"]].concat());
        assert!(!text.contains("regular file"), "{flag}: {text}");
    }
    let script = "exec \"$0\" plan web layout:maps --dangerous-unsigned --target dir:rendered --params <(echo 'nosuch: 1')";
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).arg(program()).current_dir(home.root.path()).env("HOME", home.path("home"));
    let output = bash.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("nosuch"), "what comes through the pipe is read: {text}");
}
