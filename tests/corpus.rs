//! The fuzz targets on stable: each reader gets the committed corpus and a bounded number of changes to it, always the
//! same ones unless more or others are asked for.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test reads files")]

#[path = "support/guest.rs"]
#[allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "shared with other tests"
)]
mod guest;
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// How many changed inputs each reader gets, unless CARNET_CORPUS_CHANGES says another number.
const CHANGES: usize = 1000;

/// Where the changes begin, unless CARNET_CORPUS_SEED says another number.
const SEED: usize = 0x5eed;

/// The longest input that is made.
const MAX_INPUT: usize = 16 << 10;

/// Tokens that mean something in one of the formats.
const TOKENS: [&[u8]; 28] = [
    b"\0",
    b"\x1b[2J",
    b"\\u001b",
    b"\"\\u009b\"",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\n---\n",
    b"&a [*a, *a]",
    b"*a",
    b"<<: *a",
    b"!!binary ",
    b"{",
    b"[",
    b"[[[[[[[[[[[[[[[[",
    b"}",
    b": ",
    b"null",
    b"true",
    b"9007199254740993",
    b"1e400",
    b"-0.0",
    b".nan",
    b"\"\"",
    b"{\"a\":1,\"a\":2}",
    b"=",
    b"../",
    b"**",
    b"\xff\xff\xff\xff\x0f",
];

#[test]
fn every_reader_keeps_its_promises_for_the_corpus_and_for_what_is_made_of_it() {
    let mut broken = Vec::new();
    let (changes, seed) = (number("CARNET_CORPUS_CHANGES", CHANGES), number("CARNET_CORPUS_SEED", SEED));
    for (name, target) in targets::TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() > 1, "the corpus of {name} is missing");
        let mut random = Random(u64::try_from(seed).unwrap());
        for at in 0..corpus.len() + changes {
            let input = corpus.get(at).cloned().unwrap_or_else(|| changed(&corpus, &mut random));
            if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
                broken.push(format!("{name}: {:?}", String::from_utf8_lossy(&input)));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} inputs, such as\n{}",
        broken.len(),
        broken.iter().take(9).cloned().collect::<Vec<_>>().join("\n")
    );
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// The files of a target's corpus, in the order of their names. Components that run are made on the spot: they follow
/// the interface.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let guests: &[&str] = if name == "component" { &["hello", "talks", "tables"] } else { &[] };
    let files = files.iter().map(|file| std::fs::read(file).unwrap());
    files.chain(guests.iter().map(|guest| guest::written(guest))).collect()
}

/// One to four changes of one input.
fn changed(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.one_of(corpus).clone();
    for _ in 0..=random.below(4) {
        let (at, end) = random.range(input.len());
        match random.below(6) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 => input.truncate(at),
            2 => drop(input.drain(at..end)),
            3 => {
                let other = random.one_of(corpus);
                let (from, to) = random.range(other.len());
                drop(input.splice(at..end, other[from..to].iter().copied()));
            }
            4 => {
                let repeated = input[at..end].repeat(random.below(8));
                drop(input.splice(at..at, repeated));
            }
            _ => drop(input.splice(at..at, random.one_of(&TOKENS).iter().copied())),
        }
        input.truncate(MAX_INPUT);
    }
    input
}

/// Numbers that look random and are the same in each run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound.max(1)
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A start and an end in something of this length.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let (a, b) = (self.below(length + 1), self.below(length + 1));
        (a.min(b), a.max(b))
    }
}
