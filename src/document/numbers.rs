//! Numbers as they stand: a document is refused if writing it again would change one of its numbers.
//!
//! Whole numbers of 64 bits are kept exactly. All others are kept as `f64`, which holds some seventeen digits: a longer
//! one would silently become another number, and what is shown and compared would not be what its author wrote. Whether
//! a number is kept can only be told by its text, so the text is looked through once more where a document has
//! fractions.
//!
//! Whole numbers in YAML are those of YAML 1.1, as kubectl has them: `0644` and `0o644` are octal, `0x1f` and `0b11`
//! what they say, and `1_000` is a thousand. Sixty-based ones such as `1:30` are text to both. A form that kubectl
//! takes for a number and that is read otherwise here, or that does not fit, is refused.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Number, Value};

use super::places::Places;

/// A number that would become another one, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangedNumber {
    pub(super) number: String,
    /// The line, from 1, and the member as a JSON pointer.
    pub(super) line: usize,
    pub(super) member: String,
}

/// Whether a value holds a number that is kept as `f64`.
pub(super) fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        _ => false,
    }
}

/// A number in JSON text that would be written as another one.
pub(super) fn changed_in_json(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'"' => rest = after_string(after),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(*byte);
                let (number, after) = rest.split_at(rest.iter().take_while(is_part).count());
                let text = String::from_utf8_lossy(number);
                if !is_kept(&text) {
                    return Some(text.into_owned());
                }
                rest = after;
            }
            _ => rest = after,
        }
    }
    None
}

/// A number in YAML text that would be written as another one, or that kubectl reads as another one. Text that cannot
/// be read is not looked at: it was refused before.
pub(super) fn changed_in_yaml(text: &str) -> Option<ChangedNumber> {
    find(text, |scalar, is_name| if is_name { has_other_form(scalar) } else { !is_kept_in_yaml(scalar) })
}

/// Where JSON text, which is YAML too, has this number.
pub(super) fn place_of(text: &str, number: &str) -> Option<ChangedNumber> {
    find(text, |scalar, is_name| !is_name && scalar == number)
}

/// Whether YAML text may hold a whole number in a form of YAML 1.1, so that it has to be looked through.
pub(super) fn may_have_forms(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.split(|c| !is_part(c)).any(|word| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && (word.contains('_') || word.len() > 18 || (word.len() > 1 && word.starts_with('0')))
    })
}

/// The first scalar that is no text by its form and that is wanted. The second argument says whether it is a name.
fn find(text: &str, is_wanted: impl Fn(&str, bool) -> bool) -> Option<ChangedNumber> {
    let mut places = Places::default();
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let number = match &event {
            // With the tag of a number, quotes do not make it text.
            Event::Scalar(text, ScalarStyle::Plain, _, None) => Some(text.trim()),
            Event::Scalar(text, _, _, Some(tag)) if tag.suffix() != "str" => Some(text.trim()),
            _ => None,
        };
        if let Some(number) = number.filter(|number| is_wanted(number, places.is_at_name())) {
            let (number, line) = (number.to_owned(), span.start.line());
            return Some(ChangedNumber { number, line, member: places.here() });
        }
        places.pass(&event);
    }
    None
}

/// Whether a scalar of YAML is the same to kubectl, and is written as it was read.
fn is_kept_in_yaml(text: &str) -> bool {
    match whole(text) {
        Some(fits) => fits,
        None => !is_number(&text.replace('_', "")) || (is_number(text) && is_kept(text)),
    }
}

/// Whether a name is a whole number that kubectl would write otherwise.
fn has_other_form(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    whole(text).is_some() && digits.len() > 1 && (digits.starts_with('0') || digits.contains('_'))
}

/// For a whole number in a form of YAML 1.1 that the plain forms do not have: whether it fits and is read so here.
fn whole(text: &str) -> Option<bool> {
    let (is_negative, written) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !written.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (radix, digits) = match written.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &written[2..]),
        [b'0', b'o' | b'O', ..] => (8, &written[2..]),
        [b'0', b'b' | b'B', ..] => (2, &written[2..]),
        [b'0', _, ..] => (8, &written[1..]),
        _ if written.contains('_') => (10, written),
        _ => return None,
    };
    let plain = digits.replace('_', "");
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let is_regular = !digits.contains("__") && !digits.ends_with('_');
    let fits = u64::from_str_radix(&plain, radix).is_ok_and(|n| !is_negative || n <= 1 << 63);
    Some(is_regular && fits)
}

/// The whole number that a fraction is, as far as fractions tell whole numbers apart.
pub(super) fn whole_of(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value = number.as_f64().filter(|value| number.is_f64() && value.abs() < EXACT)?;
    format!("{value:.0}").parse().ok().filter(|_| value.fract() == 0.0)
}

/// The bytes behind the end of a string.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'\\', _, after @ ..] => rest = after,
            [b'"', after @ ..] => return after,
            [_, after @ ..] => rest = after,
            [] => return rest,
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok()
}

/// Whether a number is written as it was read: it is whole and has 64 bits, or its shortest form is the same number.
/// One with a leading zero is octal to some and decimal to others.
pub(super) fn is_kept(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    is_kept_as_float(text)
}

/// Whether the nearest `f64` is written as the same number.
pub(super) fn is_kept_as_float(text: &str) -> bool {
    let written = |value: f64| Value::from(value).to_string();
    text.parse::<f64>().is_ok_and(|value| Decimal::read(text) == Decimal::read(&written(value)))
}

/// A decimal number: digits without zeros at either end, and the power of ten that they are multiplied with.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let left = all.trim_end_matches('0');
        let shift = i64::try_from(all.len() - left.len()).ok()? - i64::try_from(fraction.len()).ok()?;
        let digits = left.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, exponent: 0 });
        }
        Some(Self { is_negative, digits, exponent: exponent.checked_add(shift)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::{json, written, yaml};

    fn refusal(text: &str) -> Option<String> {
        let (json, yaml) = (json(text.as_bytes()), yaml(text));
        assert_eq!(json.is_ok(), yaml.is_ok(), "{text}: {json:?} {yaml:?}");
        json.err().map(|error| error.to_string())
    }

    #[test]
    fn a_number_that_would_become_another_one_is_refused() {
        for text in [
            "18446744073709551617",
            "-9223372036854775809",
            "0.1000000000000000000001",
            "1e-400",
            "123456789012345678901234567890",
            "9007199254740993.5",
        ] {
            let text = format!("{{\"a\":[{text}]}}");
            assert!(refusal(&text).is_some_and(|why| why.contains("would be changed")), "{text}");
        }
        for text in [
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
            "0.1",
            "1.50",
            "1e21",
            "1E+2",
            "-0.0",
            "0e0",
            "18446744073709552000",
            "5e-324",
            "1.7976931348623157e308",
        ] {
            assert_eq!(refusal(&format!("{{\"a\":[{text}]}}")), None, "{text}");
        }
    }

    #[test]
    fn text_that_looks_like_a_number_is_text() {
        let long = "3.14159265358979323846264338327950288";
        for text in [
            format!("{{\"a\": 0.5, \"b\": \"{long}\", \"c\\\"\": \"\\\"{long}\"}}"),
            format!("a: 0.5\nb: '{long}'\nc: |\n  {long}\n# {long}\n"),
        ] {
            assert!(yaml(&text).is_ok(), "{text}");
        }
        let tagged = format!("a: !!float '{long}'\n");
        assert!(yaml(&tagged).is_err_and(|error| error.to_string().contains("would be changed")));
    }

    #[test]
    fn whole_numbers_are_those_of_kubectl() {
        for (text, value) in [
            ("0644", serde_json::json!(420)),
            ("-0644", (-420).into()),
            ("0o644", 420.into()),
            ("0_644", 420.into()),
            ("+12", 12.into()),
            ("1_000", 1000.into()),
            ("-1_000", (-1000).into()),
            ("0x1F", 31.into()),
            ("0x7f_ff", 32767.into()),
            ("0b101", 5.into()),
            ("00", 0.into()),
            ("0", 0.into()),
            ("0o1777777777777777777777", u64::MAX.into()),
            ("1:30", "1:30".into()),
            ("190:20:30", "190:20:30".into()),
            ("_1", "_1".into()),
            ("0o8", "0o8".into()),
            ("1_a", "1_a".into()),
            ("'0644'", "0644".into()),
            ("!!str 0644", "0644".into()),
            ("2024-01-01", "2024-01-01".into()),
        ] {
            let read = yaml(&format!("mode: {text}\n")).map(|value| value["mode"].clone());
            assert_eq!(read.map_err(|error| error.to_string()), Ok(value), "{text}");
        }
    }

    #[test]
    fn a_number_that_kubectl_would_read_otherwise_is_refused_with_its_place() {
        for number in [
            "089",
            "-08",
            "1_",
            "1__0",
            "1_000.5",
            "1_0e3",
            "0o7777777777777777777777",
            "0x10000000000000000",
            "-0x8000000000000001",
            "18_446_744_073_709_551_616",
        ] {
            let error = yaml(&format!("a: 1\nspec:\n  list:\n  - {{m/o: x, mode: {number}}}\n"));
            let error = error.unwrap_err().to_string();
            let place = format!("line 4, `/spec/list/0/mode`: the number {number} would be changed");
            assert!(error.starts_with(&place), "{error}");
        }
        let error = yaml("&a x: 1\ndata:\n  0644: x\n").unwrap_err().to_string();
        assert!(error.starts_with("line 3, `/data`: the number 0644"), "{error}");
        let error = json(b"{\n \"a\": [0.5,\n  1e-400]}").unwrap_err().to_string();
        assert!(error.starts_with("line 3, `/a/1`: the number 1e-400"), "{error}");
    }

    /// A number of any size, with a fraction and an exponent or without.
    fn number() -> impl Strategy<Value = String> {
        let whole = prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<i128>().prop_map(|n| n.to_string()),
            (0_u32..64).prop_map(|power| 2_u64.pow(power).to_string()),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        ];
        let fraction = prop_oneof![Just(String::new()), "\\.[0-9]{1,20}"];
        let exponent = prop_oneof![Just(String::new()), "[eE][+-]?[0-9]{1,3}"];
        (whole, fraction, exponent).prop_map(|(whole, fraction, exponent)| {
            if whole.contains('e') { whole } else { format!("{whole}{fraction}{exponent}") }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_read_is_written_as_the_same_number(text in number()) {
            if let Ok(value) = json(text.as_bytes()) {
                prop_assert_eq!(Decimal::read(&written(&value)), Decimal::read(&text));
            }
        }

        #[test]
        fn numbers_that_differ_are_written_differently(one in number(), other in number()) {
            if let (Ok(a), Ok(b)) = (json(one.as_bytes()), json(other.as_bytes()))
                && Decimal::read(&one) != Decimal::read(&other)
            {
                prop_assert_ne!(written(&a), written(&b));
            }
        }

        #[test]
        fn neighbours_are_told_apart(n in any::<i64>()) {
            let next = n.checked_add(1).unwrap_or(0);
            let written_of = |n: i64| written(&json(n.to_string().as_bytes()).unwrap());
            prop_assert_ne!(written_of(n), written_of(next));
        }
    }
}
