//! The pure parts, on the machine that builds. The installer as a whole is tested by installing it.

use super::*;

#[test]
fn every_template_can_be_filled() {
    let mut values = Values::new("guestbook", "default", VERSION).unwrap();
    for name in [
        "backup-name",
        "cluster-issuer",
        "host",
        "image-db",
        "image-web",
        "ingress-class",
        "keep-days",
        "password",
        "password-in-url",
        "replicas",
        "site",
        "site-checksum",
        "storage",
    ] {
        values.set(name, "1");
    }
    for template in
        [&manifest::DATABASE[..], &manifest::MIGRATION, &manifest::WEB, &manifest::BACKUP].concat()
    {
        assert!(!values.fill(template).unwrap().contains('$'), "{template}");
    }
}

#[test]
fn a_value_that_is_not_set_is_named() {
    let values = Values::new("guestbook", "default", VERSION).unwrap();
    assert_eq!(values.fill("a: ${name}\nb: ${other}").unwrap_err().0, "other");
}

#[test]
fn a_value_stays_inside_its_quotes() {
    let mut values = Values::new("guestbook", "default", VERSION).unwrap();
    values.set("site", "\"\nkind: Secret # ${name}");
    assert_eq!(values.fill("a: \"${site}\"").unwrap(), "a: \"\\\"\\nkind: Secret # ${name}\"");
}

fn database(storage: &str) -> String {
    format!(
        r#"{{"apiVersion":"apps/v1","spec":{{"replicas":1,"volumeClaimTemplates":[
            {{"metadata":{{"name":"data"}},"spec":{{"resources":{{"requests":{{"storage":"{storage}"}}}}}}}}]}}}}"#
    )
}

#[test]
fn a_volume_never_shrinks() {
    let Err(Error::Failed(reason)) = storage_kept(&database("2Gi"), "1Gi") else { panic!("it shrank") };
    assert!(reason.contains("has 2Gi and cannot shrink to 1Gi"), "{reason}");
}

#[test]
fn a_volume_keeps_its_size_as_it_is_written() {
    assert_eq!(storage_kept(&database("1Gi"), "1024Mi").unwrap(), "1Gi");
}

#[test]
fn a_database_without_a_volume_is_not_ours() {
    let Err(Error::Failed(reason)) = storage_kept(r#"{"spec":{"replicas":1}}"#, "1Gi") else {
        panic!("accepted")
    };
    assert!(reason.contains("no volume of its own"), "{reason}");
}
