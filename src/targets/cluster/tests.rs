//! Tests of the cluster target: first against a server that says what it is told to, then against a real API server,
//! whose kubeconfig `CARNET_TEST_KUBECONFIG` names (`.ci/cluster/up.sh` starts one).

#![expect(
    clippy::disallowed_methods,
    reason = "tests find their servers through files, sockets and the environment"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::grant::{Delete, Wait};
use crate::kubernetes::manifest::Object;
use crate::kubernetes::readiness::Readiness;
use crate::kubernetes::resource::Resource;
use crate::targets::awaited::Awaited;
use crate::targets::preview::{Change, DryRunMode, NotDryRun, Preview};

fn reference(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef::new(api_version, kind, namespace, name)
}

fn owner() -> Owner {
    Owner { namespace: "prod".into(), installation: "web".into() }
}

fn object(body: Value) -> Object {
    Object::of(body, "default", &Kinds::default()).unwrap()
}

fn permit_to_apply(body: &Value, kinds: &Kinds) -> Permitted<Apply> {
    Permitted::for_tests(Apply(Object::of(body.clone(), "default", kinds).unwrap()))
}

fn config_map(namespace: &str, name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace }, "data": data })
}

fn secret(namespace: &str, name: &str, members: Value) -> Value {
    let mut body =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": namespace } });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

mod live;

mod pure {
    use super::*;

    #[test]
    fn a_namespace_must_fit_the_kind() {
        let kinds = Kinds::default();
        let role = reference("rbac.authorization.k8s.io/v1", "ClusterRole", Some("prod"), "x");
        let error = path_of(&role, &kinds).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`rbac.authorization.k8s.io/ClusterRole prod/x` is of a kind that lives outside namespaces"
        );
        let error = path_of(&reference("v1", "Secret", None, "x"), &kinds).unwrap_err();
        assert_eq!(error.to_string(), "`Secret x` is of a kind that lives in namespaces");
        let error = path_of(&reference("example.com/v1", "Widget", None, "x"), &kinds).unwrap_err();
        assert_eq!(error.to_string(), "the server has no kind `Widget` in `example.com/v1`");
    }

    #[test]
    fn what_the_server_writes_makes_no_difference() {
        let before = json!({ "metadata": { "name": "x", "resourceVersion": "1", "managedFields": [] }, "status": { "a": 1 } });
        let after =
            json!({ "metadata": { "name": "x", "resourceVersion": "2", "generation": 2, "uid": "u" } });
        assert_eq!(Preview::of(Some(before.clone()), after).change, Change::Unchanged);
        assert_eq!(Preview::of(Some(before), json!({ "metadata": { "name": "y" } })).change, Change::Update);
    }

    #[test]
    fn debug_shows_no_content() {
        let body = secret("prod", "db", json!({ "data": { "a": "hunter2" } }));
        let applied =
            Applied { created: true, uid: "u".into(), resource_version: "1".into(), after: body.clone() };
        assert!(!format!("{applied:?} {:?}", Preview::of(Some(body.clone()), body)).contains("hunter2"));
    }
}

mod scripted {
    use super::*;

    /// A server that gives the answers of a list, one for each request, and tells what it was asked.
    pub(super) struct Server {
        asked: Receiver<String>,
        kubeconfig: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Server {
        pub(super) fn answering(answers: Vec<String>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let folder = tempfile::tempdir().unwrap();
            let kubeconfig =
                write_kubeconfig(folder.path(), &format!("http://{}", listener.local_addr().unwrap()));
            let (tell, asked) = channel();
            std::thread::spawn(move || {
                for (answer, stream) in answers.into_iter().zip(listener.incoming()) {
                    let mut stream = stream.unwrap();
                    tell.send(read_request(&stream)).unwrap();
                    // A client that has had enough hangs up.
                    drop(stream.write_all(answer.as_bytes()));
                }
            });
            Self { asked, kubeconfig, _folder: folder }
        }

        pub(super) async fn cluster(&self) -> Cluster {
            let options =
                ConnectOptions { kubeconfig: Some(self.kubeconfig.clone()), ..ConnectOptions::default() };
            Cluster::connect(&options, &owner()).await.unwrap()
        }

        pub(super) fn requests(&self) -> Vec<String> {
            self.asked.try_iter().collect()
        }
    }

    fn write_kubeconfig(folder: &Path, server: &str) -> PathBuf {
        let path = folder.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{ "name": "a", "cluster": { "server": server } }],
            "users": [{ "name": "a", "user": { "token": "hunter2" } }],
            "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a", "namespace": "here" } }],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn read_request(stream: &TcpStream) -> String {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request ends in its head");
        }
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        head + &String::from_utf8(body).unwrap()
    }

    pub(super) fn answer(code: u16, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
        )
    }

    fn found() -> String {
        let mut body = config_map("prod", "x", json!({ "a": "1" }));
        body["metadata"]["uid"] = "u".into();
        body["metadata"]["resourceVersion"] = "7".into();
        answer(200, "", &body.to_string())
    }

    fn get() -> Permitted<Get> {
        Permitted::for_tests(Get(reference("v1", "ConfigMap", Some("prod"), "x")))
    }

    #[tokio::test]
    async fn connecting_sends_nothing_and_each_request_says_who_asks() {
        let server = Server::answering(vec![found()]);
        let cluster = server.cluster().await;
        assert_eq!(cluster.server().namespace(), "here");
        assert!(server.requests().is_empty());
        cluster.get(&get(), &Kinds::default()).await.unwrap().unwrap();
        let asked = server.requests().concat();
        assert!(asked.starts_with("GET /api/v1/namespaces/prod/configmaps/x HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(concat!("user-agent: carnet/", env!("CARGO_PKG_VERSION"), "\r\n")), "{asked}");
    }

    #[tokio::test]
    async fn an_apply_is_one_patch_with_the_manager_and_strict_validation() {
        let server = Server::answering(vec![found()]);
        let body = config_map("prod", "x", json!({ "a": "1" }));
        let permit = permit_to_apply(&body, &Kinds::default());
        let applied = server.cluster().await.apply(&permit, &body, &Kinds::default(), false).await.unwrap();
        assert_eq!((applied.created, &*applied.uid, &*applied.resource_version), (false, "u", "7"));
        let asked = server.requests().concat();
        let line = "PATCH /api/v1/namespaces/prod/configmaps/x?fieldManager=carnet%2Fprod%2Fweb&fieldValidation=Strict&force=false HTTP/1.1";
        assert!(asked.starts_with(line), "{asked}");
        assert!(
            asked.contains("content-type: application/apply-patch+yaml\r\n")
                && asked.ends_with(&body.to_string()),
            "{asked}"
        );
    }

    /// The reports of following the Job `prod/x` through these events, and the end.
    async fn followed(answers: Vec<String>, awaited: &Awaited) -> (Vec<Readiness>, Result<Followed, Error>) {
        let (server, mut told) = (Server::answering(answers), Vec::new());
        let cluster = server.cluster().await;
        let ended = cluster.follow(awaited, &Kinds::default(), |found| told.push(found.clone())).await;
        (told, ended)
    }

    fn job(spec: Value, condition: &str) -> Value {
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "x", "namespace": "prod", "uid": "u" }, "spec": spec,
            "status": { "conditions": [{ "type": condition, "status": "True", "message": "m" }] } })
    }

    fn events(events: &[(&str, &Value)]) -> Vec<String> {
        let line = |(of, object): &(&str, &Value)| format!("{}\n", json!({ "type": of, "object": object }));
        vec![answer(200, "", &events.iter().map(line).collect::<String>())]
    }

    fn awaited_job() -> Permitted<Wait> {
        Permitted::for_tests(Wait(reference("batch/v1", "Job", Some("prod"), "x")))
    }

    #[tokio::test]
    async fn an_object_is_followed_until_it_is_ready_and_how_it_ended_counts_when_it_is_gone() {
        use Followed::{Lost, Settled};
        let not = || Readiness::NotReady("it is not complete".into());
        let failed = Readiness::Failed("it failed: m".into());
        let ttl = || json!({ "ttlSecondsAfterFinished": 0 });
        let (running, complete, lasting) = (job(ttl(), "X"), job(ttl(), "Complete"), job(json!({}), "X"));
        let mut other = running.clone();
        other["metadata"]["name"] = "y".into();
        let ready = Awaited::Ready { permit: awaited_job(), removes_itself: true };
        for (told_of, told, ended) in [
            (events(&[("ADDED", &running), ("MODIFIED", &complete)]), vec![not(), Readiness::Ready], Settled),
            (events(&[("ADDED", &running), ("DELETED", &complete)]), vec![not(), Readiness::Ready], Settled),
            (
                events(&[("ADDED", &running), ("DELETED", &job(ttl(), "Failed"))]),
                vec![not(), failed.clone()],
                Settled,
            ),
            (events(&[("ADDED", &job(ttl(), "Failed"))]), vec![failed], Settled),
            (events(&[("ADDED", &running)]), vec![not()], Lost),
            (events(&[("ADDED", &other)]), vec![], Lost),
            (events(&[]), vec![], Lost),
        ] {
            assert_eq!(followed(told_of.clone(), &ready).await, (told, Ok(ended)), "{told_of:?}");
        }
        let (told, ended) = followed(events(&[("ADDED", &lasting), ("DELETED", &lasting)]), &ready).await;
        assert_eq!((told, ended), (vec![not()], Err(Error::NotFound("batch/Job prod/x".into()))));
    }

    #[tokio::test]
    async fn an_object_is_followed_until_it_is_gone_or_another_one_is_there() {
        let (job, mut other) = (job(json!({}), "X"), job(json!({}), "X"));
        other["metadata"]["uid"] = "v".into();
        let gone = Awaited::Gone(awaited_job(), Some("u".into()));
        let there = || Readiness::NotReady("it is still there".into());
        for last in [("DELETED", &job), ("MODIFIED", &other)] {
            let told = followed(events(&[("ADDED", &job), last]), &gone).await;
            assert_eq!(told, (vec![there(), Readiness::Ready], Ok(Followed::Settled)));
        }
        let server = Server::answering(events(&[]));
        let lost = server.cluster().await.follow(&gone, &Kinds::default(), |_| {}).await;
        assert_eq!(lost, Ok(Followed::Lost));
        let asked = server.requests().concat();
        let line = "GET /apis/batch/v1/namespaces/prod/jobs?watch=true&fieldSelector=metadata.name%3Dx&";
        assert!(asked.starts_with(line) && asked.contains("as=PartialObjectMetadata;"), "{asked}");
    }

    #[tokio::test]
    async fn who_may_not_watch_looks_instead() {
        let ready = Awaited::Ready { permit: awaited_job(), removes_itself: false };
        let refused = answer(403, "", r#"{"kind":"Status","message":"no","reason":"Forbidden"}"#);
        assert_eq!(followed(vec![refused], &ready).await, (vec![], Ok(Followed::NotPossible)));
        let served = Awaited::Served(awaited_job(), Vec::new());
        assert_eq!(followed(vec![], &served).await, (vec![], Ok(Followed::NotPossible)), "nothing is asked");
    }

    #[tokio::test]
    async fn those_who_wait_for_kinds_of_one_group_share_its_discovery() {
        let list = r#"{"resources":[{"name":"as","kind":"A","namespaced":true},{"name":"bs","kind":"B","namespaced":true}]}"#;
        let server = Server::answering(vec![answer(200, "", list)]);
        let cluster = server.cluster().await;
        let kinds = |kind: &str| [reference("example.com/v1", kind, None, "")];
        let (a, b, c) = (kinds("A"), kinds("B"), kinds("C"));
        let all = futures_util::future::join3(cluster.serves(&a), cluster.serves(&b), cluster.serves(&c));
        let (a, b, c) = all.await;
        assert_eq!((a, b), (Ok(Readiness::Ready), Ok(Readiness::Ready)));
        assert_eq!(c, Ok(Readiness::NotReady("`example.com/v1` is not served yet".into())));
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again_after_the_pause_it_wants() {
        let server =
            Server::answering(vec![answer(429, "retry-after: 1\r\n", ""), answer(503, "", ""), found()]);
        let begin = Instant::now();
        server.cluster().await.get(&get(), &Kinds::default()).await.unwrap().unwrap();
        assert!(begin.elapsed() > Duration::from_secs(1), "{:?}", begin.elapsed());
        assert_eq!(server.requests().len(), 3);
    }

    #[tokio::test]
    async fn a_lost_connection_is_tried_again() {
        let server = Server::answering(vec![String::new(), found()]);
        server.cluster().await.get(&get(), &Kinds::default()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_stays_busy_has_answered() {
        let server = Server::answering(vec![answer(503, "", r#"{"message":"not yet"}"#); 9]);
        let error = server.cluster().await.get(&get(), &Kinds::default()).await.unwrap_err();
        assert_eq!(error, Error::Troubled("not yet".into()));
        assert_eq!(server.requests().len(), 5);
    }

    #[tokio::test]
    async fn other_refusals_are_final() {
        let refused = answer(403, "", r#"{"kind":"Status","message":"no \u001b[2J","reason":"Forbidden"}"#);
        let server = Server::answering(vec![refused; 9]);
        let error = server.cluster().await.get(&get(), &Kinds::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "the server refuses to get `ConfigMap prod/x`: no \\u{1b}[2J");
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read() {
        let server = Server::answering(vec![answer(200, "", &"x".repeat(crate::document::MAX_BYTES + 1)); 9]);
        let cluster = server.cluster().await;
        let error = cluster.get(&get(), &Kinds::default()).await.unwrap_err();
        assert_eq!(error, Error::TooLong);
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_must_be_strict_json_about_the_object() {
        let other = config_map("prod", "y", json!({})).to_string();
        for (body, why) in [
            (r#"{"kind":"a","kind":"b"}"#, "kind"),
            ("<html>", "this is no JSON value"),
            ("{}", "another object"),
            (other.as_str(), "another object"),
        ] {
            let server = Server::answering(vec![answer(200, "", body)]);
            let error = server.cluster().await.get(&get(), &Kinds::default()).await.unwrap_err();
            let Error::Response { why: actual, .. } = &error else { panic!("{error}") };
            assert!(actual.contains(why), "{actual}");
        }
    }

    #[tokio::test]
    async fn a_body_of_another_object_is_never_sent() {
        let server = Server::answering(vec![found()]);
        let permitted = config_map("prod", "x", json!({}));
        let permit = permit_to_apply(&permitted, &Kinds::default());
        for other in [
            config_map("prod", "y", json!({})),
            config_map("dev", "x", json!({})),
            secret("prod", "x", json!({})),
            json!([permitted]),
        ] {
            let cluster = server.cluster().await;
            let error = cluster.apply(&permit, &other, &Kinds::default(), true).await.unwrap_err();
            assert_eq!(error, Error::OtherObject("ConfigMap prod/x".into()));
            let error = cluster
                .preview(&permit, &other, &Kinds::default(), None, (DryRunMode::DryRun, true))
                .await
                .unwrap_err();
            assert_eq!(error, Error::OtherObject("ConfigMap prod/x".into()));
        }
        assert!(server.requests().is_empty());
    }

    #[tokio::test]
    async fn discovery_cannot_redirect_requests() {
        let list = r#"{"resources":[{"name":"../../secrets","kind":"Widget","namespaced":true}]}"#;
        let server = Server::answering(vec![answer(200, "", list)]);
        let widget = reference("example.com/v1", "Widget", None, "x");
        let error = server
            .cluster()
            .await
            .learn(std::slice::from_ref(&widget), &mut Kinds::default())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the server has no kind `Widget` in `example.com/v1`");
    }

    /// The answers of a server that does not serve the version that an object was applied in, and the question that ends it.
    async fn sight(api_version: &str, kind: &str, answers: &[(u16, &str)]) -> (String, Sight, usize) {
        let gone = r#"{"kind":"Status","reason":"NotFound","details":{}}"#;
        let answers = std::iter::once((404, gone)).chain(answers.iter().copied());
        let server = Server::answering(answers.map(|(code, body)| answer(code, "", body)).collect());
        let mut kinds = Kinds::default();
        kinds.learn("example.com/Widget", Resource { plural: "widgets".into(), namespaced: true });
        let object = reference(api_version, kind, Some("prod"), "x");
        let seen = server.cluster().await.sight(&object, &kinds).await.unwrap();
        (seen.object.api_version, seen.sight, server.requests().len())
    }

    const CRON: &str =
        r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"x","namespace":"prod"}}"#;

    #[tokio::test]
    async fn an_object_is_found_in_the_version_that_is_served_also_of_a_kind_of_kubernetes() {
        let group = r#"{"versions":[{"groupVersion":"batch/v1beta1"},{"groupVersion":"batch/v1"}],"preferredVersion":{"groupVersion":"batch/v1"}}"#;
        let kinds = r#"{"resources":[{"name":"cronjobs","kind":"CronJob","namespaced":true}]}"#;
        let (version, sight, asked) =
            sight("batch/v1beta1", "CronJob", &[(200, group), (200, kinds), (200, CRON)]).await;
        assert_eq!((version.as_str(), asked), ("batch/v1", 4));
        assert!(matches!(sight, Sight::There(found) if found["kind"] == "CronJob"));
        // Not there in the version that is served: it is absent.
        let missing = r#"{"kind":"Status","details":{"name":"x","group":"batch","kind":"cronjobs"}}"#;
        let (.., sight, _) =
            self::sight("batch/v1beta1", "CronJob", &[(200, group), (200, kinds), (404, missing)]).await;
        assert!(matches!(sight, Sight::Absent));
        // A kind of Kubernetes that is served in no version may be switched off.
        let (.., sight, _) = self::sight("batch/v1beta1", "CronJob", &[(404, "{}")]).await;
        assert!(matches!(sight, Sight::Unknown(why) if why.contains("in no version")));
    }

    #[tokio::test]
    async fn an_object_whose_kind_is_not_served_is_absent_only_if_nothing_defines_it() {
        let none = r#"{"items":[]}"#;
        let listed = r#"{"items":[{"metadata":{"name":"widgets.example.com"}},{"metadata":{"name":"widgets.other.example.com"}}]}"#;
        let definition = |kind: &str| {
            json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": "widgets.example.com" }, "spec": { "names": { "kind": kind } } })
            .to_string()
        };
        let forbidden = r#"{"kind":"Status","reason":"Forbidden"}"#;
        let (ours, other) = (definition("Widget"), definition("Gadget"));
        for (answers, expected) in [
            (vec![(404, "{}"), (200, none), (200, none)], None),
            (vec![(404, "{}"), (200, listed), (200, &*ours)], Some("has no version that is served")),
            (vec![(404, "{}"), (200, listed), (200, &*other), (200, none)], None),
            (vec![(404, "{}"), (403, forbidden)], Some("you may not see")),
        ] {
            let (.., sight, _) = sight("example.com/v1", "Widget", &answers).await;
            match (sight, expected) {
                (Sight::Absent, None) => {}
                (Sight::Unknown(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
                _ => panic!("it is not as expected: {answers:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let kubeconfig = Some(write_kubeconfig(folder.path(), &format!("https://{free}")));
        let cluster = Cluster::connect(&ConnectOptions { kubeconfig, ..ConnectOptions::default() }, &owner())
            .await
            .unwrap();
        let error = cluster.get(&get(), &Kinds::default()).await.unwrap_err();
        let Error::Unavailable(why) = &error else { panic!("{error}") };
        assert!(why.ends_with("nobody listens there"), "{why}");
    }

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = Some(write_kubeconfig(folder.path(), "https://127.0.0.1"));
        let options = ConnectOptions { kubeconfig, context: Some("nowhere".into()), as_user: None };
        let error = Cluster::connect(&options, &owner()).await.unwrap_err().to_string();
        assert!(error.starts_with("the kubeconfig cannot be used: ") && error.contains("nowhere"), "{error}");
    }

    #[tokio::test]
    async fn what_a_failing_credential_plugin_prints_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_kubeconfig(folder.path(), "https://127.0.0.1");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["users"][0]["user"] = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", "echo hunter$((1+1)); exit 3"],
        } });
        std::fs::write(&path, config.to_string()).unwrap();
        let options = ConnectOptions { kubeconfig: Some(path), ..ConnectOptions::default() };
        let error = Cluster::connect(&options, &owner()).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no credential for the cluster: the credential plugin `sh` failed (exit code 3)"
        );
    }

    #[tokio::test]
    async fn refusals_about_secrets_have_no_text_of_the_server() {
        let quoted = r#"{"kind":"Status","message":"webhook: hunter2 is too weak","reason":"Forbidden"}"#;
        let server = Server::answering(vec![answer(403, "", quoted)]);
        let body = secret("prod", "db", json!({ "stringData": { "a": "hunter2" } }));
        let permit = Permitted::for_tests(Apply(object(body.clone())));
        let error = server.cluster().await.apply(&permit, &body, &Kinds::default(), false).await.unwrap_err();
        assert_eq!(error.to_string(), "the server refuses to apply `Secret prod/db`: 403 Forbidden");
    }
}

mod lists {
    use super::scripted::{Server, answer};
    use super::*;

    /// So many ConfigMaps of the namespace `prod`, called `a0` and on.
    fn maps(count: usize) -> Vec<ObjectRef> {
        (0..count).map(|at| reference("v1", "ConfigMap", Some("prod"), &format!("a{at}"))).collect()
    }

    fn page(objects: &[ObjectRef], next: &str) -> String {
        let item = |object: &ObjectRef| json!({ "metadata": { "name": object.name, "namespace": "prod", "uid": "u" } });
        let items: Vec<_> = objects.iter().map(item).collect();
        answer(
            200,
            "",
            &json!({ "kind": "List", "metadata": { "continue": next }, "items": items }).to_string(),
        )
    }

    fn refusal(code: u16) -> String {
        answer(code, "", r#"{"kind":"Status","message":"no","reason":"Forbidden"}"#)
    }

    /// Lists objects, which should be there or not, from a server with these answers: what was told of each (nothing,
    /// that it is not there, or that it is), and the first lines of the requests.
    async fn listed(objects: &[ObjectRef], expected: bool, answers: Vec<String>) -> (String, Vec<String>) {
        let server = Server::answering(answers);
        let cluster = server.cluster().await;
        let all: Vec<_> = objects.iter().collect();
        let listing = cluster.list(&all, &Kinds::default(), |_| expected).await;
        let told = objects.iter().map(|object| match listing.told(object) {
            None => '?',
            Some(None) => '-',
            Some(Some(body)) => {
                assert!(object.names(&body), "{body}");
                '+'
            }
        });
        (told.collect(), lines(&server))
    }

    fn lines(server: &Server) -> Vec<String> {
        server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn one_list_tells_of_many_objects_what_is_there_and_what_is_not() {
        let objects = maps(10);
        let foreign = reference("v1", "ConfigMap", Some("prod"), "foreign");
        let answers = vec![page(&[&objects[..6], &[foreign]].concat(), "")];
        let (told, asked) = listed(&objects, true, answers).await;
        assert_eq!(told, "++++++----");
        assert_eq!(asked, ["GET /api/v1/namespaces/prod/configmaps?limit=250 HTTP/1.1"]);
    }

    #[tokio::test]
    async fn of_what_should_not_be_there_only_names_are_read_and_what_is_there_is_left_to_a_read_of_its_own()
    {
        let objects = maps(10);
        let server = Server::answering(vec![page(&objects[..1], "")]);
        let cluster = server.cluster().await;
        let listing = cluster.list(&objects.iter().collect::<Vec<_>>(), &Kinds::default(), |_| false).await;
        assert!(listing.told(&objects[0]).is_none());
        assert!(objects[1..].iter().all(|object| listing.told(object) == Some(None)));
        assert!(
            server.requests().concat().contains("accept: application/json;as=PartialObjectMetadataList;")
        );
    }

    #[tokio::test]
    async fn few_objects_secrets_and_what_is_in_no_namespace_are_not_listed() {
        let of = |kind: &str, namespace: Option<&str>, count: usize| -> Vec<ObjectRef> {
            (0..count).map(|at| reference("v1", kind, namespace, &format!("a{at}"))).collect()
        };
        for objects in [maps(7), of("Secret", Some("prod"), 50), of("Namespace", None, 50)] {
            let (told, asked) = listed(&objects, true, vec![page(&objects, "")]).await;
            assert_eq!((told.trim_matches('?'), asked.len()), ("", 0));
        }
    }

    #[tokio::test]
    async fn a_list_goes_on_and_ends_where_others_are_most_of_it() {
        let objects = maps(10);
        let (told, asked) =
            listed(&objects, true, vec![page(&objects[..5], "x&y"), page(&objects[5..9], "")]).await;
        assert_eq!(told, "+++++++++-");
        assert_eq!(asked[1], "GET /api/v1/namespaces/prod/configmaps?limit=250&continue=x%26y HTTP/1.1");
        let others: Vec<_> =
            (0..30).map(|at| reference("v1", "ConfigMap", Some("prod"), &format!("z{at}"))).collect();
        let (told, asked) = listed(&objects, true, vec![page(&others, "next"), page(&objects, "")]).await;
        assert_eq!((&*told, asked.len()), ("??????????", 1), "none of them is known to be absent");
    }

    #[tokio::test]
    async fn who_may_not_list_is_not_asked_again_and_learns_nothing() {
        let objects = maps(10);
        for refused in [refusal(403), refusal(404), answer(200, "", "{}"), answer(200, "", "[")] {
            let server = Server::answering(vec![refused; 3]);
            let cluster = server.cluster().await;
            for _ in 0..2 {
                let listing =
                    cluster.list(&objects.iter().collect::<Vec<_>>(), &Kinds::default(), |_| true).await;
                assert!(objects.iter().all(|object| listing.told(object).is_none()));
            }
            assert_eq!(lines(&server).len(), 1);
        }
        let (told, _) = listed(&objects, true, vec![page(&objects[..5], "x"), refusal(410)]).await;
        assert_eq!(told, "+++++?????", "what was seen before it failed is known");
    }
}
