//! How much a binary may hold, of one thing each.
//!
//! Compilers are far from these numbers: an interpreter of Python with its libraries takes a tenth of most. Without
//! them a few kilobytes could keep whoever looks at a binary busy for minutes, before anybody trusts it.

use super::InvalidComponent;

/// The rest of something that a binary may hold.
#[derive(Debug)]
pub(super) struct Allowance {
    what: &'static str,
    most: u64,
    left: u64,
}

/// Allowances for a binary, in all its components and modules together.
pub(super) struct Allowances {
    /// Components and modules inside it.
    pub(super) parts: Allowance,
    /// Types: each is kept, and compared with others.
    pub(super) types: Allowance,
    /// Bytes of the types of components: a record has a field in four.
    pub(super) type_bytes: Allowance,
    /// The size of types of instances with all that is in them, wherever they are used: a type that has another one
    /// twice, twenty levels deep, takes five hundred bytes.
    pub(super) type_sizes: Allowance,
    /// Imports, exports, aliases, arguments, and functions that cross the border of a component.
    pub(super) links: Allowance,
    /// Functions.
    pub(super) functions: Allowance,
    /// Locals: a few bytes declare thousands.
    pub(super) locals: Allowance,
    /// Globals.
    pub(super) globals: Allowance,
    /// Tables and memories.
    pub(super) spaces: Allowance,
    /// Segments of data and elements.
    pub(super) segments: Allowance,
    /// Elements of tables.
    pub(super) elements: Allowance,
    /// Steps of validation: an instruction is one, and each value that it takes or gives another.
    pub(super) steps: Allowance,
    /// Places where a local may come from several, as a compiler joins them.
    pub(super) joins: Allowance,
}

impl Allowance {
    const fn new(what: &'static str, most: u64) -> Self {
        Self { what, most, left: most }
    }

    /// Takes `count` of it.
    ///
    /// # Errors
    /// [`InvalidComponent::Costly`] when less is left.
    pub(super) fn take(&mut self, count: u64) -> Result<(), InvalidComponent> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or(InvalidComponent::Costly { what: self.what, most: self.most })?;
        Ok(())
    }
}

impl Default for Allowances {
    fn default() -> Self {
        Self {
            parts: Allowance::new("components and modules inside it", 500),
            types: Allowance::new("types", 100_000),
            type_bytes: Allowance::new("bytes of types of components", 2 << 20),
            type_sizes: Allowance::new("declarations in types, as often as they are used", 50_000),
            links: Allowance::new("imports, exports and aliases", 200_000),
            functions: Allowance::new("functions", 300_000),
            locals: Allowance::new("locals", 5_000_000),
            globals: Allowance::new("globals", 100_000),
            spaces: Allowance::new("tables and memories", 1_000),
            segments: Allowance::new("segments of data and elements", 200_000),
            elements: Allowance::new("elements of tables", 1_000_000),
            steps: Allowance::new("steps to validate it", 200_000_000),
            joins: Allowance::new("values that loops carry", 20_000_000),
        }
    }
}
