//! Finds where source claims that something was proved: in whatever form a function may be named.

use std::collections::BTreeSet;

use crate::source::Source;

/// A maker of proofs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claim {
    /// A function of a module.
    Function(&'static str),
    /// A method, on a value of whatever name.
    Method(&'static str),
    /// A function of a type, whose name others may have too.
    Maker(&'static str, &'static str),
}

impl Claim {
    /// Whether a file makes the claim, with these names for its type.
    pub(crate) fn is_in(self, source: &Source, names: &BTreeSet<String>) -> bool {
        let (Self::Function(said) | Self::Method(said) | Self::Maker(_, said)) = self;
        source.code.contains(said) && self.is_said(source, names)
    }

    /// The names that stand for the claim's type in some file: its own, those that `use` gives it, and aliases.
    pub(crate) fn names(self, all: &[Source]) -> BTreeSet<String> {
        let Self::Maker(ty, _) = self else { return BTreeSet::new() };
        let mut names = BTreeSet::from([ty.to_owned()]);
        loop {
            let more: Vec<_> = all.iter().flat_map(|source| source.names_of_any(&names)).collect();
            let known = names.len();
            names.extend(more);
            if names.len() == known {
                return names;
            }
        }
    }

    fn is_said(self, source: &Source, names: &BTreeSet<String>) -> bool {
        let tokens = tokens(&source.code);
        let at = |at: usize| tokens.get(at).copied().unwrap_or_default();
        // Followed by another name, a name is that of a module or a type.
        let is_path_on = |here: usize| at(here + 1) == "::" && is_word(at(here + 2));
        let found = |name: &str, said: &dyn Fn([&str; 3]) -> bool| {
            let places = (0..tokens.len()).filter(|here| tokens[*here] == name && !is_path_on(*here));
            let around = |here: usize| {
                let before = |by: usize| here.checked_sub(by).map(at).unwrap_or_default();
                [before(2), before(1), at(here + 1)]
            };
            places.map(around).any(said)
        };
        match self {
            Self::Function(name) => {
                !source.names_of(name).is_empty()
                    || found(name, &|[owner, before, after]| match before {
                        "::" => !is_type(owner),
                        "fn" | "." => false,
                        _ => after == "(",
                    })
            }
            Self::Method(name) => found(name, &|[owner, before, after]| match before {
                "." => after == "(" || after == "::",
                "::" => is_type(owner),
                _ => false,
            }),
            Self::Maker(_, name) => {
                let is_it = |owner: &str| names.contains(owner);
                // `<Name>::make`, `Name::<T>::make` and `Self::make` say so too.
                let is_near = tokens.iter().any(|token| is_it(token));
                let is_its = |owner: &str| is_it(owner) || is_near && [">", "Self"].contains(&owner);
                found(name, &|[owner, before, _]| before == "::" && is_its(owner))
            }
        }
    }
}

fn is_type(owner: &str) -> bool {
    owner == ">" || owner.starts_with(char::is_uppercase)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Names, `::` and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), code.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match rest.find(|c: char| !(c.is_alphanumeric() || c == '_')) {
            Some(0) if rest.starts_with("::") => 2,
            Some(0) => first.len_utf8(),
            Some(length) => length,
            None => rest.len(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}
