//! How much memory documents may take once they are read. It goes by what comes out, not by the text: aliases in YAML
//! and small mappings grow.

use std::cell::Cell;

use super::InvalidDocument;

/// The most memory that one document may take once it is read, in bytes. Only a longer one than most readers take,
/// which is a plan, may take more: sixteen times its length.
const MAX_MEMORY: usize = 64 << 20;
const LEAST_GROWTH: usize = 16;

/// How much more memory than text a document may take, with the aliases of YAML written out. Lists of the smallest
/// mappings take a hundred times as much; without it two kilobytes of aliases would take fifty megabytes.
const MAX_GROWTH: usize = 128;

/// The least that any document may take.
const MIN_MEMORY: usize = 256 << 10;

/// The size of a value by itself, in bytes, and what a mapping takes for the first of its members and for each.
pub(super) const VALUE: usize = 32;
pub(super) const MAPPING: usize = 600;
pub(super) const MEMBER: usize = 56;

/// The memory that documents may take together, in bytes.
#[derive(Debug)]
pub struct MemoryBudget {
    left: Cell<usize>,
    spent: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl MemoryBudget {
    /// A budget of that many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: Cell::new(bytes), spent: Cell::new(0), is_exceeded: Cell::new(false) }
    }

    /// How many bytes were taken.
    pub fn spent(&self) -> usize {
        self.spent.get()
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// Whether a document needed more than was left, and would have had it otherwise.
    pub fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }

    pub(super) fn take<E: serde::de::Error>(&self, bytes: usize) -> Result<(), E> {
        let Some(left) = self.left.get().checked_sub(bytes) else {
            self.is_exceeded.set(true);
            return Err(E::custom("it takes more memory than is left for it"));
        };
        self.left.set(left);
        self.spent.set(self.spent.get().saturating_add(bytes));
        Ok(())
    }

    /// Takes what a document took that was read before, from a copy of it. Whether there was as much left.
    pub fn take_again(&self, bytes: usize) -> bool {
        self.take::<serde::de::value::Error>(bytes).is_ok()
    }

    /// The part of the budget that a document of this length may take.
    pub(super) fn share(&self, length: usize) -> Self {
        Self::new(most(length).min(self.left.get()))
    }

    /// Counts a document that was read within its share.
    ///
    /// # Errors
    /// [`InvalidDocument::Large`] when the share was not enough.
    pub(super) fn settle(&self, share: &Self, length: usize) -> Result<(), InvalidDocument> {
        let is_short = self.left.get() < most(length);
        self.left.set(self.left.get().saturating_sub(share.spent()));
        self.spent.set(self.spent.get().saturating_add(share.spent()));
        if !share.is_exceeded() {
            return Ok(());
        }
        self.is_exceeded.set(is_short);
        Err(InvalidDocument::Large(most(length)))
    }
}

/// The budget of a document by itself, whose length alone says what it may take.
impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// The most memory that a text of this length may take.
fn most(length: usize) -> usize {
    let limit = MAX_MEMORY.max(length.saturating_mul(LEAST_GROWTH));
    MIN_MEMORY.saturating_add(length.saturating_mul(MAX_GROWTH)).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{MAX_BYTES, json, yaml, yaml_within};

    /// A kilobyte of text, or a mapping, which aliases of aliases repeat a hundred times `times`.
    fn growing(repeated: &str, times: usize) -> String {
        let ten = |alias: &str| [alias; 10].join(", ");
        let many = vec!["*c"; times].join(", ");
        format!("a: &a {repeated}\nb: &b [{}]\nc: &c [{}]\nd: [{many}]\n", ten("*a"), ten("*b"))
    }

    #[test]
    fn aliases_count_as_often_as_they_are_written_out() {
        let text = "x".repeat(1000);
        assert!(matches!(yaml(&growing(&text, 10)), Err(InvalidDocument::Large(_))));
        assert!(yaml(&growing(&text, 1)).is_ok());
        assert!(matches!(yaml(&growing("{a: {}}", 10)), Err(InvalidDocument::Large(_))));
        assert!(yaml(&growing("{a: {}}", 1)).is_ok());
    }

    #[test]
    fn documents_share_a_budget() {
        let one = format!("a: {}", "x".repeat(10_000));
        let budget = MemoryBudget::new(25_000);
        for _ in 0..2 {
            yaml_within(&one, &budget).unwrap();
        }
        assert!(!budget.is_exceeded() && budget.spent() > 20_000);
        assert!(yaml_within(&one, &budget).is_err());
        assert!(budget.is_exceeded());
        // One that is too large by itself leaves the others their share.
        let budget = MemoryBudget::new(MAX_MEMORY);
        assert!(yaml_within(&growing(&one[3..], 10), &budget).is_err());
        assert!(!budget.is_exceeded());
    }

    #[test]
    fn a_document_takes_no_more_memory_than_its_length_allows() {
        let small = "{\"a\":1}";
        let many = |count: usize| format!("[{}]", vec![small; count].join(","));
        assert!(json(many(10_000).as_bytes()).is_ok());
        let text = format!("[{}]", vec!["{\"\":0}"; 500_000].join(","));
        assert!(text.len() < MAX_BYTES);
        assert!(matches!(json(text.as_bytes()), Err(InvalidDocument::Large(MAX_MEMORY))));
    }
}
