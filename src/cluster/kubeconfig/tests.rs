//! Every member with values that somebody might put there, up to the first request: whatever is wrong is an error that
//! names the member, and nothing ends the program.

#![expect(clippy::disallowed_methods, reason = "the tests write kubeconfigs")]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::cluster::request::ApiRequest;
use crate::cluster::{ConnectOptions, Server};

/// Values that no member should have.
fn hostile() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "hunter2\n",
        "hunter2\r\nX-Evil: 1",
        "hunter2\0",
        "\u{1b}[2J",
        "é",
        "127.0.0.1:1",
        "localhost",
        "https://",
        "http://:1",
        "https://[::1",
        "https://a b",
        "https://127.0.0.1:99999999",
        "ftp://127.0.0.1:1",
        "https://127.0.0.1:x/",
        "//127.0.0.1",
        "https://user:hunter2@127.0.0.1:1",
        "https://127.0.0.1:1/a?b#c",
        "/nonexistent/hunter2",
        "/dev/zero",
        "/",
        "-",
        "../x",
        "aHVudGVyMg==",
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFiYwotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==",
        "-----BEGIN CERTIFICATE-----",
        "client.authentication.k8s.io/v1",
        "client.authentication.k8s.io/v2",
        "Always",
        "oidc",
        "gcp",
    ];
    let long = "x".repeat(100_000);
    texts
        .iter()
        .map(|text| json!(text))
        .chain([json!(long), json!(null), json!(7), json!(true), json!([]), json!({})])
        .collect()
}

/// A kubeconfig to a port that nobody listens on, in which each member is one that can be used.
fn usable() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{ "name": "here", "context": { "cluster": "c", "user": "u", "namespace": "prod" } }],
        "clusters": [{ "name": "c", "cluster": { "server": "http://127.0.0.1:1" } }],
        "users": [{ "name": "u", "user": {} }],
    })
}

/// Members and a value that makes sense for each.
fn members() -> Vec<(&'static str, Value)> {
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "false", "args": ["a"], "interactiveMode": "Never",
        "env": [{ "name": "A", "value": "b" }], "installHint": "none", "provideClusterInfo": true,
    });
    let provider = json!({ "name": "oidc", "config": { "id-token": "abc" } });
    vec![
        ("/current-context", json!("here")),
        ("/contexts/0/name", json!("here")),
        ("/contexts/0/context", json!({ "cluster": "c", "user": "u" })),
        ("/contexts/0/context/cluster", json!("c")),
        ("/contexts/0/context/user", json!("u")),
        ("/contexts/0/context/namespace", json!("prod")),
        ("/clusters/0/cluster", json!({ "server": "http://127.0.0.1:1" })),
        ("/clusters/0/cluster/server", json!("http://127.0.0.1:1")),
        ("/clusters/0/cluster/tls-server-name", json!("example.org")),
        ("/clusters/0/cluster/proxy-url", json!("http://127.0.0.1:1")),
        ("/clusters/0/cluster/certificate-authority", json!("/dev/null")),
        ("/clusters/0/cluster/certificate-authority-data", json!("")),
        ("/clusters/0/cluster/insecure-skip-tls-verify", json!(true)),
        ("/clusters/0/cluster/disable-compression", json!(true)),
        ("/clusters/0/cluster/extensions", json!([])),
        ("/users/0/user", json!({})),
        ("/users/0/user/token", json!("abc")),
        ("/users/0/user/tokenFile", json!("/dev/null")),
        ("/users/0/user/username", json!("me")),
        ("/users/0/user/password", json!("abc")),
        ("/users/0/user/client-certificate", json!("/dev/null")),
        ("/users/0/user/client-certificate-data", json!("")),
        ("/users/0/user/client-key", json!("/dev/null")),
        ("/users/0/user/client-key-data", json!("")),
        ("/users/0/user/as", json!("me")),
        ("/users/0/user/as-uid", json!("1")),
        ("/users/0/user/as-groups", json!(["g"])),
        ("/users/0/user/as-groups/0", json!("g")),
        ("/users/0/user/as-user-extra", json!({ "a": ["b"] })),
        ("/users/0/user/as-user-extra/a/0", json!("b")),
        ("/users/0/user/exec", exec),
        ("/users/0/user/exec/apiVersion", json!("client.authentication.k8s.io/v1")),
        ("/users/0/user/exec/command", json!("false")),
        ("/users/0/user/exec/args/0", json!("a")),
        ("/users/0/user/exec/env/0/name", json!("A")),
        ("/users/0/user/exec/env/0/value", json!("b")),
        ("/users/0/user/exec/installHint", json!("none")),
        ("/users/0/user/exec/interactiveMode", json!("Never")),
        ("/users/0/user/exec/provideClusterInfo", json!(true)),
        ("/users/0/user/auth-provider", provider),
        ("/users/0/user/auth-provider/name", json!("oidc")),
        ("/users/0/user/auth-provider/config/id-token", json!("abc")),
    ]
}

/// Members that name something, and are told so that it can be found.
const NAMES: [&str; 7] = [
    "/current-context",
    "/contexts/0/name",
    "/contexts/0/context/cluster",
    "/contexts/0/context/user",
    "/users/0/user/exec/command",
    "/users/0/user/exec/installHint",
    "/users/0/user/tokenFile",
];

/// Puts a value at a pointer, and what has to be around it.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let all = members();
    let around = all.iter().filter(|(member, _)| pointer.starts_with(&format!("{member}/")));
    for (member, value) in around {
        if document.pointer(member).is_none() {
            put(document, member, value.clone());
        }
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.insert(name.into(), value)),
        Some(Value::Array(items)) => items[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other:?}"),
    }
}

/// Goes as far as the first request, as the program does. The error, if there is one before it.
async fn tried(text: &[u8]) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let options = ConnectOptions { kubeconfig: Some(file.path().into()), ..ConnectOptions::default() };
    match Server::connect(&options).await {
        Err(error) => Some(error.to_string().replace(&file.path().display().to_string(), "FILE")),
        Ok(server) => {
            // Nobody answers there: that the request is made is what counts.
            let request = ApiRequest::get("/version".into());
            drop(tokio::time::timeout(Duration::from_millis(20), server.send(&request)).await);
            None
        }
    }
}

#[tokio::test]
async fn no_value_of_any_member_ends_the_program_or_is_shown() {
    for (member, sensible) in members() {
        let mut document = usable();
        put(&mut document, member, sensible);
        for value in hostile() {
            let mut document = document.clone();
            put(&mut document, member, value.clone());
            if let Some(error) = tried(document.to_string().as_bytes()).await {
                assert!(
                    !error.contains("hunter2") || NAMES.contains(&member) || value == "/nonexistent/hunter2",
                    "{member} {value}: {error}"
                );
                assert!(error.chars().count() < 1000 && !error.contains('\u{1b}'), "{member}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_told_by_file_context_and_member() {
    for (member, value, expected) in [
        (
            "/clusters/0/cluster/server",
            "127.0.0.1:6443",
            "`clusters[c].cluster.server` does not begin with `https://` or `http://`",
        ),
        ("/clusters/0/cluster/server", "https://", "`clusters[c].cluster.server` is not a URL"),
        (
            "/clusters/0/cluster/server",
            "https://a:99999",
            "`clusters[c].cluster.server` has a port that is none",
        ),
        ("/clusters/0/cluster/server", "", "`clusters[c].cluster.server` is missing"),
        (
            "/clusters/0/cluster/proxy-url",
            "socks4://a",
            "`clusters[c].cluster.proxy-url` begins with neither `http://`, `https://` nor `socks5://`",
        ),
        (
            "/clusters/0/cluster/tls-server-name",
            "a b",
            "`clusters[c].cluster.tls-server-name` is not the name of a host",
        ),
        (
            "/clusters/0/cluster/certificate-authority-data",
            "%",
            "`clusters[c].cluster.certificate-authority-data` is not base64",
        ),
        (
            "/clusters/0/cluster/certificate-authority",
            "/nonexistent",
            "`clusters[c].cluster.certificate-authority` names a file that cannot be read",
        ),
        (
            "/contexts/0/context/namespace",
            "../x",
            "`contexts[here].context.namespace` is not the name of a namespace",
        ),
        ("/users/0/user/token", "hunter2\n", "`users[u].user.token` has characters that no header can hold"),
        ("/users/0/user/as", "a\nb", "`users[u].user.as` has characters that no header can hold"),
        (
            "/users/0/user/as-groups/0",
            "a\nb",
            "`users[u].user.as-groups` has characters that no header can hold",
        ),
        (
            "/users/0/user/client-certificate-data",
            "aHVudGVyMg==",
            "`users[u].user.client-certificate` has no client-key beside it",
        ),
        ("/users/0/user/client-key-data", "%", "`users[u].user.client-key-data` is not base64"),
        (
            "/users/0/user/exec/apiVersion",
            "v9",
            "`users[u].user.exec.apiVersion` is not `client.authentication.k8s.io/v1` or",
        ),
        ("/users/0/user/exec/command", "", "`users[u].user.exec.command` is missing"),
        (
            "/users/0/user/auth-provider/name",
            "gcp",
            "`users[u].user.auth-provider` names a provider that is gone from kubectl",
        ),
    ] {
        let mut document = usable();
        put(&mut document, member, json!(value));
        let error =
            tried(document.to_string().as_bytes()).await.unwrap_or_else(|| panic!("{member} {value}"));
        let start = format!("the kubeconfig cannot be used: `FILE`: context `here`: {expected}");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn base64_may_be_wrapped_in_every_member_that_holds_some() {
    let text = "
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: https://127.0.0.1:1
    certificate-authority-data: |
      LS0t
      LS0t
users:
- name: u
  user:
    client-certificate-data: LS0t
      LS0t
    client-key-data: \"LS0t\\r\\nLS0t \"
";
    let read = parsed_text(Path::new("kubeconfig"), text).unwrap();
    let (cluster, user) =
        (read.clusters[0].cluster.clone().unwrap(), read.auth_infos[0].auth_info.clone().unwrap());
    let key = user.client_key_data.unwrap();
    assert_eq!(cluster.certificate_authority_data.as_deref(), Some("LS0tLS0t"));
    assert_eq!(user.client_certificate_data.as_deref(), Some("LS0tLS0t"));
    assert_eq!(key.expose_secret(), "LS0tLS0t");
}

#[tokio::test]
async fn empty_members_of_a_plugin_are_not_set() {
    let answer = r#"printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"a"}}'"#;
    let exec =
        json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", answer] });
    for (member, unset) in [
        ("interactiveMode", json!("")),
        ("interactiveMode", json!(null)),
        ("env", json!(null)),
        ("env", json!([])),
        ("installHint", json!("")),
        ("installHint", json!(null)),
        ("provideClusterInfo", json!(null)),
    ] {
        let mut document = usable();
        put(&mut document, "/users/0/user/exec", exec.clone());
        put(&mut document, &format!("/users/0/user/exec/{member}"), unset.clone());
        assert_eq!(tried(document.to_string().as_bytes()).await, None, "{member} {unset}");
    }
    for (member, unset, expected) in [
        ("command", json!(""), "`users[u].user.exec.command` is missing"),
        ("apiVersion", json!(""), "`users[u].user.exec.apiVersion` is not `client"),
        ("interactiveMode", json!("Sometimes"), "is not a valid document"),
    ] {
        let mut document = usable();
        put(&mut document, "/users/0/user/exec", exec.clone());
        put(&mut document, &format!("/users/0/user/exec/{member}"), unset);
        let error = tried(document.to_string().as_bytes()).await.unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_authority_that_would_not_be_asked_is_refused() {
    let mut document = usable();
    put(&mut document, "/clusters/0/cluster/insecure-skip-tls-verify", json!(true));
    assert_eq!(tried(document.to_string().as_bytes()).await, None);
    for member in ["certificate-authority", "certificate-authority-data"] {
        let mut both = document.clone();
        put(&mut both, &format!("/clusters/0/cluster/{member}"), json!("/dev/null"));
        let error = tried(both.to_string().as_bytes()).await.unwrap();
        assert!(error.contains("`clusters[c].cluster.insecure-skip-tls-verify` stands beside"), "{error}");
    }
}

#[test]
fn what_is_empty_is_not_set_and_hides_nothing() {
    let read = |document: &Value| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), document.to_string()).unwrap();
        let kubeconfigs = Kubeconfigs::read([file.path().to_owned()]).unwrap();
        kubeconfigs.choose(Some("here")).map(|_| ()).unwrap();
        serde_json::to_value(kubeconfigs.merged().unwrap()).unwrap()
    };
    let mut document = usable();
    put(&mut document, "/users/0/user/token", json!("abc"));
    put(&mut document, "/clusters/0/cluster/certificate-authority", json!("/dev/null"));
    let plain = read(&document);
    for (member, _) in members() {
        let is_text = members().iter().any(|(it, value)| *it == member && value.is_string());
        let is_member = ["/user/", "/cluster/"].iter().any(|at| member.contains(at));
        let is_set = document.pointer(member).is_some_and(|value| value != "");
        if is_text
            && is_member
            && !is_set
            && !member[1..].contains("exec/")
            && member.matches('/').count() == 4
        {
            let mut with_empty = document.clone();
            put(&mut with_empty, member, json!(""));
            assert_eq!(read(&with_empty), plain, "{member}");
        }
    }
    put(&mut document, "/users/0/user/username", json!("me"));
    assert_eq!(read(&document)["users"][0]["user"]["password"], "");
}

#[tokio::test]
async fn a_token_file_counts_before_a_token() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "half a\u{0} token").unwrap();
    let mut document = usable();
    put(&mut document, "/users/0/user/tokenFile", json!(token.path()));
    assert!(tried(document.to_string().as_bytes()).await.is_some(), "the file was not read");
    put(&mut document, "/users/0/user/token", json!("abc"));
    assert_eq!(
        tried(document.to_string().as_bytes()).await,
        None,
        "the token stands in for a file of no use"
    );
}

#[tokio::test]
async fn a_context_that_leads_nowhere_is_told() {
    for (member, expected) in [
        ("/current-context", "there is no context `x`"),
        ("/contexts/0/context/cluster", "the context `here` names the cluster `x`, which is not there"),
    ] {
        let mut document = usable();
        put(&mut document, member, json!("x"));
        let error = tried(document.to_string().as_bytes()).await.unwrap();
        assert_eq!(error, format!("the kubeconfig cannot be used: {expected}"));
    }
}

#[tokio::test]
async fn a_text_that_is_no_kubeconfig_is_an_error_and_is_not_quoted() {
    let broken = b"apiVersion: v1\nusers:\n- name: a\n  user: {token: hunter2, exec: [hunter2}\n";
    for text in [
        &broken[..],
        b"hunter2",
        b"[hunter2]",
        b"\xff\xfea",
        b"\xff\xff",
        b"users: hunter2",
        b"&a [*a]",
        b"{",
    ] {
        let error = tried(text).await.unwrap();
        assert!(
            error.starts_with("the kubeconfig cannot be used: `FILE`") && !error.contains("hunter2"),
            "{error}"
        );
    }
    assert!(
        tried(b"").await.is_some_and(|error| error.ends_with("no context is named, and none is current"))
    );
}

#[test]
fn of_several_files_the_first_that_has_a_name_is_told_and_used() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let mut first = usable();
    first["users"] = json!([]);
    std::fs::write(&one, first.to_string()).unwrap();
    let mut second = usable();
    second["users"][0]["user"]["token"] = json!("a\nb");
    second["clusters"][0]["cluster"]["server"] = json!("nowhere");
    std::fs::write(&two, second.to_string()).unwrap();
    let kubeconfigs = Kubeconfigs::read([one, two.clone()]).unwrap();
    let error = kubeconfigs.choose(None).err().unwrap();
    assert!(
        matches!(&error, InvalidKubeconfig::Member { file, member, .. } if *file == two && member == "users[u].user.token"),
        "{error}"
    );
    let missing = Kubeconfigs::read([home.path().join("none")]).err().unwrap();
    assert!(missing.to_string().contains("/none` cannot be read"), "{missing}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, ..Default::default() })]

    #[test]
    fn no_text_in_any_member_ends_the_program(at in 0..42_usize, text in proptest::prelude::any::<String>()) {
        let all = members();
        let (member, sensible) = &all[at % all.len()];
        let mut document = usable();
        put(&mut document, member, sensible.clone());
        if !member.contains("exec") {
            put(&mut document, member, json!(text));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        drop(runtime.block_on(tried(document.to_string().as_bytes())));
    }
}
