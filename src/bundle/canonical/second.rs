//! RFC 8785 written once more from its rules, without anything that the program uses for it, and compared with that.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::canonical;

/// Section 3.2: no white space, names by their UTF-16 code units.
fn second(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => number(value.as_f64().unwrap()),
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(second).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort_by_key(|name| name.encode_utf16().collect::<Vec<_>>());
            let member = |name: &String| format!("{}:{}", string(name), second(&members[name]));
            format!("{{{}}}", names.into_iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

/// Section 3.2.2.2.
fn string(text: &str) -> String {
    let mut written = String::from('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\u{8}' => written.push_str("\\b"),
            '\t' => written.push_str("\\t"),
            '\n' => written.push_str("\\n"),
            '\u{c}' => written.push_str("\\f"),
            '\r' => written.push_str("\\r"),
            c if c < ' ' => write!(written, "\\u{:04x}", u32::from(c)).unwrap(),
            c => written.push(c),
        }
    }
    written + "\""
}

/// ECMA-262, `Number::toString`: the shortest digits that mean the number, and where its point is.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let shortest = format!("{:e}", value.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap();
    let digits = digits.replace('.', "");
    let point = exponent.parse::<i32>().unwrap() + 1;
    let length = i32::try_from(digits.len()).unwrap();
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap());
    let written = if (length..=21).contains(&point) {
        digits.clone() + &zeros(point - length)
    } else if (1..=21).contains(&point) {
        let (whole, rest) = digits.split_at(usize::try_from(point).unwrap());
        format!("{whole}.{rest}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { String::new() } else { format!(".{rest}") };
        format!("{first}{rest}e{:+}", point - 1)
    };
    format!("{sign}{written}")
}

#[test]
fn the_second_one_follows_the_examples_of_the_rfc() {
    // Appendix B, by their bits.
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    ] {
        let value = f64::from_bits(bits);
        assert_eq!(number(value), expected);
        assert_eq!(canonical(&json!(value)).unwrap(), expected.as_bytes());
    }
    let text = "\u{20ac}$\u{f}\nA'\u{42}\"\\\"/";
    assert_eq!(second(&json!(text)), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\"");
}

fn value() -> impl Strategy<Value = Value> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    let whole = -9_007_199_254_740_992_i64..=9_007_199_254_740_992;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        whole.prop_map(Value::from),
        (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let members = proptest::collection::vec((any::<String>(), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::from),
            members.prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn both_give_the_same_bytes(value in value()) {
        let first = String::from_utf8(canonical(&value).unwrap()).unwrap();
        prop_assert_eq!(&first, &second(&value));
        let again: Value = serde_json::from_str(&first).unwrap();
        prop_assert_eq!(String::from_utf8(canonical(&again).unwrap()).unwrap(), first);
    }
}
