//! `--state kube`: several people act on one installation, each from a home of their own.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::site::{Said, Site, eventually, files, text};
use crate::support::guest::Script;
use crate::support::{Home, config_map, example};

/// How long a Lease counts, and a little more.
pub const COUNTS: Duration = Duration::from_secs(33);

/// Somebody at a machine where nothing is known yet.
pub struct Person<'a> {
    site: &'a Site,
    name: &'a str,
    home: tempfile::TempDir,
}

impl<'a> Person<'a> {
    pub fn new(site: &'a Site, name: &'a str) -> Self {
        Self { site, name, home: tempfile::tempdir().unwrap() }
    }

    /// This person's own files.
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    fn with(&self, mut command: Command) -> Command {
        let path = |name: &str| self.home.path().join(name);
        command.env("HOME", path("home")).env("XDG_CONFIG_HOME", path("config"));
        command.env("XDG_DATA_HOME", path("data")).env("CARNET_STATE", "kube");
        command.env("USER", self.name).env("HOSTNAME", "here").current_dir(self.home.path());
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.with(self.site.command(arguments));
        command.args(["-n", &self.site.namespace]);
        command
    }

    pub fn carnet(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    fn on_example(&self, verb: &str, name: &str, more: &[&str]) -> Command {
        self.with(self.site.on_example(verb, name, more))
    }

    /// Settings of the guestbook that a record in the cluster does not decide: where its bundle is from, and the grant.
    fn own_word(&self) -> [String; 4] {
        let reference = format!("layout:{}", example("bundles/guestbook").display());
        let grants = example("guestbook/grants.yaml").display().to_string();
        ["--bundle".to_owned(), reference, "--grants".to_owned(), grants]
    }

    /// A verb on the guestbook as somebody types it who knows what it is.
    fn knowing(&self, arguments: &[&str]) -> Said {
        let own_word = self.own_word();
        self.carnet(&[arguments, &own_word.each_ref().map(String::as_str)].concat())
    }

    fn begin(&self, more: &[&str]) -> Child {
        self.on_example("install", "guestbook", more).spawn().unwrap()
    }

    fn install(&self, more: &[&str]) -> Said {
        Said::of(self.on_example("install", "guestbook", more).output().unwrap())
    }

    pub fn history(&self, name: &str) -> Vec<(String, String)> {
        let said = self.carnet(&["history", name]).done();
        let row = |row: &Value| (text(&row["action"]), text(&row["result"]));
        said.document["items"].as_array().unwrap().iter().map(row).collect()
    }

    /// Installs a bundle of one's own that nobody signed.
    fn install_own(&self, name: &str, script: &Script, rest: &str) -> Said {
        Said::of(self.own(name, script, rest).output().unwrap())
    }

    pub fn own(&self, name: &str, script: &Script, rest: &str) -> Command {
        self.own_by("install", name, script, rest)
    }

    fn own_by(&self, verb: &str, name: &str, script: &Script, rest: &str) -> Command {
        let home = Home::new();
        let requests = format!(
            "requests:\n  kubernetes:\n  - {{verbs: [apply], kinds: [ConfigMap], namespaces: ['${{namespace}}'], names: ['test-*']}}\n{rest}"
        );
        let fetched = home.bundle(name, &script.component(), &requests);
        let digest = fetched.digest().to_string();
        let layout = self.home.path().join(name);
        std::fs::rename(home.path(name), &layout).unwrap();
        let reference = format!("layout:{}", layout.display());
        self.command(&[
            verb,
            name,
            &reference,
            "--target",
            "kube",
            "--yes",
            "--dangerous-unsigned",
            "--approve",
            &digest,
        ])
    }
}

/// The records in the namespace, by name.
fn records(site: &Site) -> BTreeMap<String, Value> {
    let list: Value = serde_json::from_str(&site.kubectl(&[
        "get",
        "secrets",
        "-o",
        "json",
        "--field-selector",
        "type=carnet.dev/record",
    ]))
    .unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| (text(&item["metadata"]["name"]), item.clone())).collect()
}

/// A record's contents, if it is in one piece.
fn content(record: &Value) -> Vec<u8> {
    let packed = BASE64.decode(text(&record["data"]["content"])).unwrap();
    zstd::decode_all(&packed[..]).unwrap()
}

/// Text that cannot be compressed much.
fn noise(length: usize, seed: u32) -> String {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let at = usize::from(state.to_le_bytes()[0] % 64);
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[at])
    };
    (0..length).map(|_| next()).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_one_has_installed_others_see_upgrade_and_remove() {
    let site = Site::with_volume();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    let said = alice.install(&[]).done();
    let status = bob.carnet(&["status", "guestbook"]).done().document;
    assert_eq!(status["result"], "succeeded");
    assert_eq!(status["objects"].as_array().unwrap().len(), 12);
    assert_eq!(status["outputs"], said.document["outputs"]);
    let list = bob.carnet(&["list"]).done().document;
    assert_eq!(list["items"][0]["name"], "guestbook");
    let all = Said::of(bob.with(site.command(&["list", "--all-namespaces"])).output().unwrap()).done();
    let namespaces = all.document["items"].as_array().unwrap().iter().map(|row| text(&row["namespace"]));
    assert!(namespaces.into_iter().any(|namespace| namespace == site.namespace), "{all}");

    // What the bundle is and may do, everybody says for themselves: who can write the record is not who grants.
    let said = bob.carnet(&["diff", "guestbook"]).refused(11, &["decides nothing"]);
    let line =
        format!("--bundle layout:{}@{}", example("bundles/guestbook").display(), text(&status["digest"]));
    // All of it at once: where the bundle is from, and what is granted to it.
    let asked: Vec<_> = said.document["details"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(asked[0], line);
    for flag in ["--allow-kube ", "--allow-file 'site.conf=", "--allow-credential db-password"] {
        assert!(asked[1..].iter().any(|line| line.starts_with(flag)), "{flag}: {said}");
    }
    let bundle = &bob.own_word()[..2].to_vec();
    let diff = ["diff", "guestbook", &bundle[0], &bundle[1]];
    bob.carnet(&diff).refused(11, &["site.conf", "granted again"]);
    let diff = bob.knowing(&["diff", "guestbook", "--exit-code"]).done();
    assert_eq!(diff.document["changes"], json!([]));
    let upgrade = |more: &[&str]| Said::of(bob.on_example("upgrade", "guestbook", more).output().unwrap());
    upgrade(&[]).refused(11, &["site.conf", "granted again"]);
    let said = upgrade(&["--grants", &bob.own_word()[3]]).done();
    assert_eq!(said.changed(&["update", "create", "delete"]), Vec::<String>::new());

    let carol = Person::new(&site, "carol");
    carol.carnet(&["uninstall", "guestbook", "--yes"]).done();
    eventually("all is gone", || site.names().iter().all(|name| name.starts_with("Secret/carnet.")));
    let expected = ["install", "upgrade", "uninstall"].map(|it| (it.to_owned(), "succeeded".to_owned()));
    assert_eq!(alice.history("guestbook"), expected);
    assert_eq!(alice.carnet(&["list"]).done().document["items"], json!([]));
    for person in [&alice, &bob, &carol] {
        let known = files(&person.home.path().join("data"));
        assert_eq!(known, Vec::<(PathBuf, Vec<u8>)>::new(), "the state is not only in the cluster");
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_bundle_that_somebody_else_installed_can_be_invoked() {
    let site = Site::with_volume();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    alice.install(&[]).done();
    let credentials = site.path("inputs/credentials.yaml").display().to_string();
    let backup =
        ["invoke", "guestbook", "dev.carnet.guestbook.backup", "--param", "backup-name=monday", "--yes"];
    bob.carnet(&[&backup[..], &["-c", &credentials]].concat()).refused(11, &["--bundle"]);
    let said = bob.knowing(&[&backup[..], &["-c", &credentials]].concat());
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(alice.history("guestbook").len(), 2);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn of_two_who_install_at_once_one_goes_on_and_the_other_learns_who() {
    let site = Site::new();
    let people = [Person::new(&site, "alice"), Person::new(&site, "bob")];
    // Without its volume the one that goes on cannot end before the other was seen to be refused.
    let mut runs: Vec<_> = people.iter().map(|person| person.begin(&["--timeout", "2m"])).collect();
    let mut refused = None;
    eventually("one is refused", || {
        refused = runs.iter_mut().position(|run| run.try_wait().unwrap().is_some());
        refused.is_some()
    });
    let loser = refused.unwrap();
    let winner = people[1 - loser].name;
    let said = Said::of(runs.remove(loser).wait_with_output().unwrap());
    let said =
        said.refused(16, &[&format!("another run of `guestbook` is in progress: {winner}@here, process")]);
    let hint = format!("carnet unlock guestbook -n {}", site.namespace);
    assert_eq!(said.document["hint"], hint);
    site.await_object("statefulset/guestbook-db");
    let status = people[loser].carnet(&["status", "guestbook"]).done().document;
    assert_eq!(status["result"], "running");
    site.add_volume();
    Said::of(runs.remove(0).wait_with_output().unwrap()).done();
    assert_eq!(people[loser].history("guestbook"), [("install".to_owned(), "succeeded".to_owned())]);
    let leases = site.kubectl(&["get", "leases", "-o", "name"]);
    assert_eq!(leases, "", "the Lease was not given back");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn of_many_who_begin_at_the_same_moment_one_writes() {
    let site = Site::new();
    let script = Script::new().apply(&[&config_map("test-a")]);
    let people: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| Person::new(&site, name)).into();
    let runs: Vec<_> = people.iter().map(|person| person.own("own", &script, "").spawn().unwrap()).collect();
    let ended: Vec<_> = runs.into_iter().map(|run| Said::of(run.wait_with_output().unwrap())).collect();
    // Whoever comes when the first one has ended finds the installation there.
    assert!(ended.iter().all(|said| [0, 1, 16].contains(&said.code)), "{}", ended[0]);
    let done = ended.iter().filter(|said| said.code == 0).count();
    assert_eq!(done, 1);
    assert_eq!(people[0].history("own"), [("install".to_owned(), "succeeded".to_owned())]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn what_was_killed_is_finished_by_somebody_else_once_the_lease_is_over() {
    let site = Site::new();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    let mut run = alice.begin(&[]);
    site.await_object("statefulset/guestbook-db");
    run.kill().unwrap();
    run.wait().unwrap();
    let killed = Instant::now();
    site.add_volume();
    bob.install(&[]).refused(16, &["alice@here"]);
    assert!(killed.elapsed() < COUNTS, "it took too long to see that it is locked");
    let status = bob.carnet(&["status", "guestbook"]).done().document;
    assert!(!status["objects"].as_array().unwrap().is_empty(), "what was about to be applied is not known");
    std::thread::sleep(COUNTS.saturating_sub(killed.elapsed()));
    assert_eq!(bob.carnet(&["status", "guestbook"]).done().document["result"], "unknown");
    bob.install(&[]).done();
    let identities = site.kubectl(&["get", "serviceaccounts,roles,rolebindings", "-o", "name"]);
    assert!(!identities.contains("carnet-"), "an identity was left: {identities}");
    assert!(!records(&site).keys().any(|name| name.starts_with("carnet.identity.")));
    let history = alice.history("guestbook");
    let expected = [("install", "unknown"), ("install", "succeeded")];
    assert_eq!(history, expected.map(|(action, result)| (action.to_owned(), result.to_owned())));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_hold_can_be_ended_after_a_look_and_its_run_stops() {
    let site = Site::new();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    bob.carnet(&["unlock", "guestbook"]).refused(1, &["there is no installation `guestbook`"]);
    let run = alice.begin(&["--timeout", "2m"]);
    site.await_object("statefulset/guestbook-db");

    let said = bob.carnet(&["unlock", "guestbook"]).refused(1, &["this was not confirmed"]);
    assert!(said.stderr.contains("guestbook is held by alice@here, process"), "{said}");
    let said = bob.carnet(&["unlock", "guestbook", "--yes"]).done();
    assert!(text(&said.document["holder"]["who"]).starts_with("alice@here"), "{said}");
    // Whoever lost it has nothing to give back and nothing to write.
    let said = Said::of(run.wait_with_output().unwrap());
    said.refused(16, &["the run no longer holds `guestbook`: somebody has unlocked it"]);
    site.add_volume();
    bob.install(&[]).done();
    let results: Vec<_> = bob.history("guestbook").into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, ["unknown", "succeeded"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_run_that_slept_while_another_took_over_writes_nothing_more() {
    let site = Site::new();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    let run = alice.begin(&["--timeout", "3m"]);
    site.await_object("statefulset/guestbook-db");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &run.id().to_string()]).status().unwrap();
        assert!(done.success());
    };
    signal("-STOP");
    std::thread::sleep(COUNTS);
    site.add_volume();
    bob.install(&[]).done();
    let before = records(&site);
    signal("-CONT");
    Said::of(run.wait_with_output().unwrap()).refused(16, &["the run no longer holds `guestbook`"]);
    assert_eq!(records(&site), before);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn large_outputs_are_split_and_come_back_whole() {
    let site = Site::new();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    let values: Vec<String> = (1..=3).map(|seed| noise(1_000_000, seed)).collect();
    let mut script = Script::new().apply(&[&config_map("test-a")]);
    let mut outputs = "outputs:\n".to_owned();
    for (at, value) in values.iter().enumerate() {
        script = script.output(&format!("o{at}"), value);
        outputs += &format!("  o{at}: {{schema: {{type: string}}}}\n");
    }
    alice.install_own("own", &script, &outputs).done();
    let all = records(&site);
    let is_piece = |(_, record): &(&String, &Value)| {
        let labels = &record["metadata"]["labels"];
        labels["carnet.dev/record"] == "piece" && labels["carnet.dev/installation"] == "own"
    };
    let pieces: Vec<_> = all.iter().filter(is_piece).map(|(name, _)| name).collect();
    assert!(pieces.len() > 15, "{:?}", all.keys());
    for (at, value) in values.iter().enumerate() {
        let said = bob.carnet(&["outputs", "own", &format!("o{at}")]).done();
        assert_eq!(text(&said.document["value"]), *value);
    }

    // A piece that is gone makes all of it unreadable; one that is left over does not matter and is removed.
    let piece = pieces.iter().find(|name| name.ends_with(".3")).unwrap();
    let mut left = all[*piece].clone();
    site.kubectl(&["delete", "secret", piece]);
    bob.carnet(&["outputs", "own"]).refused(1, &["carnet.claim.own.", "it is cut off"]);
    for member in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        left["metadata"].as_object_mut().unwrap().remove(member);
    }
    site.apply(&left.to_string());
    bob.carnet(&["outputs", "own"]).done();
    let name = piece.replace(".3", ".99").replace("carnet.piece.", "carnet.piece.0");
    left["metadata"]["name"] = name.as_str().into();
    site.apply(&left.to_string());
    assert!(records(&site).contains_key(&name));
    bob.carnet(&["uninstall", "own", "--yes"]).done();
    assert!(!records(&site).contains_key(&name), "what an unfinished write has left is still there");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_record_that_was_tampered_with_is_refused_with_its_reason() {
    let site = Site::new();
    let alice = Person::new(&site, "alice");
    alice.install_own("own", &Script::new().apply(&[&config_map("test-a")]), "").done();
    let name = "carnet.installation.own";
    let record = records(&site)[name].clone();
    let put = |change: &dyn Fn(&mut Value)| {
        let mut record = record.clone();
        change(&mut record);
        for member in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            record["metadata"].as_object_mut().unwrap().remove(member);
        }
        site.kubectl(&["delete", "secret", name]);
        site.apply(&record.to_string());
    };
    let header = |change: &dyn Fn(&mut Value), record: &mut Value| {
        let bytes = BASE64.decode(text(&record["data"]["header"])).unwrap();
        let mut header: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut header);
        record["data"]["header"] = BASE64.encode(header.to_string()).into();
    };
    let packed = |bytes: &[u8]| Value::from(BASE64.encode(zstd::encode_all(bytes, 3).unwrap()));
    let forged = |old: &str, new: &str| {
        let text = String::from_utf8(content(&record)).unwrap();
        assert!(text.contains(old), "{text}");
        packed(text.replacen(old, new, 1).as_bytes())
    };
    let refused = |reason: &str, change: &dyn Fn(&mut Value)| {
        put(change);
        for verb in [&["status", "own"][..], &["uninstall", "own", "--yes"]] {
            alice.carnet(verb).refused(1, &[name, reason]);
        }
        // It hides no other installation.
        let listed = alice.carnet(&["list"]).done().document;
        let why = text(&listed["unreadable"][0]);
        assert!(why.contains(name) && why.contains(reason), "{listed}");
    };
    let not_its_digest = "its content is not what its digest says";
    refused(not_its_digest, &|it| it["data"]["content"] = forged("ConfigMap", "configMap"));
    refused("bytes where it says", &|it| it["data"]["content"] = forged("ConfigMap", "Secret"));
    refused("it cannot be decompressed", &|it| it["data"]["content"] = "AAAA".into());
    refused("bytes where it says", &|it| it["data"]["content"] = packed(&vec![b' '; 100 << 20]));
    refused("it is longer than it may be", &|it| header(&|it| it["size"] = (1u64 << 40).into(), it));
    refused("it is cut off", &|it| header(&|it| it["pieces"] = 3.into(), it));
    refused("it has the format 9", &|it| header(&|it| it["format"] = 9.into(), it));
    refused("it is no record", &|it| it["type"] = "Opaque".into());

    // A record that was copied from elsewhere says so itself.
    put(&|_| {});
    let mut copy = record.clone();
    copy["metadata"] =
        json!({"name": "carnet.installation.other", "labels": copy["metadata"]["labels"].clone()});
    site.apply(&copy.to_string());
    alice
        .carnet(&["status", "other"])
        .refused(1, &["carnet.installation.other", "it is about something else"]);
    site.kubectl(&["delete", "secret", "carnet.installation.other"]);
    alice.carnet(&["status", "own"]).done();

    // A claim that the installation does not know of never began, and the next run removes it.
    let (_, claim) = records(&site).into_iter().find(|(name, _)| name.starts_with("carnet.claim.")).unwrap();
    let orphan = "carnet.claim.own.00000000000000000000000000";
    let mut copy = claim;
    copy["metadata"] = json!({"name": orphan, "labels": copy["metadata"]["labels"].clone()});
    site.apply(&copy.to_string());
    assert_eq!(alice.history("own").len(), 1);
    alice.carnet(&["uninstall", "own", "--yes"]).done();
    assert_eq!(alice.history("own").len(), 2);
    assert!(!records(&site).contains_key(orphan));
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn no_credential_is_in_a_record_and_nothing_is_posted() {
    let site = Site::with_volume();
    let alice = Person::new(&site, "alice");
    alice.install(&["-v"]).done();
    let encoded = site.get("secret/guestbook-db", "jsonpath={.data.password}");
    let forms = [site.password(), site.password_in_url(), encoded];
    let all = records(&site);
    let about = |word: &str| all.keys().filter(|name| name.starts_with(&format!("carnet.{word}."))).count();
    assert_eq!((about("installation"), about("claim"), about("bundle")), (1, 1, 1), "{:?}", all.keys());
    for (name, record) in &all {
        let mut texts = vec![record.to_string().into_bytes()];
        if record["data"]["header"].is_string() && !name.starts_with("carnet.bundle.") {
            let content = content(record);
            assert!(String::from_utf8_lossy(&content).contains("guestbook"), "{name} was not searched");
            texts.push(content);
        }
        for bytes in texts {
            for form in &forms {
                let is_in = bytes.windows(form.len()).any(|window| window == form.as_bytes());
                assert!(!is_in, "{form} is in {name}");
            }
        }
    }
    let own_file = example("guestbook/site.conf").display().to_string();
    let head = String::from_utf8(content(&all["carnet.installation.guestbook"])).unwrap();
    assert!(!head.contains(&own_file) && !head.contains("kubeconfig"), "{head}");

    let of_ours = |event: &Value| {
        let name = event["objectRef"]["name"].as_str().unwrap_or_default();
        name.starts_with("carnet.") || event["objectRef"]["resource"] == "leases"
    };
    let audit = site.audit();
    let verbs: Vec<_> =
        audit.iter().filter(|event| of_ours(event)).map(|event| text(&event["verb"])).collect();
    assert!(verbs.contains(&"patch".to_owned()), "{verbs:?}");
    assert!(verbs.iter().all(|verb| ["get", "list", "patch", "delete"].contains(&&**verb)), "{verbs:?}");
    let writes = verbs.iter().filter(|verb| *verb == "patch").count();
    assert!(writes < 15, "{writes} writes for 12 objects");
    // One for each second that the run took by the server's clock, one for each 32 requests, and one for each record.
    let is_proof = |event: &&Value| event["objectRef"]["resource"] == "leases" && event["verb"] == "get";
    let proofs = audit.iter().filter(is_proof).count();
    let at = |event: &Value| text(&event["requestReceivedTimestamp"]).parse::<jiff::Timestamp>().unwrap();
    let (first, last) = (audit.iter().map(at).min().unwrap(), audit.iter().map(at).max().unwrap());
    let seconds = usize::try_from(last.duration_since(first).as_secs()).unwrap();
    let most = 1 + seconds + audit.len() / 32 + writes;
    assert!((1..=most).contains(&proofs), "{proofs} looks at the Lease in {seconds} s, with {writes} writes");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_directory_can_be_the_target_of_a_state_in_the_cluster() {
    let site = Site::new();
    let alice = Person::new(&site, "alice");
    let target = format!("dir:{}", alice.home.path().join("rendered").display());
    let reference = format!("layout:{}", example("bundles/hello").display());
    let grants = example("hello/grants.yaml").display().to_string();
    let install = ["install", "hello", &reference, "--target", &target, "--grants", &grants, "--yes"];
    alice.carnet(&install).done();
    let manifests = || {
        let all = files(&alice.home.path().join("rendered"));
        all.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "yaml")).count()
    };
    assert_eq!(manifests(), 1);
    let status = alice.carnet(&["status", "hello"]).done().document;
    assert_eq!((&status["namespace"], &status["target"]), (&json!(site.namespace), &json!(target)));
    alice.carnet(&["uninstall", "hello", "--yes"]).refused(11, &["--target dir:PATH"]);
    assert_eq!(manifests(), 1);
    alice.carnet(&["uninstall", "hello", "--target", &target, "--yes"]).done();
    assert_eq!(manifests(), 0);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_may_not_write_records_is_told_so_and_changes_nothing() {
    let site = Site::new();
    let alice = Person::new(&site, "alice");
    let user = format!("nobody-in-{}", site.namespace);
    let said = alice.install(&["--as", &user]);
    said.refused(12, &["carnet."]);
    assert_eq!(records(&site).len(), 0);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn a_namespace_that_is_not_there_is_named() {
    let site = Site::new();
    let alice = Person::new(&site, "alice");
    let reference = format!("layout:{}", example("bundles/hello").display());
    let grants = example("hello/grants.yaml").display().to_string();
    let arguments = ["install", "hello", &reference, "--target", "kube", "--grants", &grants, "--yes"];
    let mut command = alice.with(site.command(&arguments));
    let said = Said::of(command.args(["-n", "there-is-no-such-place"]).output().unwrap());
    let said = said.refused(1, &["there-is-no-such-place/carnet.hello", "its namespace does not exist"]);
    let hint = said.document["hint"].as_str().unwrap();
    assert!(
        hint.starts_with("kubectl ") && hint.ends_with("create namespace there-is-no-such-place"),
        "{hint}"
    );
}

/// Puts another text into a record, as somebody would who can write it and knows its format.
fn forge(site: &Site, name: &str, change: &dyn Fn(String) -> String) {
    let mut record = records(site)[name].clone();
    let forged = change(String::from_utf8(content(&record)).unwrap());
    let digest = carnet::digest::Digest::of(forged.as_bytes()).to_string();
    let header = json!({ "format": 1, "digest": digest, "size": forged.len(), "pieces": 1 });
    record["data"]["header"] = BASE64.encode(header.to_string()).into();
    record["data"]["content"] = BASE64.encode(zstd::encode_all(forged.as_bytes(), 3).unwrap()).into();
    for member in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        record["metadata"].as_object_mut().unwrap().remove(member);
    }
    site.kubectl(&["delete", "secret", name]);
    site.apply(&record.to_string());
}

/// A ServiceAccount and a Role of one name, with these labels, which say that they are another installation's.
fn account_of(site: &Site, name: &str, labels: &Value, owner: &str) {
    let metadata =
        json!({ "name": name, "labels": labels, "annotations": { "carnet.dev/installation": owner } });
    let rbac = "rbac.authorization.k8s.io/v1";
    for (api_version, kind) in [("v1", "ServiceAccount"), (rbac, "Role")] {
        let object = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        site.apply(&object.to_string());
    }
}

fn has_account(site: &Site, name: &str) -> [bool; 2] {
    let names = site.kubectl(&["get", "serviceaccounts,roles", "-o", "name"]);
    ["serviceaccount", "role.rbac.authorization.k8s.io"]
        .map(|kind| names.lines().any(|line| line == format!("{kind}/{name}")))
}

/// Writes a record that an identity of an installation is in these namespaces.
fn record_identity(site: &Site, name: &str, owner: &str, namespaces: &[&str]) {
    let scopes: Vec<_> = namespaces.iter().map(|namespace| json!({ "namespace": namespace })).collect();
    let content =
        json!({ "name": name, "owner": owner, "server": "https://a", "homes": namespaces, "scopes": scopes,
        "expires": "2026-01-01T00:00:00Z" })
        .to_string();
    let digest = carnet::digest::Digest::of(content.as_bytes()).to_string();
    let header = json!({ "format": 1, "digest": digest, "size": content.len(), "pieces": 1 }).to_string();
    let packed = zstd::encode_all(content.as_bytes(), 3).unwrap();
    let record = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "carnet.dev/record",
        "metadata": { "name": format!("carnet.identity.{name}"), "labels": { "carnet.dev/record": "identity" } },
        "data": { "header": BASE64.encode(header), "content": BASE64.encode(packed) },
    });
    site.apply(&record.to_string());
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn whoever_writes_the_record_of_an_identity_has_nothing_removed_with_the_rights_of_others() {
    let (site, other) = (Site::new(), Site::new());
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    alice.install_own("own", &Script::new().apply(&[&config_map("test-a")]), "").done();
    let (owner, theirs) = (format!("{}/own", site.namespace), format!("{}/own", other.namespace));
    let [bare, marked, ours] = [1, 2, 3].map(|n| format!("carnet-01k8zt3w9x5s7q2m4n6p8r0v{n}y"));
    let label = |name: &str| json!({ "carnet.dev/identity": name });
    account_of(&other, &bare, &json!({}), &theirs);
    account_of(&other, &marked, &label(&marked), &theirs);
    let begin = || {
        account_of(&site, &ours, &label(&ours), &owner);
        for name in [&bare, &marked, &ours] {
            record_identity(&site, name, &owner, &[&site.namespace, &other.namespace]);
        }
    };
    let assert_ours_alone_is_gone = |when: &str| {
        assert_eq!(has_account(&other, &bare), [true; 2], "{when}");
        assert_eq!(has_account(&other, &marked), [true; 2], "{when}");
        assert_eq!(has_account(&site, &ours), [false; 2], "{when}");
    };
    begin();
    assert_eq!(has_account(&site, &ours), [true; 2]);
    let mut upgrade = bob.own_by("upgrade", "own", &Script::new().apply(&[&config_map("test-b")]), "");
    Said::of(upgrade.output().unwrap()).done();
    assert_ours_alone_is_gone("the next run");
    assert!(records(&site).keys().all(|name| !name.starts_with("carnet.identity.")));

    // The record of the installation cannot be taken from the run: what it acts as is taken away all the same.
    begin();
    site.kubectl(&["delete", "secret", "carnet.installation.own"]);
    site.apply(r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "carnet.installation.own"}}"#);
    site.apply(
        &json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "carnet.own" },
            "spec": { "holderIdentity": "alice, run 1", "acquireTime": "2026-01-01T00:00:00.000000Z" },
        })
        .to_string(),
    );
    bob.carnet(&["unlock", "own", "--yes"]).refused(1, &["it is no record"]);
    assert_ours_alone_is_gone("unlock");
    assert_eq!(site.kubectl(&["get", "leases", "-o", "name"]).trim(), "");
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn whoever_writes_the_record_has_nothing_done_with_the_rights_of_others() {
    let site = Site::new();
    let (alice, bob) = (Person::new(&site, "alice"), Person::new(&site, "bob"));
    alice.install_own("own", &Script::new().apply(&[&config_map("test-a")]), "").done();
    let record = "carnet.installation.own";
    let (good, namespace) = (content(&records(&site)[record]), site.namespace.clone());
    let restore = || forge(&site, record, &|_| String::from_utf8(good.clone()).unwrap());
    let replaced = |old: &'static str, new: String| {
        move |text: String| {
            assert!(text.contains(old), "{text}");
            text.replacen(old, &new, 1)
        }
    };

    // A directory of the reader's machine, with credentials in clear.
    let elsewhere = bob.home.path().join("elsewhere");
    let to_directory = format!("\"target\":\"dir:{}\",\"plainSecrets\":true", elsewhere.display());
    forge(&site, record, &replaced("\"target\":\"kube\",\"plainSecrets\":false", to_directory));
    let layout = format!("layout:{}", alice.home.path().join("own").display());
    for verb in [
        &["uninstall", "own", "--yes"][..],
        &["upgrade", "own", &layout, "--yes", "--dangerous-unsigned"],
        &["diff", "own", "--bundle", &layout, "--dangerous-unsigned"],
    ] {
        bob.carnet(verb).refused(11, &["--target dir:PATH"]);
    }
    assert!(!elsewhere.exists());
    restore();

    // A grant that nobody gave, and the guard that it needs.
    let everything = "\"kubernetes\":[{\"verbs\":[\"apply\",\"delete\"],\"kinds\":[\"*\"],\"namespaces\":[\"*\"],\"names\":[\"*\"]},";
    forge(&site, record, &replaced("\"kubernetes\":[", everything.to_owned()));
    let upgrade = ["upgrade", "own", &layout, "--yes", "--dangerous-unsigned"];
    bob.carnet(&upgrade).refused(11, &["granted again", "test-*"]);
    restore();

    // Objects of others in the inventory, with the UID that they have.
    site.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: victim, namespace: {namespace}}}}}"
    ));
    let uid = site.get("configmap/victim", "jsonpath={.metadata.uid}");
    let line = format!(
        "{{\"object\":{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"namespace\":\"{namespace}\",\"name\":\"victim\"}},\"uid\":\"{uid}\"}}\n"
    );
    forge(&site, record, &|text| text + &line);
    let record_of_own = line.replace("ConfigMap", "Secret").replace("victim", record);
    bob.carnet(&["uninstall", "own", "--yes"]).done();
    let names = site.names();
    assert!(names.contains(&"ConfigMap/victim".to_owned()), "{names:?}");
    assert!(!names.contains(&"ConfigMap/test-a".to_owned()), "{names:?}");

    // Records of the state itself are no objects of an installation.
    forge(&site, record, &|text| text + &record_of_own);
    bob.carnet(&["status", "own"]).refused(1, &[record, "no object of an installation"]);
}

#[test]
#[ignore = "needs a Kubernetes API server: .ci/cluster/up.sh"]
fn who_wants_to_go_back_where_others_write_the_record_says_to_what_before_anything_is_done() {
    let site = Site::new();
    let alice = Person::new(&site, "alice");
    let first = Script::new().apply(&[&config_map("test-a")]);
    alice.install_own("own", &first, "").done();
    let kept = alice.home().join("first");
    std::fs::rename(alice.home().join("own"), &kept).unwrap();
    let digest = text(&alice.carnet(&["status", "own"]).done().document["digest"]);
    // It applies one object, and another one that the server does not take.
    let odd = "{apiVersion: v1, kind: ConfigMap, metadata: {name: test-b}, data: {a: 1}}";
    let broken = Script::new().apply(&[&config_map("test-c")]).apply(&[odd]);
    drop(alice.own_by("upgrade", "own", &broken, ""));
    let (second, allowed) = (
        format!("layout:{}", alice.home().join("own").display()),
        format!("apply:ConfigMap:{}/test-*", site.namespace),
    );
    let upgrade = |more: &[&str]| {
        let flags = ["upgrade", "own", &second, "--yes", "--dangerous-unsigned", "--allow-kube", &allowed];
        alice.carnet(&[&flags[..], &["--rollback-on-failure"], more].concat())
    };
    let said = upgrade(&[]).refused(11, &["--rollback-bundle"]);
    assert_eq!(alice.history("own").len(), 1, "{said}");
    let back = format!("layout:{}@{digest}", kept.display());
    let said = upgrade(&["--rollback-bundle", &back]);
    assert!(said.code != 0 && said.stderr.contains("it is back at revision"), "{said}");
    let names = site.kubectl(&["get", "configmaps", "-o", "name"]);
    assert!(names.contains("test-a") && !names.contains("test-c"), "{names}");
}
