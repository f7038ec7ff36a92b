//! Faults that readers of JSON and YAML found, in our words: libraries tell it to programmers, in names of their own
//! options and types, and whoever wrote the document cannot do anything with those.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use serde_path_to_error::Segment;

use super::{shortened, slip, visible};

/// The most characters of a text from outside that are shown.
const MAX_SHOWN: usize = 100;

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

/// Why JSON text was not read, with its place.
pub(super) fn of_json(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let (said, place) = match said.strip_suffix(&place) {
        Some(said) => (said, format!("line {}, column {}: ", error.line(), error.column())),
        None => (&*said, String::new()),
    };
    let what = match said {
        "EOF while parsing a list" => "the text ends amid a list",
        "EOF while parsing an object" => "the text ends amid a mapping",
        "EOF while parsing a string" => "the text ends amid a string",
        "EOF while parsing a value" => "the text ends where a value is expected",
        "expected value" => "this is no JSON value",
        "expected ident" => "this is neither `true`, `false` nor `null`",
        "key must be a string" => "the name of a member must be in quotation marks",
        "trailing characters" => "something follows the document",
        "trailing comma" => "a comma stands before an end",
        "recursion limit exceeded" => "the document is nested too deeply",
        other => other,
    };
    place + what
}

/// Where something is in a document, as the beginning of a message about it.
pub(super) fn place(line: Option<usize>, member: &str) -> String {
    match (line, short(member)) {
        (None, member) if member.is_empty() => String::new(),
        (None, member) => format!("`{member}`: "),
        (Some(line), member) if member.is_empty() => format!("line {line}: "),
        (Some(line), member) => format!("line {line}, `{member}`: "),
    }
}

/// The beginning of a text from outside.
pub(super) fn short(text: &str) -> String {
    shortened(text, MAX_SHOWN)
}

/// The member that a reader of types was at, as a JSON pointer.
pub(super) fn pointer(path: &serde_path_to_error::Path) -> String {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(format!("/{index}")),
        Segment::Map { key } => Some(super::step(key)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    steps.collect()
}

/// A complaint of a reader of types about a value, without the value and without the names of types.
pub(super) fn of_misfit(said: &str) -> String {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if said.starts_with("missing field ") {
        return format!("the member `{}` is missing", quoted(said).concat());
    }
    if said.starts_with("data did not match any variant") {
        return "it has none of the forms that are allowed there".into();
    }
    for (theirs, ours) in [("unknown field ", "there is no member"), ("unknown variant ", "there is no")] {
        let Some(rest) = said.strip_prefix(theirs) else { continue };
        // Else a reader says that there are no fields.
        let (name, expected) =
            rest.rsplit_once(", expected ").or(rest.rsplit_once(", ")).unwrap_or((rest, ""));
        let (name, names) = (name.trim_matches('`'), quoted(expected));
        return format!("{ours} `{}` {}", short(name), slip::known(name, names.iter().map(String::as_str)));
    }
    let Some((found, expected)) = said.rsplit_once(", expected ") else { return short(said) };
    let expected = expected_in_words(expected);
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some(found) = found.strip_prefix(prefix) {
            return format!("{} is there, where {expected} is expected", found_in_words(found));
        }
    }
    format!("{}: {expected} is expected", short(found))
}

/// The type of a value, as a reader of types tells the value.
fn found_in_words(found: &str) -> &'static str {
    let kinds = [
        ("string", "text"),
        ("integer", "a number"),
        ("floating point", "a number"),
        ("boolean", "true or false"),
        ("null", "nothing"),
        ("unit", "nothing"),
        ("sequence", "a list"),
        ("map", "a mapping of names to values"),
    ];
    kinds
        .iter()
        .find_map(|(theirs, ours)| found.starts_with(theirs).then_some(*ours))
        .unwrap_or("something else")
}

fn expected_in_words(expected: &str) -> String {
    let first = expected.split(' ').next().unwrap_or_default();
    let ours = match (first, expected) {
        ("struct" | "internally" | "adjacently", _) | (_, "a map") => "a mapping of names to values",
        ("tuple", _) | (_, "a sequence") => "a list",
        ("enum", _) | (_, "a string" | "str" | "string" | "a character" | "variant identifier") => "text",
        ("u8" | "u16" | "u32" | "u64" | "usize" | "nonzero", _) => "a whole number that is not negative",
        ("i8" | "i16" | "i32" | "i64" | "isize", _) => "a whole number",
        ("f32" | "f64", _) => "a number",
        ("a", "a boolean") => "true or false",
        ("unit", _) => "nothing",
        _ => return short(expected),
    };
    ours.to_owned()
}
