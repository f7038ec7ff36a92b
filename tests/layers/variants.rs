//! The variants of enums of errors, which stand in alphabetical order.

use super::source::Source;

/// Enums of errors with a variant that stands behind one that it comes before, each with that variant.
pub(crate) fn out_of_order(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    for derived in source.code.split("#[derive(").skip(1) {
        let Some((traits, item)) = derived.split_once(")]") else { continue };
        let is_error = traits.split(',').any(|name| name.trim().ends_with("Error"));
        if let Some((name, variants)) = variants(item).filter(|_| is_error) {
            let late = variants.windows(2).filter(|pair| pair[0] > pair[1]);
            wrong.extend(late.map(|pair| format!("{}: {name}::{}", source.path, pair[1])));
        }
    }
    wrong
}

/// The name and the variants of an enum, if an enum comes first.
fn variants(item: &str) -> Option<(&str, Vec<String>)> {
    let (head, body) = item.split_once('{')?;
    let name = head.rsplit_once("enum ")?.1.split(|c: char| !c.is_alphanumeric()).next()?;
    if head.contains("struct ") {
        return None;
    }
    let (mut variants, mut depth, mut is_next, mut rest) = (Vec::new(), 0, true, body);
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '"' => length += after_text(&rest[1..]),
            '(' | '[' | '{' => depth += 1,
            '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => is_next = true,
            _ if depth == 0 && is_next && c.is_alphabetic() => {
                length = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                variants.push(rest[..length].to_owned());
                is_next = false;
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    Some((name, variants))
}

/// How long a text is, with the quotation mark at its end.
fn after_text(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}
