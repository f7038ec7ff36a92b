//! Faults that readers of JSON and YAML found, in our words: libraries tell it to programmers, in names of their own
//! options and types, and whoever wrote the document cannot do anything with those.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::visible;

/// Why YAML text was not read, with its place.
pub(super) fn of_yaml(error: &Error) -> String {
    let error = error.without_snippet();
    let what = match error {
        Error::DuplicateMappingKey { key: Some(name), .. } => {
            format!("the member `{}` occurs twice", visible(name))
        }
        Error::DuplicateMappingKey { key: None, .. } => "a member occurs twice".into(),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => {
            "there is more than one document, where one is read".into()
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            "the document is nested too deeply".into()
        }
        Error::Budget { .. } => "the document has more parts than are read".into(),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => "its aliases, written out, come to too much".into(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias is inside of what it stands for".into()
        }
        Error::UnknownAnchor { .. } => "an alias stands for an anchor that is not there".into(),
        Error::NonFiniteFloat { .. } => "a number must be finite".into(),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` takes a mapping, or a list of mappings".into(),
        Error::Message { msg, .. } => msg.clone(),
        other => return visible(&other.to_string()),
    };
    let place = error.location().map(|at| format!("line {}, column {}: ", at.line(), at.column()));
    place.unwrap_or_default() + &what
}

/// A JSON library's complaint about a value, without the names of types.
pub(super) fn of_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if let Some(rest) = said.strip_prefix("missing field ") {
        return format!("the member {rest} is missing");
    }
    if said.starts_with("data did not match any variant") {
        return "it has none of the forms that are allowed there".into();
    }
    for (theirs, ours) in [
        ("expected struct ", "expected a mapping of names to values"),
        ("expected internally tagged enum ", "expected a mapping of names to values"),
        ("expected adjacently tagged enum ", "expected a mapping of names to values"),
        ("expected tuple struct ", "expected a list"),
        ("expected enum ", "expected text"),
    ] {
        if let Some((before, after)) = said.split_once(theirs) {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            return format!("{before}{ours}{rest}");
        }
    }
    said.replace("expected a sequence", "expected a list")
        .replace("expected a map", "expected a mapping of names to values")
        .replace("unknown variant ", "there is no ")
}
