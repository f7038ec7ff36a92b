//! Turns text that came from outside into text that is safe where it goes: a word of a shell, YAML, JSON.
//!
//! Bundles, registries, servers, the state and files are written by others, and what they say is shown beside what
//! carnet says. Each destination has a reader of its own (a person at a terminal, a shell, a parser), so text that is
//! harmless for one can be an order to another. A type for each destination is made by its writer alone, and what
//! prints takes the types. Pages for a terminal, with their wrapping, are in `cli::ui`.

pub mod json;
pub mod shell;
pub mod url;
mod variable;
pub mod yaml;

pub use shell::{Blank, CommandLine, Filling};
pub use variable::variables;
pub use yaml::YamlText;

/// How many there are of what has a plural with an `s`.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_more_than_one() {
        for (count, expected) in [(0, "0 claims"), (1, "1 claim"), (2, "2 claims"), (1000, "1000 claims")] {
            assert_eq!(counted(count, "claim"), expected);
        }
    }
}
