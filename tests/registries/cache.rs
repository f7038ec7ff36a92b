//! What is kept of registries, through the program: runs without a network, runs at once, damage, and a full disk.

use std::collections::BTreeMap;

use super::*;

impl Site {
    fn at(&self, server: &Server) -> String {
        format!("{}/acme/web:1", server.host())
    }

    /// A registry that has a bundle with an image whose layer has so many bytes, and the name of the bundle there.
    fn serving_image(&self, length: usize) -> (Server, String) {
        let server = self.registry();
        let (name, size) = image_of(&server, length);
        self.sign_bundle("with-image", &format!("images:\n  app: {{ image: \"{name}\", size: {size} }}\n"));
        let at = self.at(&server);
        self.run(&["push", &self.layout("with-image"), &at]).expect(0);
        server.seen();
        (server, at)
    }

    /// A registry that has the bundle.
    fn serving(&self) -> Server {
        let server = self.registry();
        self.run(&["push", &self.layout("web"), &self.at(&server)]).expect(0);
        server.seen();
        server
    }

    fn kept(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.path("cache/blobs/sha256")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_bundle_that_was_pulled_is_installed_when_no_network_is_there() {
    let site = Site::new();
    let server = site.serving();
    let (at, trust) = (site.at(&server), site.trust(&server));
    let place = format!("dir:{}", site.path("out").display());
    let digest = support::fetch(&support::reference(&site.path("web"))).unwrap().digest().to_string();
    let install = [
        "install",
        "web",
        &at,
        "--trust",
        &trust,
        "--target",
        &place,
        "-n",
        "default",
        "-y",
        "--approve",
        &digest,
        "--offline",
    ];

    site.run(&["verify", &at, "--offline"]).expect(1).says(&[
        "what `1` names",
        "--offline",
        &format!("carnet pull {at}"),
    ]);
    site.run(&["verify", &format!("{}/acme/web@{digest}", server.host()), "--offline"])
        .expect(1)
        .says(&[&digest]);
    assert!(server.seen().is_empty(), "nobody was asked");

    assert_eq!(site.run(&["pull", &at]).expect(0).document["digest"], *digest);
    drop(server);
    assert_eq!(
        site.run(&["verify", &at, "--trust", &trust, "--offline"]).expect(0).document["trusted"],
        true
    );
    site.run(&install).expect(0);

    // The installation has what it needs for itself, whatever becomes of the cache.
    site.run(&["cache", "clear"]).expect(0);
    assert_eq!(site.kept(), Vec::<PathBuf>::new());
    site.run(&["uninstall", "web", "-y"]).expect(0);
    site.run(&["verify", &at, "--trust", &trust, "--offline"]).expect(1);
    site.run(&["pull", &site.layout("web")]).expect(2).says(&["carnet copy"]);
}

#[test]
fn what_is_kept_is_listed_checked_and_removed() {
    let site = Site::new();
    let server = site.serving();
    site.run(&["pull", &site.at(&server)]).expect(0);
    let listed = site.run(&["cache", "list"]).expect(0).document;
    let items = listed["items"].as_array().unwrap();
    let sizes = items.iter().map(|item| item["size"].as_u64().unwrap()).sum::<u64>();
    assert_eq!((items.len(), listed["bytes"].as_u64().unwrap()), (site.kept().len(), sizes));
    assert_eq!(site.run(&["cache", "verify"]).expect(0).document["checked"], items.len());

    let victim = site.kept().remove(0);
    let digest = format!("sha256:{}", victim.file_name().unwrap().to_str().unwrap());
    std::fs::write(&victim, "something else").unwrap();
    let damaged = site.run(&["cache", "verify"]).expect(10).document;
    assert_eq!(damaged["damaged"], serde_json::json!([digest]));
    site.run(&["cache", "verify"]).expect(0);
    server.seen();
    site.run(&["pull", &site.at(&server)]).expect(0);
    assert!(server.seen().iter().any(|it| it.path.ends_with(&digest)), "what was damaged is got again");

    let pruned = site.run(&["cache", "prune", "--to", "0"]).expect(0).document;
    assert_eq!((&pruned["blobs"], &pruned["bytes"]), (&items.len().into(), &sizes.into()));
    site.run(&["cache", "prune", "--to", "much"]).expect(2);
}

#[test]
fn where_nothing_can_be_kept_all_else_goes_on() {
    let site = Site::new();
    let server = site.serving();
    std::fs::create_dir(site.path("config")).unwrap();
    std::fs::create_dir(site.path("config/carnet")).unwrap();
    std::fs::write(site.path("config/carnet/config.yaml"), "cache: { size: '0' }\n").unwrap();
    std::fs::remove_dir_all(site.path("cache")).unwrap();
    site.run(&["inspect", &site.at(&server)]).expect(0);
    assert!(!site.path("cache").exists());
    std::fs::write(site.path("config/carnet/config.yaml"), "").unwrap();
    std::fs::write(site.path("cache"), "a file in the way").unwrap();
    site.run(&["inspect", &site.at(&server)]).expect(0);
    site.run(&["pull", &site.at(&server)]).expect(1).says(&["cache"]);
}

#[test]
fn eight_pulls_at_once_get_each_blob_once_and_are_all_whole() {
    let site = Site::new();
    let (server, at) = site.serving_image(300_000);
    let trust = site.trust(&server);
    let pulls: Vec<_> = (0..8)
        .map(|number| {
            let mut pull = site.command(&["pull", &at, &site.layout(&format!("back-{number}"))]);
            pull.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for pull in pulls {
        Said::of(pull.wait_with_output().unwrap()).expect(0);
    }
    let mut asked = BTreeMap::<String, usize>::new();
    for seen in server.seen().into_iter().filter(|it| it.path.contains("/blobs/")) {
        *asked.entry(seen.path).or_default() += 1;
    }
    assert!(!asked.is_empty() && asked.values().all(|times| *times == 1), "{asked:?}");
    for number in 0..8 {
        let layout = site.layout(&format!("back-{number}"));
        assert_eq!(site.run(&["verify", &layout, "--trust", &trust]).expect(0).document["trusted"], true);
    }
}

#[test]
#[ignore = "needs `unshare -m` or `unshare -rm`"]
fn on_a_machine_whose_disk_is_full_that_is_told_and_nothing_is_lost() {
    let site = Site::new();
    let server = site.serving();
    let trust = site.trust(&server);
    let (_large, at) = site.serving_image(3 << 20);
    let disk = site.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let may = |flags: &&str| {
        let probe = Command::new("unshare").args([flags, "mount", "-t", "tmpfs", "none"]).arg(&disk).output();
        probe.is_ok_and(|output| output.status.success())
    };
    let flags = ["-m", "-rm"].into_iter().find(may).unwrap();
    let script = "mount -t tmpfs -o size=2m none \"$DISK\" || exit 6\n\
        export CARNET_CACHE=\"$DISK/cache\"\n\
        carnet pull \"$SMALL\" \"layout:$DISK/web\" || exit 5\n\
        carnet pull \"$LARGE\" \"layout:$DISK/large\" 2>\"$TOLD\" && exit 2\n\
        carnet verify \"layout:$DISK/web\" --trust \"$TRUST\" || exit 3\n\
        carnet cache verify || exit 4\n";
    std::fs::create_dir_all(site.path("bin")).unwrap();
    drop(std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carnet"), site.path("bin/carnet")));
    let usual = site.command(&[]);
    let mut shell = Command::new("unshare");
    shell.args([flags, "/bin/sh", "-c", script]).env_clear();
    shell.envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", site.path("bin").display()));
    shell.env("DISK", &disk).env("SMALL", site.at(&server)).env("LARGE", &at).env("TRUST", &trust);
    shell.env("TOLD", site.path("told"));
    let done = shell.output().unwrap();
    assert!(done.status.success(), "{done:?} {:?}", std::fs::read_to_string(site.path("told")));
    let told = std::fs::read_to_string(site.path("told")).unwrap();
    assert!(told.contains("No space left on device") && told.contains("carnet cache clear"), "{told}");
}

#[test]
fn to_inspect_a_bundle_gets_what_is_small_of_it_and_no_image() {
    let site = Site::new();
    let (server, at) = site.serving_image(1 << 20);
    site.run(&["inspect", &at]).expect(0);
    let seen = server.seen();
    let blobs: Vec<_> = seen.iter().filter(|it| it.path.contains("/blobs/")).collect();
    // `bundle.json`, the component with its configuration, and the signature.
    assert_eq!(blobs.len(), 4, "{blobs:?}");
    let contents = server.contents();
    let sizes = blobs.iter().filter_map(|it| contents.blobs.get(it.path.rsplit('/').next()?)).map(Vec::len);
    assert!(sizes.max().unwrap() < 1 << 19);
    // Index, configuration and component; the image's manifest is not looked at.
    let documents = seen.iter().filter(|it| it.path.contains("/manifests/sha256:")).count();
    assert!((2..=4).contains(&documents), "{seen:?}");
}
