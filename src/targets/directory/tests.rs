#![expect(clippy::disallowed_methods, reason = "tests make files")]

use super::*;
use crate::kubernetes::metadata::OWNER;
use crate::targets::Recorded;
use serde_json::json;

fn owner() -> Owner {
    Owner { namespace: "prod".into(), installation: "web".into() }
}

fn object(api_version: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef::new(api_version, kind, Some("prod"), name)
}

fn get(object: &ObjectRef) -> Permitted<Get> {
    Permitted::for_tests(Get(object.clone()))
}

/// A directory with the file of an object in it.
fn holding(object: &ObjectRef, owner: Option<&str>) -> (tempfile::TempDir, Vec<u8>) {
    let home = tempfile::tempdir().unwrap();
    let annotations = owner.map_or_else(|| json!({}), |owner| json!({ OWNER: owner }));
    let metadata = json!({"name": object.name, "namespace": "prod", "annotations": annotations});
    let bytes = yaml(&json!({"apiVersion": object.api_version, "kind": object.kind, "metadata": metadata}));
    let path = home.path().join(file(object));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, &bytes).unwrap();
    (home, bytes)
}

#[test]
fn no_two_objects_share_a_file_where_file_names_have_no_case() {
    let rbac = "rbac.authorization.k8s.io/v1";
    let names = ["Web", "web", "WEB", "wEB", "web:a", "web:A", "web%3aa", "Web%3AA"];
    let files: Vec<_> = names
        .iter()
        .filter(|name| object(rbac, "Role", name).check().is_ok())
        .map(|name| file(&object(rbac, "Role", name)).display().to_string().to_lowercase())
        .collect();
    let distinct: std::collections::BTreeSet<_> = files.iter().collect();
    assert_eq!((files.len(), distinct.len()), (6, 6), "{files:?}");
    assert_eq!(file(&object("v1", "ConfigMap", "web")), Path::new("prod/configmap_web.yaml"));
}

#[test]
fn a_name_that_is_long_still_has_a_file_of_its_own() {
    let of =
        |name: &str| file(&object("v1", "ConfigMap", name)).file_name().unwrap().to_str().unwrap().to_owned();
    let (one, other) = (of(&"a".repeat(253)), of(&format!("{}b", "a".repeat(252))));
    assert_ne!(one, other);
    assert!([&one, &other].iter().all(|name| name.len() + UNFINISHED.len() <= 255), "{one}");
    assert_eq!(
        of(&"a".repeat(200)),
        format!("configmap_{}.yaml", "a".repeat(200)),
        "short ones stay as they were"
    );
}

#[test]
fn a_file_that_was_only_formatted_is_as_it_was_written() {
    let map = object("v1", "ConfigMap", "a");
    let (home, bytes) = holding(&map, Some("prod/web"));
    let written = Some(Digest::of(&bytes));
    let inventory: Inventory = std::iter::once(Recorded { written, ..Recorded::of(map.clone()) }).collect();
    let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
    let body = parsed(&map, &bytes).unwrap();
    let rewrite = |body: &Value| {
        let text = format!("---\n# formatted\n{}\n", serde_json::to_string_pretty(body).unwrap());
        std::fs::write(home.path().join(file(&map)), text).unwrap();
    };
    let removed = || {
        let permit = Permitted::for_tests(Delete(map.clone()));
        directory.delete(&permit, &inventory, Overrides::default())
    };
    let mut edited = body.clone();
    edited["data"] = json!({"by": "hand"});
    rewrite(&edited);
    assert!(matches!(removed(), Err(Error::Edited { .. })));
    rewrite(&body);
    assert!(removed().is_ok() && directory.lacks(&map));
}

#[test]
fn a_directory_is_the_one_that_it_was_by_what_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("rendered");
    let open = |expected: Option<&str>| {
        let directory = Directory::open(&path, Secrets::Omit, &owner()).unwrap();
        directory.expected(expected.map(str::to_owned))
    };
    let first = open(None);
    let identity = first.identity().to_owned();
    assert!(first.check_identity().is_err(), "it is not there");
    first.writable().unwrap();
    assert_eq!(open(None).identity(), identity);
    assert!(open(Some(&identity)).check_identity().is_ok());
    assert!(open(None).check_identity().is_ok(), "earlier records hold none");
    std::fs::rename(&path, home.path().join("elsewhere")).unwrap();
    let refused = open(Some(&identity)).check_identity();
    assert!(matches!(refused, Err(Error::OtherDirectory { is_there: false, .. })));
    std::fs::create_dir(&path).unwrap();
    let refused = open(Some(&identity)).check_identity();
    assert!(matches!(refused, Err(Error::OtherDirectory { is_there: true, .. })));
    open(Some(&identity)).writable().unwrap();
    assert_ne!(open(None).identity(), identity);
    assert!(open(Some(&identity)).check_identity().is_err());
}

#[test]
fn a_kind_of_others_in_other_letters_is_not_read_from_the_same_file() {
    let widget = object("example.com/v1", "Widget", "a");
    let (home, _) = holding(&widget, None);
    let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
    assert!(directory.get(&get(&widget)).unwrap().is_some());
    let error = directory.get(&get(&object("example.com/v1", "WIDGET", "a"))).unwrap_err();
    assert!(matches!(error, Error::Shared { .. }), "{error}");
}

#[test]
fn what_does_not_say_that_it_is_ours_is_not_removed_whatever_is_recorded() {
    let map = object("v1", "ConfigMap", "a");
    let removed = |owner_in_file: Option<&str>, is_shared: bool, overrides: Overrides| {
        let (home, bytes) = holding(&map, owner_in_file);
        let written = Some(Digest::of(&bytes));
        let recorded = Recorded { written, ..Recorded::of(map.clone()) };
        let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        let permit = Permitted::for_tests(Delete(map.clone()));
        let inventory: Inventory = std::iter::once(recorded).collect();
        let inventory = if is_shared { inventory.shared() } else { inventory };
        let deleted = directory.delete(&permit, &inventory, overrides);
        (deleted, home.path().join(file(&map)).exists())
    };
    let (force, take) = (
        Overrides { force_conflicts: true, ..Overrides::default() },
        Overrides { take_ownership: true, ..Overrides::default() },
    );
    for is_shared in [false, true] {
        assert!(matches!(removed(Some("prod/web"), is_shared, Overrides::default()), (Ok(()), false)));
        for overrides in [Overrides::default(), force] {
            let (deleted, is_there) = removed(Some("dev/web"), is_shared, overrides);
            assert!(matches!(deleted, Err(Error::Foreign { .. })) && is_there);
        }
    }
    for overrides in [Overrides::default(), force] {
        let (deleted, is_there) = removed(None, true, overrides);
        assert!(matches!(deleted, Err(Error::Foreign { .. })) && is_there);
    }
    assert!(matches!(removed(None, true, take), (Ok(()), false)), "unless the operator takes it over");
}

#[test]
fn an_identity_that_could_not_be_written_is_written_by_the_next_run() {
    let home = tempfile::tempdir().unwrap();
    for left in ["", "\n"] {
        std::fs::write(home.path().join(IDENTITY), left).unwrap();
        std::fs::write(home.path().join(format!("{IDENTITY}{UNFINISHED}")), "01").unwrap();
        let directory = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        directory.writable().unwrap();
        let next = Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
        let next = next.expected(Some(directory.identity().to_owned()));
        assert!(next.check_identity().is_ok());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing else is left");
    }
}

#[test]
fn of_two_runs_that_find_a_new_directory_one_writes() {
    let home = tempfile::tempdir().unwrap();
    let open = || Directory::open(home.path(), Secrets::Omit, &owner()).unwrap();
    let (first, second) = (open(), open());
    first.writable().unwrap();
    first.writable().unwrap();
    assert_eq!(second.writable().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(open().identity(), first.identity());
}

#[cfg(unix)]
#[test]
fn what_stands_where_a_file_is_written_is_not_written_into() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let home = tempfile::tempdir().unwrap();
    let object = object("v1", "Secret", "a");
    let place = home.path().join(file(&object));
    let unfinished = place.with_added_extension(&UNFINISHED[1..]);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let directory = Directory::open(home.path(), Secrets::Plain, &owner()).unwrap();
    let filled = Filled::for_tests(true);
    let rendered = Rendered { filled, bytes: b"{}".to_vec(), is_checked: true };
    let elsewhere = home.path().join("elsewhere");
    let put: [&dyn Fn(); 3] = [
        &|| {
            std::fs::write(&unfinished, "left").unwrap();
            std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o666)).unwrap();
        },
        &|| symlink(&elsewhere, &unfinished).unwrap(),
        &|| assert!(std::process::Command::new("mkfifo").arg(&unfinished).status().unwrap().success()),
    ];
    for put in put {
        put();
        directory.write(&object, &rendered).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"{}");
        assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
        assert!(!unfinished.exists() && !elsewhere.exists());
    }
    std::fs::create_dir(&unfinished).unwrap();
    assert!(directory.write(&object, &rendered).is_err());
}
