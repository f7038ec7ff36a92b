mod odd_answers;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::encoding::{Header, pack};
use super::*;
use crate::document::chain;
use crate::grant::spec::FileGrant;
use crate::kubernetes::rbac::RoleScope;
use crate::state::State;
use crate::state::tests::server::Server;
use crate::state::tests::{claim, in_cluster, now, object, recorded, settings, succeeded};
use crate::targets::Place;

const INSTALLATION: &str = "carnet.installation.web";

/// A server with an installation, whose last claim is this one.
fn installed() -> (Server, State, NewClaim) {
    let server = Server::start();
    let state = in_cluster(&server, "alice");
    let claim = claim("install", true);
    state.begin("web", "prod", &settings(), &claim).unwrap();
    state.ledger("web").intend(&[recorded("a", Some("u"))]).unwrap();
    let outputs = BTreeMap::from([("url".to_owned(), json!("http://a"))]);
    state.finish(&claim, &succeeded(&outputs)).unwrap();
    server.requests();
    (server, state, claim)
}

/// The content of a record that is one piece.
fn content(server: &Server, name: &str) -> String {
    let secret = server.get("secrets", name);
    let bytes = |member: &str| BASE64.decode(secret["data"][member].as_str().unwrap()).unwrap();
    let header = Header::read(&bytes("header")).unwrap();
    String::from_utf8(header.unpack(&[bytes("content")]).unwrap()).unwrap()
}

/// Writes another content into a record, whole and with the right digest.
fn rewrite(server: &Server, name: &str, change: impl FnOnce(String) -> String) {
    let (header, pieces) = pack(change(content(server, name)).as_bytes()).unwrap();
    server.tamper("secrets", name, |secret| {
        secret["data"]["header"] = BASE64.encode(serde_json::to_vec(&header).unwrap()).into();
        secret["data"]["content"] = BASE64.encode(&pieces[0]).into();
    });
}

fn claim_name(claim: &NewClaim) -> String {
    format!("carnet.claim.web.{}", claim.id.to_lowercase())
}

/// Text that cannot be compressed.
fn noise(length: usize) -> String {
    let blocks = (0..length.div_ceil(64)).map(|n| Digest::of(n.to_string().as_bytes()).hex());
    blocks.collect::<String>()[..length].to_owned()
}

mod records {
    use super::*;

    #[test]
    fn they_are_written_byte_for_byte_as_ever() {
        let (server, _, claim) = installed();
        let digest = Digest::of(b"bundle");
        let head = format!(
            r#"{{"name":"web","namespace":"prod","settings":{{"target":"kube","plainSecrets":false,"bundle":"{digest}","bundleName":"web","bundleVersion":"1.0.0","reference":"layout:/somewhere","terms":{{"kubernetes":[],"files":[],"credentials":[],"deny":{{}},"limits":{{}}}}}},"claims":[{{"claim":"{id}","action":"install","modifies":true,"outputs":["url"]}}]}}"#,
            id = claim.id
        );
        let row =
            r#"{"object":{"apiVersion":"v1","kind":"ConfigMap","namespace":"prod","name":"a"},"uid":"u"}"#;
        assert_eq!(content(&server, INSTALLATION), format!("{head}\n{row}\n"));
        let lines = content(&server, &claim_name(&claim));
        let mut lines = lines.lines();
        assert_eq!(lines.next().unwrap(), claim.document.to_string());
        let result: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!((&result["claimId"], &result["status"]), (&json!(claim.id), &json!("succeeded")));
        assert_eq!(lines.next().unwrap(), r#"{"name":"url","value":"http://a"}"#);
        assert_eq!(lines.next(), None);
        let secret = server.get("secrets", INSTALLATION);
        assert_eq!(secret["type"], "carnet.dev/record");
        assert_eq!(
            secret["metadata"]["labels"],
            json!({"app.kubernetes.io/managed-by": "carnet", "carnet.dev/record": "installation", "carnet.dev/installation": "web"})
        );
    }

    #[test]
    fn one_of_an_older_program_without_later_members_opens() {
        let (server, state, claim) = installed();
        let digest = Digest::of(b"bundle");
        rewrite(&server, INSTALLATION, |_| {
            format!(
                "{{\"name\":\"web\",\"namespace\":\"prod\",\"settings\":{{\"target\":\"kube\",\"bundle\":\"{digest}\",\"bundleName\":\"web\",\"bundleVersion\":\"1.0.0\",\"reference\":\"x\",\"terms\":{{}}}},\"claims\":[{{\"claim\":\"{}\",\"action\":\"install\",\"modifies\":true}}]}}\n",
                claim.id
            )
        });
        let found = state.get("web").unwrap();
        assert!(found.is_installed() && found.inventory.is_empty(), "{found:?}");
        // The outputs of the last claim count, though the list does not name them.
        assert_eq!(state.outputs("web").unwrap()["url"], json!("http://a"));
    }

    #[test]
    fn one_that_was_tampered_with_is_refused_for_its_reason() {
        type Tamper = fn(&mut Value);
        let cases: [(Tamper, &str); 7] = [
            (|it| it["type"] = "Opaque".into(), "another type"),
            (|it| drop(it["data"].as_object_mut().unwrap().remove("header")), "it has no `header`"),
            (|it| it["data"]["content"] = "?".into(), "its `content` is not base64"),
            (|it| it["data"]["content"] = BASE64.encode("x").into(), "it cannot be decompressed"),
            (|it| it["data"]["header"] = BASE64.encode("{}").into(), "`format` is missing"),
            (
                |it| {
                    let (other, _) = pack(b"other").unwrap();
                    it["data"]["header"] = BASE64.encode(serde_json::to_vec(&other).unwrap()).into();
                },
                "bytes where it says 5",
            ),
            (
                |it| {
                    let header = BASE64.decode(it["data"]["header"].as_str().unwrap()).unwrap();
                    let mut header: Value = serde_json::from_slice(&header).unwrap();
                    header["format"] = 2.into();
                    it["data"]["header"] = BASE64.encode(header.to_string()).into();
                },
                "it has the format 2, and this program knows 1",
            ),
        ];
        for (tamper, expected) in cases {
            let (server, state, _) = installed();
            server.tamper("secrets", INSTALLATION, tamper);
            for error in [state.get("web").unwrap_err(), state.list().unwrap_err()] {
                let text = chain(&error);
                assert!(text.contains(expected), "{text}");
            }
            assert!(state.begin("web", "prod", &settings(), &claim("upgrade", true)).is_err(), "{expected}");
        }
    }

    #[test]
    fn one_that_was_copied_elsewhere_is_about_something_else() {
        let (server, state, claim) = installed();
        server.copy("secrets", INSTALLATION, "carnet.installation.other");
        let text = chain(&state.get("other").unwrap_err());
        assert!(text.contains("it is about something else"), "{text}");

        let other = ulid();
        server.copy("secrets", &claim_name(&claim), &format!("carnet.claim.web.{}", other.to_lowercase()));
        rewrite(&server, INSTALLATION, |text| text.replace(&claim.id, &other));
        let text = chain(&state.history("web").unwrap_err());
        assert!(text.contains("it is about something else"), "{text}");
    }

    #[test]
    fn one_that_names_a_claim_twice_is_refused_before_any_claim_is_asked_for() {
        let (server, state, _) = installed();
        rewrite(&server, INSTALLATION, |text| {
            let (start, rest) = text.split_once("\"claims\":[").unwrap();
            let (entry, rest) = rest.split_once("}]").unwrap();
            let repeated = format!("{entry}}},").repeat(20_000);
            format!("{start}\"claims\":[{}]{rest}", repeated.trim_end_matches(','))
        });
        server.requests();
        for error in [state.outputs("web").unwrap_err(), state.history("web").unwrap_err()] {
            assert!(chain(&error).contains("it names a claim twice"), "{}", chain(&error));
        }
        let requests = server.requests();
        assert!(requests.iter().all(|request| request.ends_with(INSTALLATION)), "{requests:?}");
    }

    #[test]
    fn one_that_names_claims_that_are_not_there_asks_for_no_more_than_are() {
        let (server, state, claim) = installed();
        rewrite(&server, INSTALLATION, |text| {
            let forged: String = (0..2_000)
                .map(|n| {
                    let id = ulid();
                    format!(r#"{{"claim":"{id}","action":"x","modifies":true,"outputs":["o{n}"]}},"#)
                })
                .collect();
            text.replacen("\"claims\":[", &format!("\"claims\":[{forged}"), 1)
        });
        server.requests();
        assert_eq!(state.outputs("web").unwrap()["url"], json!("http://a"));
        assert_eq!(server.requests().len(), 2, "the record and one list");
        assert_eq!(state.get("web").unwrap().last.unwrap().claim, claim.id);
    }

    #[test]
    fn one_that_somebody_spoiled_hides_no_other() {
        type Spoil = fn(&mut Value);
        let spoils: [Spoil; 3] = [
            |it| it["type"] = "Opaque".into(),
            |it| it["data"]["header"] = BASE64.encode("{}").into(),
            |_| (),
        ];
        for spoil in spoils {
            let (server, state, _) = installed();
            server.copy("secrets", INSTALLATION, "carnet.installation.aaa");
            rewrite(&server, "carnet.installation.aaa", |text| text.replacen(":\"kube\"", ":9", 1));
            server.tamper("secrets", "carnet.installation.aaa", spoil);
            for all_namespaces in [false, true] {
                let found = state.readable(all_namespaces).unwrap();
                let names: Vec<_> = found.readable.iter().map(|it| &*it.name).collect();
                assert_eq!(names, ["web"]);
                let unreadable: Vec<_> = found.unreadable.iter().map(|it| chain(it)).collect();
                assert!(unreadable.len() == 1 && unreadable[0].contains("aaa"), "{unreadable:?}");
            }
        }
    }

    #[test]
    fn a_list_that_is_too_long_to_be_read_is_read_in_shorter_pages() {
        let (server, state, _) = installed();
        for n in 0..20 {
            let name = format!("carnet.installation.a{n}");
            server.copy("secrets", INSTALLATION, &name);
            server.tamper("secrets", &name, |it| it["data"]["x"] = "x".repeat(1_400_000).into());
        }
        server.requests();
        let found = state.readable(false).unwrap();
        assert_eq!((found.readable.len(), found.unreadable.len()), (1, 20));
        let lists = server.requests().iter().filter(|it| it.ends_with("/secrets")).count();
        assert!((12..50).contains(&lists), "{lists}");
    }

    #[test]
    fn a_claim_that_somebody_removed_has_no_known_end() {
        let (server, state, claim) = installed();
        server.remove("secrets", &claim_name(&claim));
        let last = state.get("web").unwrap().last.unwrap();
        assert_eq!((&*last.claim, &*last.action, last.result.as_str()), (&*claim.id, "install", "unknown"));
        assert_eq!(last.message.as_deref(), Some("the record of its claim is gone"));
        assert_eq!(state.outputs("web").unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_was_never_in_the_list_is_removed_by_the_next_run() {
        let (server, state, known) = installed();
        let stray = ulid().to_lowercase();
        server.copy("secrets", &claim_name(&known), &format!("carnet.claim.web.{stray}"));
        let next = claim("upgrade", true);
        state.begin("web", "prod", &settings(), &next).unwrap();
        assert_eq!(server.names("secrets"), [claim_name(&known), claim_name(&next), INSTALLATION.to_owned()]);
    }

    #[test]
    fn a_long_one_is_cut_into_pieces_and_those_of_the_one_before_go() {
        let (server, state, _) = installed();
        let write = |text: &str| {
            let claim = claim("upgrade", true);
            state.begin("web", "prod", &settings(), &claim).unwrap();
            let outputs = BTreeMap::from([("text".to_owned(), json!(text))]);
            state.finish(&claim, &succeeded(&outputs)).unwrap();
            claim
        };
        let text = noise(600_000);
        let claim = write(&text);
        let pieces =
            || server.names("secrets").iter().filter(|name| name.starts_with("carnet.piece.")).count();
        assert!(pieces() > 1, "{}", pieces());
        assert_eq!(state.outputs("web").unwrap()["text"], json!(text));

        // One that lacks a piece is not read at all.
        let piece =
            server.names("secrets").into_iter().find(|name| name.starts_with("carnet.piece.")).unwrap();
        server.remove("secrets", &piece);
        let text = chain(&state.outputs("web").unwrap_err());
        assert!(text.contains("it is cut off"), "{text}");
        server.remove("secrets", &claim_name(&claim));
        write("short");
        assert_eq!(state.outputs("web").unwrap()["text"], json!("short"));
    }

    #[test]
    fn one_that_somebody_else_wrote_meanwhile_is_not_written_over() {
        let (server, state, _) = installed();
        state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        server.tamper("secrets", INSTALLATION, |secret| secret["metadata"]["labels"]["x"] = "y".into());
        let before = server.get("secrets", INSTALLATION);
        let error = state.ledger("web").intend(&[recorded("b", None)]).unwrap_err();
        let expected = "the run no longer holds `web`: its record was changed by somebody else";
        assert_eq!(error.to_string(), expected);
        assert_eq!(server.get("secrets", INSTALLATION), before);
    }

    #[test]
    fn one_that_changed_since_the_run_has_read_it_stops_the_run() {
        let (server, state, _) = installed();
        let _lock = state.lock("web").unwrap();
        state.find("web").unwrap();
        server.tamper("secrets", INSTALLATION, |secret| secret["metadata"]["labels"]["x"] = "y".into());
        // Whoever reads once more meanwhile has planned with what was read first.
        state.find("web").unwrap();
        let before = server.names("secrets");
        let error = state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap_err();
        assert!(
            matches!(&error, StateError::Lost { why, .. } if why.contains("since it was read")),
            "{error}"
        );
        assert_eq!(server.names("secrets"), before);
    }

    #[test]
    fn one_that_came_since_the_run_has_looked_stops_the_run() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let _lock = state.lock("web").unwrap();
        assert_eq!(state.find("web").unwrap(), None);
        in_cluster(&server, "bob").begin("web", "prod", &settings(), &claim("install", true)).unwrap();
        let error = state.begin("web", "prod", &settings(), &claim("install", true)).unwrap_err();
        assert!(matches!(error, StateError::Lost { .. }), "{error}");
    }

    #[test]
    fn one_that_is_too_large_is_refused_and_the_old_one_stays() {
        let (server, state, _) = installed();
        let claim = claim("upgrade", true);
        state.begin("web", "prod", &settings(), &claim).unwrap();
        let before = server.get("secrets", &claim_name(&claim));
        let (text, step) = (noise(18 << 20), 3 << 20);
        let chunk = |n: usize| (n.to_string(), json!(&text[n * step..][..step]));
        let outputs: BTreeMap<_, _> = (0..6).map(chunk).collect();
        let result = state.finish(&claim, &succeeded(&outputs));
        match result {
            Err(StateError::TooLarge { what, .. }) => assert_eq!(what, "the record of the claim"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.get("secrets", &claim_name(&claim)), before);
    }

    #[test]
    fn paths_of_the_one_who_wrote_are_not_stored_and_not_believed() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let files = vec![FileGrant { name: "values".into(), path: "/home/alice/values".into() }];
        let mut claim = claim("install", true);
        claim.document["custom"]["dev.carnet.run"]["terms"] =
            json!({"files": [{"name": "values", "path": "/etc/passwd"}]});
        let mut own = settings();
        own.grant.files = files;
        let (kubeconfig, context) = (Some("/home/alice/kubeconfig".into()), Some("work".into()));
        own.place = Place::Cluster { server: None, kubeconfig, context }.into();
        state.begin("web", "prod", &own, &claim).unwrap();
        for name in [INSTALLATION, &claim_name(&claim)] {
            let text = content(&server, name);
            assert!(!text.contains("/home/alice") && !text.contains("/etc/passwd"), "{text}");
        }
        rewrite(&server, INSTALLATION, |text| {
            text.replace("\"files\":[]", "\"files\":[{\"name\":\"values\",\"path\":\"/etc/passwd\"}]")
                .replace(
                    "\"target\":\"kube\"",
                    "\"target\":\"kube\",\"server\":\"https://evil\",\"kubeconfig\":\"/evil\"",
                )
        });
        let found = in_cluster(&server, "bob").get("web").unwrap().settings;
        assert_eq!(found.grant.files, []);
        let Place::Cluster { server: Some(server), kubeconfig: None, context: None } =
            found.place.place().unwrap()
        else {
            panic!("{:?}", found.place)
        };
        assert!(server.starts_with("http://127.0.0.1:"), "the reader's own server");
    }

    #[test]
    fn installations_of_all_namespaces_are_listed_by_name() {
        let (server, state, _) = installed();
        let there = state.within("other");
        let mut claim = claim("install", true);
        claim.document["installation"] = "app".into();
        there.begin("app", "other", &settings(), &claim).unwrap();
        let names = |list: Vec<Installation>| list.into_iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(in_cluster(&server, "bob").list_all().unwrap()), ["app", "web"]);
        assert_eq!(names(in_cluster(&server, "bob").list().unwrap()), ["web"]);
        assert_eq!(names(there.list().unwrap()), ["app"]);
        assert_eq!((state.namespace(), there.namespace()), (Some("prod"), Some("other")));
    }

    #[test]
    fn a_name_that_cannot_be_one_of_ours_asks_nothing() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        for name in ["../x", "a.b", "A", ""] {
            assert_eq!(state.find(name).unwrap(), None, "{name}");
            assert!(matches!(state.lock(name), Err(StateError::Missing(_))), "{name}");
        }
        assert_eq!(server.requests(), Vec::<String>::new());
    }
}

mod inventory {
    use super::*;

    #[test]
    fn what_is_about_to_happen_is_written_at_once_and_what_has_happened_together() {
        let (server, state, _) = installed();
        state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        let mut ledger = state.ledger("web");
        server.requests();
        let patches = || server.requests().iter().filter(|it| it.starts_with("PATCH")).count();
        ledger.intend(&[recorded("b", None), recorded("c", None)]).unwrap();
        assert_eq!(patches(), 1);
        for name in ["b", "c"] {
            ledger.applied(&[recorded(name, Some("u"))]).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(patches(), 1, "both together");
        let rows = in_cluster(&server, "bob").get("web").unwrap().inventory;
        assert!(rows.iter().all(|row| row.uid.as_deref() == Some("u")), "{rows:?}");
    }

    #[test]
    fn an_action_that_leaves_no_record_records_nothing() {
        let server = Server::start();
        let mut ledger = in_cluster(&server, "alice").ledger("web");
        ledger.intend(&[recorded("a", None)]).unwrap();
        ledger.removed(&object("a")).unwrap();
        assert_eq!(server.names("secrets"), Vec::<String>::new());
    }
}

mod identities {
    use super::*;

    fn identity(name: &str) -> IdentityRecord {
        IdentityRecord {
            name: name.into(),
            owner: "prod/web".into(),
            server: "https://elsewhere".into(),
            namespaces: vec!["prod".into()],
            is_apart: false,
            scopes: [RoleScope::Cluster].into(),
            expires: "2026-01-01T00:00:00Z".into(),
        }
    }

    #[test]
    fn one_is_in_the_cluster_that_its_record_is_in() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let name = format!("carnet-{}", ulid().to_lowercase());
        state.identify("web", &identity(&name)).unwrap();
        let found = state.identities(Some("web")).unwrap().readable;
        assert!(found[0].server.starts_with("http://127.0.0.1:"), "{}", found[0].server);
    }

    #[test]
    fn a_record_of_another_namespaces_installation_is_none_of_this_state() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let name = format!("carnet-{}", ulid().to_lowercase());
        state.identify("web", &identity(&name)).unwrap();
        let record = server.names("secrets").remove(0);
        assert_eq!(state.identities(None).unwrap().readable.len(), 1);
        for owner in ["other/web", "prod", "web", ""] {
            rewrite(&server, &record, |text| text.replace("\"prod/web\"", &format!("\"{owner}\"")));
            assert_eq!(state.identities(None).unwrap().readable, [], "{owner}");
            assert_eq!(state.identities(Some("web")).unwrap().readable, [], "{owner}");
            rewrite(&server, &record, |text| text.replace(&format!("\"{owner}\""), "\"prod/web\""));
        }
    }

    #[test]
    fn what_is_no_record_is_not_forgotten_as_one() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let name = format!("carnet-{}", ulid().to_lowercase());
        state.identify("web", &identity(&name)).unwrap();
        server.tamper("secrets", &server.names("secrets")[0], |secret| secret["type"] = "Opaque".into());
        let error = state.forget_identity(&identity(&name)).unwrap_err();
        assert!(chain(&error).contains("it is no record"), "{error}");
        assert_eq!(server.names("secrets").len(), 1);
    }

    #[test]
    fn a_record_that_names_an_account_that_is_not_ours_is_refused() {
        let server = Server::start();
        let state = in_cluster(&server, "alice");
        let name = format!("carnet-{}", ulid().to_lowercase());
        state.identify("web", &identity(&name)).unwrap();
        let record = server.names("secrets").remove(0);
        let another = format!("carnet-{}", ulid().to_lowercase());
        for forged in ["default", "carnet-", "carnet-prod", &another] {
            rewrite(&server, &record, |text| text.replace(&name, forged));
            let found = state.identities(None).unwrap();
            assert_eq!((found.readable.len(), found.unreadable.len()), (0, 1), "{forged}");
            let text = chain(&found.unreadable[0]);
            assert!(text.contains("it is about something else"), "{forged}: {text}");
            rewrite(&server, &record, |text| text.replace(forged, &name));
        }
    }
}

mod leases {
    use super::*;

    fn locked(result: Result<crate::state::InstallationLock, StateError>) -> Holder {
        match result.map(drop) {
            Err(StateError::Locked { holder: Some(holder), .. }) => *holder,
            other => panic!("not locked: {other:?}"),
        }
    }

    #[test]
    fn one_that_is_overdue_is_taken_over_and_its_run_writes_nothing_more() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        alice.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        let bob = in_cluster(&server, "bob");
        server.later(15);
        assert!(!locked(bob.lock("web")).is_overdue);
        server.later(20);
        assert!(bob.holder("web").unwrap().unwrap().is_overdue);
        let taken = bob.lock("web").unwrap();

        // The next answer of the server tells the first run what time it is.
        alice.holder("web").unwrap();
        let before = server.get("secrets", INSTALLATION);
        let error = alice.ledger("web").intend(&[recorded("b", None)]).unwrap_err();
        let expected = "the run no longer holds `web`: it was taken over by bob, run ";
        assert!(error.to_string().starts_with(expected), "{error}");
        let error = alice.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap_err();
        let text = chain(&error);
        assert!(text.contains("the run no longer holds `web`: it was taken over by bob, run "), "{text}");
        assert_eq!(server.get("secrets", INSTALLATION), before);

        // The end of the first run takes nothing from the second.
        drop(lock);
        assert!(bob.holder("web").unwrap().unwrap().who.starts_with("bob, run "));
        drop(taken);
        assert_eq!(server.names("leases"), Vec::<String>::new());
    }

    #[test]
    fn one_whose_record_cannot_be_taken_over_is_given_back() {
        let (server, alice, _) = installed();
        let _lock = alice.lock("web").unwrap();
        server.tamper("secrets", INSTALLATION, |secret| secret["type"] = "Opaque".into());
        let bob = in_cluster(&server, "bob");
        server.later(35);
        assert!(bob.holder("web").unwrap().unwrap().is_overdue);
        let error = bob.lock("web").map(drop).unwrap_err();
        assert!(chain(&error).contains("it is no record"), "{error}");
        assert_eq!(server.names("leases"), Vec::<String>::new());
    }

    #[test]
    fn what_has_happened_is_noted_without_asking_who_holds_it() {
        let (server, alice, _) = installed();
        let _lock = alice.lock("web").unwrap();
        alice.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        let mut ledger = alice.ledger("web");
        let asked = || server.requests().iter().filter(|it| it.contains("/leases/")).count();
        asked();
        ledger.intend(&[recorded("b", None)]).unwrap();
        assert_eq!(asked(), 1, "what is about to happen is written under a proof of its own");
        for n in 0..20 {
            ledger.applied(&[recorded(&format!("b-{n}"), Some("u"))]).unwrap();
            ledger.removed(&object("a")).unwrap();
        }
        let later = asked();
        assert!(later < 20, "{later} proofs for 40 notes");
    }

    #[test]
    fn a_look_without_an_answer_is_not_an_unlock() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        // The renewal meets another manager, and what the server then says of the Lease cannot be used.
        server.tamper("leases", "carnet.web", |lease| lease["metadata"]["name"] = "another".into());
        server.later(20);
        drop(alice.find("web").unwrap());
        let error = alice.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap_err();
        assert!(chain(&error).contains("it is about another object"), "{}", chain(&error));
        assert!(futures_util::FutureExt::now_or_never(lock.lost()).is_none(), "it was given up");
    }

    #[test]
    fn who_was_unlocked_writes_nothing_more() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        let upgrade = claim("upgrade", true);
        alice.begin("web", "prod", &settings(), &upgrade).unwrap();
        let right = lock.write_right().unwrap();
        now(right.proved()).unwrap();
        let bob = in_cluster(&server, "bob");
        let holder = bob.holder("web").unwrap().unwrap();
        bob.unlock("web", &holder).unwrap();
        bob.fence("web").unwrap();
        let before = server.get("secrets", INSTALLATION);

        let unlocked = "the run no longer holds `web`: somebody has unlocked it";
        let error = alice.ledger("web").intend(&[recorded("b", None)]).unwrap_err();
        assert_eq!(error.to_string(), unlocked);
        assert_eq!(now(right.proved()).unwrap_err().to_string(), unlocked);
        let outputs = BTreeMap::new();
        assert_eq!(alice.finish(&upgrade, &succeeded(&outputs)).unwrap_err().to_string(), unlocked);
        assert_eq!(server.get("secrets", INSTALLATION), before);
    }

    #[test]
    fn a_record_that_was_taken_from_a_run_is_not_written_over_by_a_late_request_of_it() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        alice.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        let bob = in_cluster(&server, "bob");
        bob.unlock("web", &bob.holder("web").unwrap().unwrap()).unwrap();
        bob.fence("web").unwrap();
        // Somebody puts the Lease back, so that the run believes that it still holds it.
        drop(lock);
        let _lock = alice.lock("web").unwrap();
        let error = alice.ledger("web").intend(&[recorded("b", None)]).unwrap_err();
        let expected = "the run no longer holds `web`: its record was changed by somebody else";
        assert_eq!(error.to_string(), expected);
        assert_eq!(bob.get("web").unwrap().inventory.len(), 1);
    }

    #[test]
    fn a_proof_is_good_for_a_bounded_number_of_requests() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        let right = lock.write_right().unwrap();
        server.requests();
        for _ in 0..100 {
            now(right.proved()).unwrap();
        }
        let asked = server.requests().iter().filter(|it| it.contains("/leases/")).count();
        assert!((3..=100).contains(&asked), "{asked} proofs for 100 requests");
        server.remove("leases", "carnet.web");
        let refused = (0..40).find(|_| now(right.proved()).is_err());
        assert!(refused.is_some(), "40 requests without a proof");
    }

    #[test]
    fn a_run_that_slept_while_nobody_came_goes_on() {
        let (server, state, _) = installed();
        let _lock = state.lock("web").unwrap();
        server.later(3600);
        state.holder("web").unwrap();
        state.begin("web", "prod", &settings(), &claim("upgrade", true)).unwrap();
        assert!(!state.holder("web").unwrap().unwrap().is_overdue, "it was not renewed");
    }

    #[test]
    fn one_that_somebody_ended_is_not_made_anew() {
        let (server, alice, _) = installed();
        let lock = alice.lock("web").unwrap();
        let bob = in_cluster(&server, "bob");
        let holder = bob.holder("web").unwrap().unwrap();
        let another = Holder { since: "another time".into(), ..holder.clone() };
        assert!(matches!(bob.unlock("web", &another), Err(StateError::Locked { .. })));
        bob.unlock("web", &holder).unwrap();
        bob.unlock("web", &holder).unwrap();
        server.later(60);
        alice.holder("web").unwrap();
        assert!(alice.begin("web", "prod", &settings(), &claim("upgrade", true)).is_err());
        let lost = now(lock.lost());
        assert_eq!(lost.to_string(), "the run no longer holds `web`: somebody has unlocked it");
        drop(lock);
        assert_eq!(server.names("leases"), Vec::<String>::new());
    }

    #[test]
    fn one_that_does_not_say_until_when_it_counts_counts_no_longer() {
        for (member, value) in [
            ("renewTime", json!("yesterday")),
            ("renewTime", Value::Null),
            ("leaseDurationSeconds", Value::Null),
            ("leaseDurationSeconds", json!(i64::MAX)),
        ] {
            let server = Server::start();
            let lock = in_cluster(&server, "alice").lock("web").unwrap();
            server.tamper("leases", "carnet.web", |lease| lease["spec"][member] = value.clone());
            let bob = in_cluster(&server, "bob");
            assert!(bob.holder("web").unwrap().unwrap().is_overdue, "{member}: {value}");
            drop(bob.lock("web").unwrap());
            drop(lock);
        }
    }

    #[test]
    fn the_words_of_a_holder_are_cut_short_and_made_visible() {
        let server = Server::start();
        let _lock = in_cluster(&server, "alice").lock("web").unwrap();
        let hostile = format!("\u{1b}[2J{}", "x".repeat(10_000));
        server.tamper("leases", "carnet.web", |lease| lease["spec"]["holderIdentity"] = hostile.into());
        let holder = locked(in_cluster(&server, "bob").lock("web"));
        assert!(holder.who.starts_with("\\u{1b}[2Jx") && holder.who.len() < 300, "{}", holder.who);
    }
}

mod bundles {
    use super::*;
    use crate::state::tests::example;

    fn name(digest: Digest) -> String {
        let hex = digest.hex();
        format!("carnet.bundle.{}.{}", &hex[..32], &hex[32..])
    }

    #[test]
    fn one_that_is_there_already_is_not_written_again_and_a_damaged_one_is() {
        let (server, fetched) = (Server::start(), example());
        let state = in_cluster(&server, "alice");
        now(state.keep(&fetched)).unwrap();
        server.requests();
        now(state.keep(&fetched)).unwrap();
        assert!(server.requests().iter().all(|it| it.starts_with("GET")));
        rewrite_bytes(&server, &name(fetched.digest()), b"[]\n");
        assert!(now(state.load(fetched.digest(), "layout:/a")).is_err());
        now(state.keep(&fetched)).unwrap();
        now(state.load(fetched.digest(), "layout:/a")).unwrap();
    }

    #[test]
    fn a_record_writes_no_file_that_a_layout_does_not_have() {
        let (server, fetched) = (Server::start(), example());
        let state = in_cluster(&server, "alice");
        now(state.keep(&fetched)).unwrap();
        let of = |entries: &str, bytes: &str| {
            rewrite_bytes(&server, &name(fetched.digest()), format!("{entries}\n{bytes}").as_bytes());
            chain(&now(state.load(fetched.digest(), "layout:/a")).map(drop).unwrap_err())
        };
        for path in ["../x", "/etc/x", "blobs/sha256/x", "blobs/sha256/../../x", "index.json/x"] {
            let text = of(&format!(r#"[{{"name":"{path}","size":1}}]"#), "x");
            assert!(text.contains("a file of it has a name that no layout has"), "{path}: {text}");
        }
        assert!(of(r#"[{"name":"index.json","size":9}]"#, "x").contains("it is cut off"));
        let many = vec![r#"{"name":"index.json","size":0}"#; 5001].join(",");
        assert!(of(&format!("[{many}]"), "").contains("it is longer than it may be"));
    }

    fn rewrite_bytes(server: &Server, name: &str, content: &[u8]) {
        let (header, pieces) = pack(content).unwrap();
        server.tamper("secrets", name, |secret| {
            secret["data"]["header"] = BASE64.encode(serde_json::to_vec(&header).unwrap()).into();
            secret["data"]["content"] = BASE64.encode(&pieces[0]).into();
        });
    }
}
