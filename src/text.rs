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
