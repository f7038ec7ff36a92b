//! Whatever is interrupted, wherever, leaves an installation that the next command finishes: the program itself is
//! killed at random moments, a hundred times, and has no room on its disk.
#![cfg(unix)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests run the program"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use carnet::kubernetes::object::ObjectRef;
use serde_json::Value;
use support::{Home, example};

/// How often each of the three actions is interrupted.
const ROUNDS: usize = 34;

/// The longest that all of it may take; on a busy machine it ends after fewer rounds rather than later.
const ENOUGH: Duration = Duration::from_secs(100);

/// A sequence that only looks random: the same seed kills after the same delays.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed =
            std::env::var("CARNET_KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260);
        println!("CARNET_KILL_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let micros = u64::try_from(bound.as_micros()).unwrap().max(1);
        Duration::from_micros(self.0 % micros)
    }
}

/// Two versions of the guestbook, to be installed into a home of its own.
struct Site {
    home: Home,
    layouts: [(PathBuf, String); 2],
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Install,
    Upgrade,
    Uninstall,
}

/// Everything that must be the same, whether or not somebody interrupted.
type Picture = (BTreeMap<String, String>, Value);

impl Site {
    fn new() -> Self {
        let home = Home::new();
        let layouts = ["guestbook", "guestbook-1.1"].map(|name| {
            let digest = home.built(&example(name), name).digest();
            (home.path(name), digest.to_string())
        });
        Self { home, layouts }
    }

    fn command(&self, action: Action) -> Command {
        let mut command = self.carnet();
        let (verb, version) = match action {
            Action::Install => ("install", Some(0)),
            Action::Upgrade => ("upgrade", Some(1)),
            Action::Uninstall => ("uninstall", None),
        };
        command.args([verb, "web", "--yes"]);
        if let Some(version) = version {
            let (layout, digest) = &self.layouts[version];
            let site = format!("site.conf={}", example("guestbook/site.conf").display());
            command.arg(format!("layout:{}", layout.display()));
            command.args(["--dangerous-unsigned", "--namespace", "prod", "--approve", digest]);
            command.args(["--allow-file", &site, "--target"]);
            command.arg(format!("dir:{}", self.home.path("rendered").display()));
            command.arg("--credentials").arg(example("guestbook/credentials.yaml"));
        }
        command
    }

    fn carnet(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carnet"));
        command.env_clear().env("HOME", self.home.root.path());
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("program"));
        command.env("CARNET_STATE", self.home.path("state"));
        command.stdin(Stdio::null());
        command
    }

    fn status(&self) -> Value {
        let Output { status, stdout, stderr } =
            self.carnet().args(["status", "web", "-o", "json"]).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        serde_json::from_slice(&stdout).unwrap()
    }

    fn picture(&self) -> Picture {
        let status = self.status();
        let part = |name: &str| status[name].clone();
        let result = ["action", "bundle", "digest", "objects", "outputs", "result"].map(part);
        (self.home.rendered(), result.into_iter().collect())
    }

    /// Starts an action and kills it.
    fn kill(&self, action: Action, after: Duration) {
        let mut child = self.command(action).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// An action that can write no more than so many blocks of 512 bytes into any file: as good as a full disk, and needs
    /// no disk of its own.
    fn without_room(&self, command: &Command, blocks: u64) -> Output {
        let mut limited = Command::new("/bin/sh");
        limited.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        limited.arg(command.get_program()).args(command.get_args());
        limited.current_dir(self.home.root.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// How many blocks of 512 bytes the longest file takes that a run writes.
    fn longest(&self) -> u64 {
        let mut folders = vec![self.home.path("state"), self.home.path("rendered")];
        let mut longest = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                match entry.metadata().unwrap() {
                    found if found.is_dir() => folders.push(entry.path()),
                    found => longest = longest.max(found.len().div_ceil(512)),
                }
            }
        }
        longest
    }

    /// Does what an operator would do next: the same again. Where the action was over already, that is said.
    fn finish(&self, action: Action) {
        let Output { status, stderr, .. } = self.command(action).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        let is_over = match action {
            Action::Install => stderr.contains("the installation `web` is there already"),
            Action::Upgrade => false,
            Action::Uninstall => stderr.contains("there is no installation `web`"),
        };
        assert!(status.success() || is_over, "{action:?}: {stderr}");
    }

    /// Every file that is there is recorded, however the run ended: nothing can be forgotten.
    fn assert_nothing_is_lost(&self) {
        let inventory = self
            .home
            .state()
            .find("web")
            .unwrap()
            .map(|found| found.inventory().to_vec())
            .unwrap_or_default();
        let recorded: BTreeSet<_> = inventory.iter().map(|recorded| file(&recorded.object)).collect();
        let files = self.home.rendered().into_keys().filter(|name| !name.ends_with(".carnet-unfinished"));
        let lost: Vec<_> = files.filter(|file| !recorded.contains(file)).collect();
        assert!(lost.is_empty(), "{lost:?} of {recorded:?}");
    }
}

fn file(object: &ObjectRef) -> String {
    let kind = object.kind.to_lowercase();
    let kind = if object.group().is_empty() { kind } else { format!("{kind}.{}", object.group()) };
    format!("{}/{kind}_{}.yaml", object.namespace.as_deref().unwrap(), object.name)
}

#[test]
fn whatever_is_killed_is_finished_by_the_next_command() {
    let actions = [Action::Install, Action::Upgrade, Action::Uninstall];
    let site = Site::new();
    // The first time, components are compiled; the second is how it goes undisturbed.
    for action in actions {
        site.finish(action);
    }
    let undisturbed = actions.map(|action| {
        let start = Instant::now();
        site.finish(action);
        (site.picture(), start.elapsed())
    });

    let (mut random, start, mut kills) = (Random::new(), Instant::now(), 0);
    let mut interrupted = 0;
    for _ in 0..ROUNDS {
        for (action, (expected, duration)) in actions.into_iter().zip(&undisturbed) {
            // Half of the kills come at any time, the others after the time that compiling and planning take.
            let earliest = if kills % 2 == 0 { Duration::ZERO } else { *duration * 6 / 10 };
            site.kill(action, earliest + random.below(*duration - earliest));
            kills += 1;
            site.assert_nothing_is_lost();
            let found = site.home.state().find("web").unwrap();
            interrupted += usize::from(found.is_some_and(|found| found.is_interrupted()));
            site.finish(action);
            let found = site.picture();
            assert_eq!(found.0, expected.0, "{action:?}, kill {kills}");
            assert_eq!(found.1, expected.1, "{action:?}, kill {kills}");
        }
        if start.elapsed() > ENOUGH {
            break;
        }
    }
    println!("{kills} kills, {interrupted} of them in the middle, in {:?}", start.elapsed());
    assert!(interrupted > 0, "no kill came in the middle of a run");
}

#[test]
fn what_has_no_room_to_write_is_finished_by_the_next_command() {
    let actions = [Action::Install, Action::Upgrade, Action::Uninstall];
    let site = Site::new();
    let undisturbed = actions.map(|action| {
        site.finish(action);
        site.picture()
    });
    let (mut failed, mut done) = (0, 0);
    // With no room at all, and with more and more: eighths of the longest file that is there.
    for eighths in [0, 1, 3, 6, 8, 24] {
        for (action, expected) in actions.into_iter().zip(&undisturbed) {
            let blocks = site.longest() * eighths / 8;
            let Output { status, stderr, .. } = site.without_room(&site.command(action), blocks);
            let said = String::from_utf8_lossy(&stderr);
            site.assert_nothing_is_lost();
            if status.success() {
                done += 1;
            } else {
                failed += 1;
                assert_eq!(status.code(), Some(1), "{action:?} with {blocks} blocks: {said}");
                assert!(said.contains("error: ") && !said.contains("Error code"), "{action:?}: {said}");
            }
            site.finish(action);
            assert_eq!(&site.picture(), expected, "{action:?} with {blocks} blocks: {said}");
        }
    }
    assert!(failed > 5 && done > 0, "{failed} actions had no room, and {done} had enough");
}

#[test]
fn a_key_that_has_no_room_is_not_there_and_in_nobodys_way() {
    let site = Site::new();
    let mut command = site.carnet();
    command.env("COSIGN_PASSWORD", "").args(["key", "generate", "key"]);
    for blocks in 0..=1 {
        let output = site.without_room(&command, blocks);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!site.home.path("key.key").exists() && !site.home.path("key.pub").exists());
    }
    assert!(site.without_room(&command, 1000).status.success());
    assert!(site.home.path("key.key").exists() && site.home.path("key.pub").exists());
}
