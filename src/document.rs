//! Turns untrusted JSON and YAML text into values, strictly and within bounds.
//!
//! Everything that carnet reads was written by somebody else: bundles, OCI documents, grants, policies, manifests,
//! stored state. They all come through here, so that the same things are refused everywhere: duplicate member names
//! (two readers would disagree about them), a byte order mark, trailing bytes, deep nesting, alias bombs.

pub mod slip;
mod budget;
mod places;
mod numbers;
mod plain;
mod words;
mod empty;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::io::BufWriter;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::digest::{Digest, Hasher};

pub use budget::MemoryBudget;
use budget::{MAPPING, MEMBER, VALUE};
use numbers::ChangedNumber;

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
        let short = |text: &str| visible(text).chars().take(100).collect::<String>();
        let place = place.map(|at| match &*at.member {
            "" => format!("line {}: ", at.line),
            member => format!("line {}, `{}`: ", at.line, short(member)),
        });
        Self::Number(place.unwrap_or_default(), short(text))
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
/// [`InvalidDocument::Json`] for what `T` does not accept.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<(T, Vec<String>), InvalidDocument> {
    let mut unknown = Vec::new();
    let value = serde_ignored::deserialize(value, |path| unknown.push(pointer(&path)))?;
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
    if text.len() > MAX_BYTES {
        return Err(InvalidDocument::TooLong(text.len(), MAX_BYTES));
    }
    if let Some(value) = plain::json(text, shared) {
        return Ok(value);
    }
    let text = &*empty::without_empty(text);
    let share = shared.share(text.len());
    let limits = serde_saphyr::budget! { max_depth: MAX_DEPTH, max_documents: 1 };
    let options = serde_saphyr::options! { budget: limits, with_snippet: false, strict_booleans: true, legacy_octal_numbers: true };
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
    match typed(yaml(text)?)? {
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

/// Builds a [`Value`] and refuses duplicate names, deep nesting and what takes too much memory on the way.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    budget: &'a MemoryBudget,
}

impl Strict<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth =
            self.depth.checked_sub(1).ok_or_else(|| E::custom("the document is nested too deeply"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.budget.take(VALUE)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.budget.take(value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.budget.take(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(below)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let first = if values.is_empty() { MAPPING } else { 0 };
            self.budget.take(name.len().saturating_add(MEMBER + first))?;
            if values.contains_key(&name) {
                return Err(A::Error::custom(format!("the member `{}` occurs twice", visible(&name))));
            }
            let value = members.next_value_seed(below)?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        json(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn duplicate_names_are_refused_at_every_depth() {
        assert!(refusal(r#"{"a":1,"a":2}"#).contains("`a` occurs twice"));
        assert!(refusal(r#"[{"a":{"b":1,"b":1}}]"#).contains("`b` occurs twice"));
        assert!(yaml("a: 1\na: 2").unwrap_err().to_string().contains("`a` occurs twice"));
    }

    #[test]
    fn members_are_sorted_whoever_wrote_them_and_in_whatever_order() {
        let value = json(br#"{"b":{"d":1,"c":[{"f":1,"e":2}]},"a":2}"#).unwrap();
        let sorted = r#"{"a":2,"b":{"c":[{"e":2,"f":1}],"d":1}}"#;
        assert_eq!(written(&value), sorted);
        let mut members = Map::new();
        members.insert("b".into(), 1.into());
        members.insert("a".into(), 2.into());
        assert_eq!(written(&members.into()), r#"{"a":2,"b":1}"#);
        assert_eq!(digest(&value), Digest::of(sorted.as_bytes()));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(1000);
        assert!(refusal(&deep).contains("nested too deeply"));
        assert!(yaml(&deep).is_err());
        assert!(json("[".repeat(60).as_bytes()).unwrap_err().to_string().contains("EOF"));
    }

    #[test]
    fn what_a_parser_says_about_names_is_safe_to_show() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        let json = json_as::<Nothing>(br#"{"\u001b[2J": 1}"#).unwrap_err();
        let yaml = yaml_as::<Nothing>("\"\\e[2J\": 1").unwrap_err();
        for error in [json, yaml] {
            let text = error.to_string();
            assert!(text.starts_with("unknown field `\\u{1b}[2J`"), "{text}");
            assert_eq!(chain(&error), text);
        }
        assert_eq!(chain(&std::io::Error::other("a\nb")), "a\\u{a}b");
    }

    #[test]
    fn a_byte_order_mark_and_trailing_bytes_are_refused() {
        assert!(refusal("\u{feff}{}").contains("expected value"));
        assert!(refusal("{} {}").contains("trailing characters"));
        assert!(yaml("a: 1\n---\nb: 2").is_err());
    }

    #[test]
    fn what_a_reader_of_yaml_says_is_said_in_our_words() {
        for (text, expected) in [
            ("a: 1\n---\nb: 2\n", "there is more than one document, where one is read"),
            ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4, column 3: the member `c` occurs twice"),
            ("a: *b\n", "alias"),
            ("a: .inf\n", "a number must be finite"),
        ] {
            let told = yaml(text).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
            for word in ["budget", "Policy", "Options", "serde", "{"] {
                assert!(!told.contains(word), "{told}");
            }
        }
    }

    #[test]
    fn what_is_expected_is_told_in_words_of_the_document() {
        #[derive(Debug, serde::Deserialize)]
        struct Settings {
            _names: Vec<u16>,
        }
        let told = |text: &str| yaml_as::<Settings>(text).unwrap_err().to_string();
        assert_eq!(told("text"), "invalid type: string \"text\", expected a mapping of names to values");
        assert_eq!(told("_names: 7"), "invalid type: integer `7`, expected a list");
    }

    #[test]
    fn lines_of_a_server_become_one() {
        assert_eq!(visible_line("* one:\n\t* two\r\n\n  three\n"), "* one: * two three");
        assert_eq!(visible_line("a\u{1b}[2J\nb"), "a\\u{1b}[2J b");
    }

    #[test]
    fn whole_numbers_are_written_as_such() {
        let value = serde_json::json!({"a": [1e3, 1.0, -2.0, 1.5, 1e21, "1.0"]});
        assert_eq!(with_whole_numbers(value).to_string(), r#"{"a":[1000,1,-2,1.5,1e+21,"1.0"]}"#);
    }

    #[test]
    fn members_and_items_are_found_on_their_lines() {
        let text = "a: 1\nb:\n  - x\n  - c: { d/e: 1,\n        f: 2 }\n'g': [1,\n 2]\n";
        let wanted = ["/a", "/b", "/b/0", "/b/1", "/b/1/c/d~1e", "/b/1/c/f", "/g/1", "/missing", ""];
        let wanted = wanted.map(str::to_owned).into();
        let lines: Vec<_> = lines_of(text, &wanted).into_iter().collect();
        let expected = [
            ("", 1),
            ("/a", 1),
            ("/b", 2),
            ("/b/0", 3),
            ("/b/1", 4),
            ("/b/1/c/d~1e", 4),
            ("/b/1/c/f", 5),
            ("/g/1", 7),
        ];
        assert_eq!(lines, expected.map(|(at, line)| (at.to_owned(), line)));
        assert!(lines_of("]", &["".to_owned()].into()).is_empty());
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..10 {
            let alias = vec![format!("*a{}", n - 1); 10].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{alias}]\n"));
        }
        assert!(yaml(&text).is_err());
    }

    #[test]
    fn unknown_members_are_named_by_pointer() {
        #[derive(serde::Deserialize)]
        struct Known {
            _list: Vec<BTreeMap<String, Inner>>,
        }
        #[derive(serde::Deserialize)]
        struct Inner {}
        let (_, unknown) = json_as::<Known>(br#"{"_list":[{"a/b":{"x":1}}],"y":2}"#).unwrap();
        assert_eq!(unknown, ["/_list/0/a~1b/x", "/y"]);
    }

    #[test]
    fn numbers_and_text_keep_their_types_in_yaml() {
        let value = yaml("port: 8080\nratio: 0.5\nversion: '1.0'\non: true\nnone:\n").unwrap();
        assert_eq!(value, serde_json::json!({"port":8080,"ratio":0.5,"version":"1.0","on":true,"none":null}));
    }

    #[test]
    fn what_could_deceive_a_reader_is_made_visible() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{200b}\n"), "a\\u{1b}[31mb\\u{202e}c\\u{200b}\\u{a}");
        assert_eq!(visible("Grüße, 世界"), "Grüße, 世界");
        for hidden in [
            '\u{a0}',
            '\u{1680}',
            '\u{2003}',
            '\u{202f}',
            '\u{205f}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{85}',
            '\u{9b}',
            '\u{2066}',
            '\u{e000}',
            '\u{ffff}',
            '\u{7f}',
        ] {
            assert_eq!(visible(&hidden.to_string()), hidden.escape_unicode().to_string());
        }
        assert_eq!(
            visible("e\u{301}\u{302}\u{303}\u{304}x\u{301}"),
            "e\u{301}\u{302}\\u{303}\\u{304}x\u{301}"
        );
    }
}
