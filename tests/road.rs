//! The whole road on the directory target, with the guestbook: from a signed bundle to a recorded installation and
//! away.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read and write files")]

mod support;

use carnet::grant::Consent;
use carnet::grant::spec::FileGrant;
use carnet::host::Supplied;
use carnet::install::{Error, Operation};
use carnet::verify::Verified;
use support::{Home, example, signed};

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
    assert!(matches!(home.act(Some(bundle), asked), Err(Error::Exists(name)) if name == "web"));
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
