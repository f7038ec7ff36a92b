//! Turns untrusted JSON and YAML text into values, strictly and within bounds.
//!
//! Everything that carnet reads was written by somebody else: bundles, OCI documents, grants, policies, manifests,
//! stored state. They all come through here, so that the same things are refused everywhere: duplicate member names
//! (two readers would disagree about them), a byte order mark, trailing bytes, deep nesting, alias bombs.

pub mod slip;
mod budget;
mod strict;
mod places;
mod numbers;
mod plain;
mod words;
mod empty;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::BufWriter;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _};
use serde_json::Value;

use crate::digest::{Digest, Hasher};

pub use budget::MemoryBudget;
use numbers::ChangedNumber;
use strict::Strict;

/// The longest text that is parsed, in bytes: 4 MiB, the size that registries must accept for a manifest. A longer one
/// could only be an attempt to use up memory.
pub const MAX_BYTES: usize = 4 << 20;

/// How deep values may be nested. Without it, a few kilobytes of `[` would use up the stack of whatever walks them.
pub const MAX_DEPTH: usize = 64;

/// The most marks on one letter. With more, a text would cover the lines above and below it.
const MAX_MARKS: usize = 2;

/// Why a document was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDocument {
    /// The JSON text breaks a rule, or a value is not what is wanted in its place.
    #[error("{}", visible(&words::of_json(.0)))]
    Json(serde_json::Error),
    /// It would take too much memory, with its aliases written out.
    #[error("the document would take more memory than {0} bytes, which is too much for its length")]
    Large(usize),
    /// A part of the document has another type than is read there. Nothing of its value is told, which may be secret.
    #[error("{}{what}", words::place(*line, place))]
    Misfit {
        /// The part, as a JSON pointer.
        place: String,
        /// Its line, where that is known.
        line: Option<usize>,
        /// What is there, and what may be.
        what: String,
    },
    /// A number would be another one if it was written again, or is another one to others: its place, if it is known,
    /// and its text.
    #[error("{0}the number {1} would be changed: write it with fewer and plain digits, or as text")]
    Number(String, String),
    /// The text is longer than may be read: its bytes, and how many those are.
    #[error("the document has {0} bytes, more than the {1} that are read")]
    TooLong(usize, usize),
    /// A strict reader found members that it does not know.
    #[error("unknown member{} {}", if .0.len() == 1 { "" } else { "s" }, list(.0))]
    Unknown(Vec<String>),
    /// The bytes are not UTF-8.
    #[error("the document is not UTF-8 text")]
    Utf8,
    /// The YAML text breaks a rule.
    #[error("{}", visible(.0))]
    Yaml(String),
}

/// Reads one JSON document (RFC 8259, I-JSON's rule of unique names).
///
/// # Errors
/// [`InvalidDocument`] for text that is not JSON, duplicate member names, trailing bytes, and whatever is over the
/// limits.
pub fn json(bytes: &[u8]) -> Result<Value, InvalidDocument> {
    json_within(bytes, MAX_BYTES)
}

/// Reads one JSON document of at most so many bytes.
///
/// # Errors
/// As for [`json`].
pub fn json_within(bytes: &[u8], most: usize) -> Result<Value, InvalidDocument> {
    if bytes.len() > most {
        return Err(InvalidDocument::TooLong(bytes.len(), most));
    }
    let (budget, mut deserializer) = (MemoryBudget::default(), serde_json::Deserializer::from_slice(bytes));
    let share = budget.share(bytes.len());
    let value = Strict { depth: MAX_DEPTH, budget: &share }.deserialize(&mut deserializer);
    budget.settle(&share, bytes.len())?;
    let value = value?;
    deserializer.end()?;
    let changed = if numbers::has_float(&value) { numbers::changed_in_json(bytes) } else { None };
    let Some(number) = changed else { return Ok(value) };
    let place = std::str::from_utf8(bytes).ok().and_then(|text| numbers::place_of(text, &number));
    Err(InvalidDocument::number(&number, place.as_ref()))
}

/// Its text is the whole of it, made safe to show: as a source it would be said again as it is.
impl From<serde_json::Error> for InvalidDocument {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl InvalidDocument {
    fn number(text: &str, place: Option<&ChangedNumber>) -> Self {
        let place = place.map(|at| words::place(Some(at.line), &at.member));
        Self::Number(place.unwrap_or_default(), words::short(text))
    }

    /// With the line of a part that does not fit in the YAML text that it was read from.
    pub fn on_its_line(self, text: &str) -> Self {
        let Self::Misfit { place, line: None, what } = self else { return self };
        let line = lines_of(text, &BTreeSet::from([place.clone()])).remove(&place);
        Self::Misfit { place, line, what }
    }
}

/// Reads one JSON document into `T`, and names the members that `T` has no place for (as JSON pointers).
///
/// # Errors
/// [`InvalidDocument`] as for [`json`], and for what `T` does not accept.
pub fn json_as<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Vec<String>), InvalidDocument> {
    typed(json(bytes)?)
}

/// Turns a value into `T`, and names the members that `T` has no place for (as JSON pointers).
///
/// # Errors
/// [`InvalidDocument::Misfit`] for what `T` does not accept.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<(T, Vec<String>), InvalidDocument> {
    let mut unknown = Vec::new();
    let mut ignored = |path: serde_ignored::Path<'_>| unknown.push(pointer(&path));
    let read = serde_path_to_error::deserialize(serde_ignored::Deserializer::new(value, &mut ignored));
    let value = read.map_err(|error| InvalidDocument::Misfit {
        place: words::pointer(error.path()),
        line: None,
        what: words::of_misfit(&error.inner().to_string()),
    })?;
    Ok((value, unknown))
}

/// Reads one YAML document, in which every mapping has text for keys and no key twice.
///
/// # Errors
/// [`InvalidDocument`] for what is not YAML, several documents, duplicate keys, alias bombs, and whatever is over the
/// limits.
pub fn yaml(text: &str) -> Result<Value, InvalidDocument> {
    yaml_within(text, &MemoryBudget::default())
}

/// Reads one YAML document within a budget that others share.
///
/// # Errors
/// [`InvalidDocument`] as for [`yaml`]. Where the shared budget was exceeded, it says so itself.
pub fn yaml_within(text: &str, shared: &MemoryBudget) -> Result<Value, InvalidDocument> {
    yaml_with(text, shared, Booleans::Two)
}

/// Reads a manifest as [`yaml_within`], but that the words for true and false are those of YAML 1.1 (`yes`, `off`), as
/// kubectl has them.
///
/// # Errors
/// [`InvalidDocument`] as for [`yaml_within`].
pub fn manifest_within(text: &str, shared: &MemoryBudget) -> Result<Value, InvalidDocument> {
    yaml_with(text, shared, Booleans::Many)
}

/// The words that are no text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Booleans {
    /// `true` and `false`.
    Two,
    /// Those of YAML 1.1 besides.
    Many,
}

fn yaml_with(text: &str, shared: &MemoryBudget, booleans: Booleans) -> Result<Value, InvalidDocument> {
    if text.len() > MAX_BYTES {
        return Err(InvalidDocument::TooLong(text.len(), MAX_BYTES));
    }
    if let Some(value) = plain::json(text, shared) {
        return Ok(value);
    }
    let text = &*empty::without_empty(text);
    let share = shared.share(text.len());
    let limits = serde_saphyr::budget! { max_depth: MAX_DEPTH, max_documents: 1 };
    let options = serde_saphyr::options! { budget: limits, with_snippet: false, strict_booleans: booleans == Booleans::Two, legacy_octal_numbers: true };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Strict { depth: MAX_DEPTH, budget: &share }.deserialize(deserializer)
    });
    shared.settle(&share, text.len())?;
    let value = read.map_err(|error| InvalidDocument::Yaml(words::of_yaml(&error)))?;
    let is_plain = !numbers::has_float(&value) && !numbers::may_have_forms(text);
    match if is_plain { None } else { numbers::changed_in_yaml(text) } {
        Some(changed) => Err(InvalidDocument::number(&changed.number, Some(&changed))),
        None => Ok(value),
    }
}

/// Reads one YAML document into `T`; members that `T` has no place for are refused.
///
/// # Errors
/// [`InvalidDocument`] as for [`yaml`], [`InvalidDocument::Unknown`], and for what `T` does not accept.
pub fn yaml_as<T: DeserializeOwned>(text: &str) -> Result<T, InvalidDocument> {
    match typed(yaml(text)?).map_err(|error| error.on_its_line(text))? {
        (value, unknown) if unknown.is_empty() => Ok(value),
        (_, unknown) => Err(InvalidDocument::Unknown(unknown)),
    }
}

/// The lines, from 1, on which a YAML document has these members and items (JSON pointers), as far as it has them. Nothing
/// is kept of the others: a document may have millions.
pub fn lines_of(text: &str, wanted: &BTreeSet<String>) -> BTreeMap<String, usize> {
    places::lines_of(text, wanted)
}

/// An error and its causes, on one line, safe to show.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    visible(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// `text` with everything that could deceive a reader made visible: such characters become `\u{…}`. For each text from
/// a bundle, a guest or a server that is shown on one line.
pub fn visible(text: &str) -> String {
    let mut marks = 0;
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if deceives(c) || marks > MAX_MARKS {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// The beginning of a text as [`visible`] shows it: at most so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    visible(text).chars().take(most).collect()
}

/// As [`visible`], of a text of several lines, as servers write them: they become one, with spaces between them.
pub fn visible_line(text: &str) -> String {
    visible(&text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

/// A value as JSON text whose members are sorted, with its numbers as they stand: what stands for a value where values
/// are compared. It is not RFC 8785, which takes every number through floating point, so that two would be one. A
/// mapping of `serde_json` is sorted in itself, unless some crate asks for the order of insertion; a test below notices
/// that.
pub fn written(value: &Value) -> String {
    value.to_string()
}

/// The digest of what is [`written`] of a value, without writing it down. What is given has its members sorted, as a
/// value has.
pub fn digest(value: &impl Serialize) -> Digest {
    let mut writer = BufWriter::new(Hasher::default());
    // Nothing fails here: a hasher takes everything, and values of JSON are what can be written.
    let written = serde_json::to_writer(&mut writer, value).is_ok();
    debug_assert!(written, "a value of JSON can be written");
    writer.into_inner().unwrap_or_default().finish()
}

/// A number of a value that floating point would change, if there is one.
pub fn beyond_float(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()).filter(|text| !numbers::is_kept_as_float(text)),
        Value::Array(items) => items.iter().find_map(beyond_float),
        Value::Object(members) => members.values().find_map(beyond_float),
        _ => None,
    }
}

/// A value in which fractions that are whole numbers are written as such: `1e3` and `1000.0` are `1000` to every
/// schema, and no program that wants a whole number takes them otherwise.
pub fn with_whole_numbers(mut value: Value) -> Value {
    make_whole(&mut value);
    value
}

fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = numbers::whole_of(number) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        _ => {}
    }
}

/// Whether a character could deceive a reader: it acts on a terminal, changes the order of what is read, takes no
/// place or the place of a space, or looks as whatever font is there makes it look.
pub fn deceives(c: char) -> bool {
    c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c,
            // Joiners, fillers, and letters without a shape.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
            | '\u{ffa0}'
            // Formatting and order.
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            // Variation selectors and tags.
            | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'
            // For private use.
            | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a character is drawn onto the one before it.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", visible(name))).collect::<Vec<_>>().join(", ")
}

fn pointer(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", pointer(parent)),
        Path::Map { parent, key } => pointer(parent) + &step(key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            pointer(parent)
        }
    }
}

/// The part of a JSON pointer that leads to a member.
fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
