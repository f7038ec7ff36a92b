//! Finds the name that a misspelt one was meant for, and lists those that there are.

use super::visible;

/// The longest name that is compared, in bytes: comparing takes as many steps as the product of both lengths.
const MAX_NAME: usize = 100;

/// The most names that are listed.
const MAX_LISTED: usize = 20;

/// The name that a text most likely means which is none of them: with a slip, or the last part of a name with dots. None:
/// no name is near.
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_ascii_lowercase();
    let distance = |name: &&'a str| match name.rsplit_once('.') {
        Some((_, last)) if last.eq_ignore_ascii_case(text) => Some(0),
        _ => distance_of_slip(&name.to_ascii_lowercase(), &lower),
    };
    names.into_iter().filter_map(|name| Some((distance(&name)?, name))).min().map(|(_, name)| name)
}

/// The addition to a message about an unknown name, in parentheses: the nearest, and all that there are.
pub fn known<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let quoted = |name: &&str| format!("`{}`", visible(name));
    let meant = nearest(text, names.iter().copied());
    let meant = meant.map(|name| format!("did you mean {}? ", quoted(&name))).unwrap_or_default();
    let more = names.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match names.iter().take(MAX_LISTED).map(quoted).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "(there is none)".into(),
        listed => format!("({meant}there are: {listed}{more})"),
    }
}

/// Whether a text is written for another by a slip: one or two letters of a long name are other ones, too many or missing.
pub fn is_slip(name: &str, text: &str) -> bool {
    name != text && distance_of_slip(name, text).is_some()
}

fn distance_of_slip(name: &str, text: &str) -> Option<usize> {
    let most = match name.len() {
        0..3 => 0,
        3..6 => 1,
        _ => 2,
    };
    let is_comparable = name.len().max(text.len()) <= MAX_NAME && name.len().abs_diff(text.len()) <= most;
    is_comparable.then(|| distance(name, text)).filter(|distance| *distance <= most)
}

/// The fewest letters to change, add or leave out that make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, a) in one.bytes().enumerate() {
        let mut next = vec![at + 1];
        for ((b, kept), above) in other.bytes().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(at) + 1;
            next.push((kept + usize::from(a != b)).min(above + 1).min(left));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_none() {
        let names = ["host", "replicas", "storage", "ingress-class"];
        for (text, meant) in [
            ("replica", Some("replicas")),
            ("Replicas", Some("replicas")),
            ("hosts", Some("host")),
            ("ingressclass", Some("ingress-class")),
            ("hoist", Some("host")),
            ("port", None),
            ("size", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names), meant, "{text}");
        }
        assert_eq!(nearest("backup", ["io.backup.run", "io.web.backup"]), Some("io.web.backup"));
        assert_eq!(
            nearest("hast", ["haste", "host"]),
            Some("haste"),
            "of two that are as near, the first by name"
        );
        assert_eq!(nearest("abcdefgh", ["abcdefxy", "abcdefgx"]), Some("abcdefgx"), "the nearest");
    }

    #[test]
    fn a_name_that_is_none_comes_with_those_that_there_are() {
        assert_eq!(
            known("replica", ["host", "replicas"]),
            "(did you mean `replicas`? there are: `host`, `replicas`)"
        );
        assert_eq!(known("x", ["p"]), "(there are: `p`)", "letters alone are no slips of each other");
        assert_eq!(known("x", []), "(there is none)");
        assert_eq!(known("x", ["\u{1b}[2J"]), r"(there are: `\u{1b}[2J`)");
        let many: Vec<_> = (0..25).map(|n| format!("name-{n}")).collect();
        let text = known("x", many.iter().map(String::as_str));
        assert!(text.ends_with("`name-19` and 5 more)"), "{text}");
    }

    #[test]
    fn names_that_are_too_long_are_not_compared() {
        let long = "x".repeat(MAX_NAME + 1);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert!(is_slip(&"x".repeat(MAX_NAME), &"x".repeat(MAX_NAME - 1)));
    }
}
