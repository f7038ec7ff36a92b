//! Keeps what the planning pass has read of manifests for the acting pass, which is handed the same texts: to read their
//! YAML takes longer than all else that is done with them here.
//!
//! They are kept as JSON, which takes a tenth of the memory that their values do, and a tenth of the time to be read.

use std::collections::HashMap;

use serde_json::Value;

use crate::digest::Digest;
use crate::document::{self, MemoryBudget};
use crate::kubernetes::manifest::{self, InvalidManifest};

/// The most that is kept, in bytes. Without it a component could have the host hold whatever it wrote, beside what it holds
/// of that anyway; what is beyond is read again.
const MAX_KEPT: usize = 16 << 20;

/// The shortest text that is worth keeping.
const SHORTEST: usize = 256;

/// Manifests that were read, by the digest of their text. No `Debug`: a component may have written into them what it was
/// shown.
#[derive(Default)]
pub struct KeptManifests {
    kept: HashMap<Digest, Kept>,
    turn: Turn,
    bytes: usize,
    /// How many texts were read as YAML.
    #[cfg(test)]
    read: usize,
}

/// Whether manifests are kept or given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    /// No other pass follows.
    #[default]
    Only,
    First,
    Second,
}

/// A manifest that was read.
struct Kept {
    json: String,
    /// What its value takes of a budget.
    memory: usize,
}

impl KeptManifests {
    /// Those of a pass that no other one follows: nothing is kept.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of a pass that another one follows.
    pub fn of_a_first_pass() -> Self {
        Self { turn: Turn::First, ..Self::default() }
    }

    /// These, for the pass that follows.
    #[must_use]
    pub fn again(self) -> Self {
        let turn = if self.turn == Turn::First { Turn::Second } else { Turn::Only };
        Self { turn, ..self }
    }

    /// Reads the text of a manifest. What was kept of it takes as much of the budget as the text does.
    ///
    /// # Errors
    /// As for [`manifest::read`].
    pub fn read(&mut self, text: &str, memory: &MemoryBudget) -> Result<Value, InvalidManifest> {
        if let Some(kept) = self.take(text)
            && let Ok(value) = document::json(kept.json.as_bytes())
            && memory.take_again(kept.memory)
        {
            return Ok(value);
        }
        let before = memory.spent();
        let value = manifest::read(text, memory)?;
        #[cfg(test)]
        (self.read += 1);
        self.keep(text, &value, memory, before);
        Ok(value)
    }

    /// Takes out what is kept of a text: it is wanted once.
    fn take(&mut self, text: &str) -> Option<Kept> {
        if self.turn != Turn::Second || self.kept.is_empty() {
            return None;
        }
        let kept = self.kept.remove(&Digest::of(text.as_bytes()))?;
        self.bytes = self.bytes.saturating_sub(kept.json.len());
        Some(kept)
    }

    fn keep(&mut self, text: &str, value: &Value, memory: &MemoryBudget, before: usize) {
        // JSON is read quickly as it is.
        if self.turn != Turn::First || text.len() < SHORTEST || text.starts_with('{') {
            return;
        }
        let json = document::written(value);
        let bytes = self.bytes.saturating_add(json.len());
        // All of it would fit into what the component may hold.
        if bytes <= MAX_KEPT.min(memory.left()) {
            let memory = memory.spent().saturating_sub(before);
            let earlier = self.kept.insert(Digest::of(text.as_bytes()), Kept { json, memory });
            self.bytes = bytes.saturating_sub(earlier.map_or(0, |earlier| earlier.json.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than the shortest, with what JSON writes otherwise than YAML.
    fn text(more: &str) -> String {
        let yaml = "# a comment\nnumbers: [1, -2, 0x1f, 0644, 18446744073709551615, 0.5, 1e3, 1.0]\n\
            words: [~, yes, true, \"x\\u00e4\\n\"]\nbase: &base {c: d, e: {}, f: []}\nagain: *base\nlines: |\n  one\n    two\n\n";
        format!("{yaml}padding: {}\nmore: {more}\n", "x".repeat(SHORTEST))
    }

    fn budget() -> MemoryBudget {
        MemoryBudget::new(1 << 20)
    }

    #[test]
    fn a_second_pass_has_the_same_values_for_the_same_memory_without_reading_yaml() {
        let texts = [text("1"), text("2"), text("3")];
        let (first, second) = (budget(), budget());
        let mut manifests = KeptManifests::of_a_first_pass();
        let read: Vec<_> = texts.iter().map(|text| manifests.read(text, &first).unwrap()).collect();
        assert_eq!(manifests.read, 3);
        let mut manifests = manifests.again();
        // In whatever order they come.
        for (text, value) in texts.iter().zip(&read).rev() {
            assert_eq!(manifests.read(text, &second).unwrap(), *value);
            assert_eq!(manifest::read(text, &budget()).unwrap(), *value);
        }
        assert_eq!((manifests.read, second.spent()), (3, first.spent()));
        assert_eq!((manifests.bytes, manifests.kept.len()), (0, 0), "what was given back is held no longer");
    }

    #[test]
    fn what_is_another_text_or_comes_more_often_is_read() {
        let mut manifests = KeptManifests::of_a_first_pass();
        manifests.read(&text("1"), &budget()).unwrap();
        manifests.read(&text("1"), &budget()).unwrap();
        let mut manifests = manifests.again();
        for (more, read) in [("1", 2), ("1", 3), ("2", 4)] {
            let value = manifests.read(&text(more), &budget()).unwrap();
            assert_eq!(value["more"].to_string(), more);
            assert_eq!(manifests.read, read, "{more}");
        }
    }

    #[test]
    fn nothing_is_kept_where_nothing_follows_or_reading_it_is_quick() {
        let kept = |mut manifests: KeptManifests, text: &str| {
            manifests.read(text, &budget()).unwrap();
            manifests.kept.len()
        };
        let json = format!("{{\"a\": \"{}\"}}", "x".repeat(SHORTEST));
        assert_eq!(kept(KeptManifests::of_a_first_pass(), &text("1")), 1);
        assert_eq!(kept(KeptManifests::none(), &text("1")), 0);
        assert_eq!(kept(KeptManifests::none().again(), &text("1")), 0);
        assert_eq!(kept(KeptManifests::of_a_first_pass().again(), &text("1")), 0);
        assert_eq!(kept(KeptManifests::of_a_first_pass().again().again(), &text("1")), 0);
        assert_eq!(kept(KeptManifests::of_a_first_pass(), &json), 0);
        assert_eq!(kept(KeptManifests::of_a_first_pass(), "a: 1\n"), 0);
    }

    #[test]
    fn no_more_is_kept_than_the_component_may_hold_and_than_the_bound() {
        let mut manifests = KeptManifests::of_a_first_pass();
        let long = format!("a: {}\n", "x".repeat(manifest::MAX_OBJECT - 10));
        let tight = MemoryBudget::new(manifest::MAX_OBJECT + 10_000);
        manifests.read(&long, &tight).unwrap();
        assert!(manifests.kept.is_empty(), "a second time would not have fitted");
        let ample = MemoryBudget::new(usize::MAX);
        for at in 0..20 {
            manifests.read(&long.replacen('a', &format!("a{at:02}"), 1), &ample).unwrap();
        }
        assert_eq!(manifests.kept.len(), MAX_KEPT / manifest::MAX_OBJECT);
        assert!(manifests.bytes <= MAX_KEPT, "{}", manifests.bytes);
        assert_eq!(manifests.bytes, manifests.kept.values().map(|kept| kept.json.len()).sum::<usize>());
    }

    #[test]
    fn a_second_pass_hits_the_limit_where_the_first_one_would_have() {
        let mut manifests = KeptManifests::of_a_first_pass();
        let first = budget();
        manifests.read(&text("1"), &first).unwrap();
        let mut manifests = manifests.again();
        let short = MemoryBudget::new(first.spent() - 1);
        assert!(manifests.read(&text("1"), &short).is_err());
        assert!(short.is_exceeded());
    }

    #[test]
    fn what_is_no_manifest_is_told_as_ever() {
        let mut manifests = KeptManifests::of_a_first_pass();
        for wrong in ["a: [", "a: 1\na: 2\n", "a: 0649\n"] {
            let wrong = format!("{wrong}# {}\n", "x".repeat(SHORTEST));
            let told = manifests.read(&wrong, &budget()).unwrap_err();
            assert_eq!(Err(told), manifest::read(&wrong, &budget()));
        }
        assert!(manifests.kept.is_empty());
    }
}
