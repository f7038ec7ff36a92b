//! The whole road on the directory target, with the guestbook: from a signed bundle to a recorded installation and
//! away.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and write files")]

mod support;

use carnet::grant::Consent;
use carnet::grant::spec::FileGrant;
use carnet::host::Supplied;
use carnet::install::{Error, Operation, Unattended};
use carnet::operations::status::{InstallationStatus, StatusRequest, status};
use carnet::targets::{self, Overrides};
use carnet::verify::Verified;
use support::{Home, example, runtime, signed};

const PASSWORD: &str = "hunter2-in-the-clear";

fn guestbook(home: &Home, example_name: &str) -> Verified {
    let layout = home.path(example_name);
    home.built(&example(example_name), example_name);
    let (fetched, policy) = signed(&layout);
    policy.verify(fetched, jiff::Timestamp::UNIX_EPOCH).unwrap()
}

fn operation(home: &Home, action: &str, verified: &Verified) -> Operation {
    let mut consent = Consent { approve: Some(verified.digest()), ..Consent::default() };
    let path = example("guestbook/site.conf");
    consent.grant.files.push(FileGrant { name: "site.conf".into(), path });
    Operation {
        consent,
        credentials: Supplied::new([("db-password".to_owned(), PASSWORD.into())].into()),
        ..home.operation(action)
    }
}

#[test]
fn a_bundle_is_installed_upgraded_and_uninstalled() {
    let home = Home::new();
    let first = guestbook(&home, "guestbook");
    let asked = operation(&home, "install", &first);
    let outcome = home.act(Some(first), asked).unwrap();
    assert_eq!(outcome.outputs["url"], "https://guestbook.example/");
    let installed = home.rendered();
    assert_eq!(installed.len(), outcome.plan().changes.len());
    assert!(
        installed.keys().any(|name| name == "prod/statefulset.apps_web-db.yaml"),
        "{:?}",
        installed.keys()
    );

    let second = guestbook(&home, "guestbook-1.1");
    let asked = operation(&home, "upgrade", &second);
    let outcome = home.act(Some(second), asked).unwrap();
    assert!(!outcome.plan().is_empty());
    assert!(home.rendered().len() > installed.len());

    home.act(None, home.operation("uninstall")).unwrap();
    assert!(home.rendered().is_empty(), "{:?}", home.rendered().keys());
    let history = home.state().history("web").unwrap();
    let actions: Vec<_> = history.iter().map(|row| (row.action.as_str(), row.result.as_str())).collect();
    assert_eq!(actions, [("install", "succeeded"), ("upgrade", "succeeded"), ("uninstall", "succeeded")]);
}

#[test]
fn installing_twice_is_refused_and_changes_nothing() {
    let home = Home::new();
    let bundle = guestbook(&home, "guestbook");
    let asked = operation(&home, "install", &bundle);
    home.act(Some(bundle), asked).unwrap();
    let before = home.rendered();
    let bundle = guestbook(&home, "guestbook");
    let asked = operation(&home, "install", &bundle);
    assert!(matches!(home.act(Some(bundle), asked), Err(Error::Exists { name, .. }) if name == "web"));
    assert_eq!(home.rendered(), before);
}

#[test]
fn what_is_gone_already_is_neither_missed_nor_in_the_way() {
    let home = Home::new();
    let bundle = guestbook(&home, "guestbook");
    let asked = operation(&home, "install", &bundle);
    home.act(Some(bundle), asked).unwrap();
    let installed = home.rendered();
    std::fs::remove_file(home.path("rendered/prod/deployment.apps_web-web.yaml")).unwrap();

    let bundle = guestbook(&home, "guestbook");
    let asked = operation(&home, "upgrade", &bundle);
    home.act(Some(bundle), asked).unwrap();
    assert_eq!(home.rendered(), installed);

    std::fs::remove_file(home.path("rendered/prod/deployment.apps_web-web.yaml")).unwrap();
    home.act(None, home.operation("uninstall")).unwrap();
    assert!(home.rendered().is_empty());
}

/// The file of an object of the guestbook.
const DEPLOYMENT: &str = "rendered/prod/deployment.apps_web-web.yaml";

/// What may stand in its place, and is none.
fn spoiled() -> Vec<Vec<u8>> {
    let other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: prod}}";
    let texts = ["", "[]", "a: [", "\u{0}", other].map(|text| text.as_bytes().to_vec());
    texts.into_iter().chain([b"\xff\xfe".to_vec(), vec![b'a'; (4 << 20) + 1]]).collect()
}

#[test]
fn what_somebody_spoiled_is_removed_if_the_operator_says_so_and_not_otherwise() {
    let home = Home::new();
    let removed = |overrides| {
        let mut asked = home.operation("uninstall");
        asked.options.overrides = overrides;
        home.act(None, asked)
    };
    let (force, take) = (
        Overrides { force_conflicts: true, ..Overrides::default() },
        Overrides { take_ownership: true, ..Overrides::default() },
    );
    for (at, spoiled) in spoiled().into_iter().enumerate() {
        let bundle = guestbook(&home, "guestbook");
        let asked = operation(&home, "install", &bundle);
        home.act(Some(bundle), asked).unwrap();
        std::fs::write(home.path(DEPLOYMENT), &spoiled).unwrap();
        let refused = removed(Overrides::default()).unwrap_err();
        assert!(matches!(&refused, Error::Target(targets::Error::Edited { .. })), "{at}: {refused:?}");
        assert!(std::fs::read(home.path(DEPLOYMENT)).unwrap() == spoiled, "{at}");
        removed(if at % 2 == 0 { force } else { take }).unwrap();
        assert!(home.rendered().is_empty(), "{at}");
    }
}

#[test]
fn a_status_tells_of_each_object_by_itself_what_is_wrong_with_it() {
    let home = Home::new();
    let bundle = guestbook(&home, "guestbook");
    let asked = operation(&home, "install", &bundle);
    home.act(Some(bundle), asked).unwrap();
    let state = home.state();
    let ask = || -> InstallationStatus {
        let request = StatusRequest { name: "web".into(), ..StatusRequest::default() };
        runtime().block_on(status(&request, &state, &Unattended)).unwrap()
    };
    let is_ready = |object: &carnet::operations::status::ObjectStatus| object.ready == Some(true);
    let objects = ask().objects;
    assert!(objects.iter().all(is_ready));
    let cannot = "the file of apps/Deployment prod/web-web cannot be read: ";
    for (spoiled, expected) in
        [(Some(&b"\xff\xfe"[..]), cannot), (Some(b"a: ["), cannot), (None, "it is not there")]
    {
        match spoiled {
            Some(bytes) => std::fs::write(home.path(DEPLOYMENT), bytes).unwrap(),
            None => std::fs::remove_file(home.path(DEPLOYMENT)).unwrap(),
        }
        let (ready, wrong): (Vec<_>, Vec<_>) = ask().objects.into_iter().partition(is_ready);
        assert_eq!((ready.len(), wrong.len()), (objects.len() - 1, 1), "{wrong:?}");
        assert_eq!((wrong[0].object.kind.as_str(), wrong[0].ready), ("Deployment", Some(false)));
        assert!(wrong[0].reason.as_ref().is_some_and(|reason| reason.starts_with(expected)), "{wrong:?}");
    }
}
