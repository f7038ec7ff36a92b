//! Writes changes into a source file, each behind its switch: `if crate::mutation::on(17) { a != b } else { a == b }`.
//!
//! An operand stands in the outcome once, however many changes there are to its operator, so that what is woven grows with
//! the number of changes and not with their nesting.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprStruct, ExprUnary, Member};

use crate::change::{Change, Genre, Place};

/// A file with its changes, and the numbers of those that could be written into it.
pub struct Woven {
    pub source: String,
    pub numbers: BTreeSet<usize>,
}

/// Weaves numbered changes of one file.
pub fn weave(source: &str, changes: &[(usize, &Change)]) -> syn::Result<Woven> {
    let syntax = syn::parse_file(source)?;
    let lines = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut weaver = Weaver { lines, source, changes, edits: Vec::new(), numbers: BTreeSet::new() };
    weaver.bodies();
    weaver.visit_file(&syntax);
    // Outer edits come before those inside of them, and what is only inserted before what begins there.
    weaver.edits.sort_by_key(|edit| (edit.start, edit.start != edit.end, usize::MAX - edit.end));
    Ok(Woven { source: weaver.rendered(0, source.len(), 0), numbers: weaver.numbers })
}

/// The numbers of the innermost change around a byte of a woven file.
pub fn changes_at(woven: &str, byte: usize) -> Vec<usize> {
    let mut around = Vec::new();
    for (at, _) in woven.match_indices("/*").take_while(|(at, _)| *at <= byte) {
        let mark = woven[at + 2..].split("*/").next().unwrap_or_default();
        match (mark.strip_prefix('<'), mark.strip_suffix('>')) {
            (Some(numbers), _) => around.push(numbers),
            (_, Some(_)) => drop(around.pop()),
            _ => {}
        }
    }
    let numbers = around.last().map(|numbers| numbers.split(',').filter_map(|number| number.parse().ok()));
    numbers.into_iter().flatten().collect()
}

enum Part {
    Text(String),
    Source(usize, usize),
}

/// A part of the source, and what stands in its place.
struct Edit {
    start: usize,
    end: usize,
    parts: Vec<Part>,
}

struct Weaver<'a> {
    /// Where the lines begin.
    lines: Vec<usize>,
    source: &'a str,
    changes: &'a [(usize, &'a Change)],
    edits: Vec<Edit>,
    numbers: BTreeSet<usize>,
}

impl Weaver<'_> {
    fn offset(&self, at: Place) -> usize {
        let start = self.lines[at.line - 1];
        let line = &self.source[start..];
        start + line.char_indices().nth(at.column - 1).map_or(line.len(), |(index, _)| index)
    }

    fn range(&self, node: &impl Spanned) -> (usize, usize) {
        let span = node.span();
        (self.offset(place(span.start())), self.offset(place(span.end())))
    }

    fn part(&self, node: &impl Spanned) -> Part {
        let (start, end) = self.range(node);
        Part::Source(start, end)
    }

    /// The changes of one genre that begin where this does.
    fn changes_of(&self, genre: Genre, node: &impl Spanned) -> Vec<(usize, String)> {
        let start = place(node.span().start());
        let found =
            self.changes.iter().filter(|(_, change)| change.genre == genre && change.span.start == start);
        found.map(|(number, change)| (*number, change.replacement.clone())).collect()
    }

    fn edit(&mut self, (start, end): (usize, usize), numbers: &[usize], parts: Vec<Part>) {
        self.numbers.extend(numbers);
        self.edits.push(Edit { start, end, parts: marked(numbers, parts) });
    }

    /// Functions that return another value at once.
    fn bodies(&mut self) {
        let mut inserted: BTreeMap<usize, Vec<Part>> = BTreeMap::new();
        for (number, change) in self.changes.iter().filter(|(_, change)| change.genre == Genre::FnValue) {
            let returns = change.function.as_ref().map_or("", |function| &function.return_type);
            let (start, end) = (self.offset(change.span.start), self.offset(change.span.end));
            if !returns.contains("impl ") {
                let code = text(format!("if {} {{ return {}; }}", on(*number), change.replacement));
                inserted.entry(start).or_default().extend(marked(&[*number], vec![code]));
                self.numbers.insert(*number);
            } else if returns.starts_with("-> impl Iterator") && change.replacement == "::std::iter::empty()"
            {
                // Both values have one type.
                let head = text(format!("(if {} {{ None }} else {{ Some({{ ", on(*number)));
                let parts = vec![head, Part::Source(start, end), text(" }) }).into_iter().flatten()")];
                self.edits.push(Edit { start, end, parts: marked(&[*number], parts) });
                self.numbers.insert(*number);
            }
        }
        self.edits.extend(inserted.into_iter().map(|(at, parts)| Edit { start: at, end: at, parts }));
    }

    /// One of several operations on the same operands, which are named `l` and `r`.
    fn chosen(&self, binary: &ExprBinary, changes: &[(usize, String)], by: &str) -> Vec<Part> {
        let (left, right) = (self.part(&binary.left), self.part(&binary.right));
        let names =
            [text(format!("(match ({by}(")), left, text(format!("), {by}(")), right, text(")) { (l, r) => ")];
        let read = if by == "&" { "*" } else { "" };
        let mut parts = Vec::from(names);
        for (number, operator) in changes {
            parts.push(text(format!("if {} {{ ", on(*number))));
            parts.extend(marked(&[*number], vec![text(format!("{read}l {operator} {read}r"))]));
            parts.push(text(" } else "));
        }
        parts.push(text(format!("{{ {read}l {} {read}r }} }})", self.operator(binary))));
        parts
    }

    /// One of several assignments. Their left side is a place, and cannot be named.
    fn assigned(&self, binary: &ExprBinary, changes: &[(usize, String)]) -> Vec<Part> {
        let assignment = |operator: &str| {
            let (left, right) = (self.part(&binary.left), self.part(&binary.right));
            [text("{ "), left, text(format!(" {operator} ")), right, text("; }")]
        };
        let mut parts = vec![text("{ ")];
        for (number, operator) in changes {
            parts.push(text(format!("if {} ", on(*number))));
            parts.extend(marked(&[*number], Vec::from(assignment(operator))));
            parts.push(text(" else "));
        }
        parts.extend(assignment(self.operator(binary)));
        parts.push(text(" }"));
        parts
    }

    fn operator(&self, binary: &ExprBinary) -> &str {
        let (start, end) = self.range(&binary.op);
        &self.source[start..end]
    }

    /// The source between two places, with the edits from number `first` on.
    fn rendered(&self, start: usize, end: usize, first: usize) -> String {
        let (mut out, mut at) = (String::new(), start);
        for (index, edit) in self.edits.iter().enumerate().skip(first) {
            if edit.start > end {
                break;
            }
            if edit.start < at || edit.end > end {
                continue;
            }
            out.push_str(&self.source[at..edit.start]);
            for part in &edit.parts {
                match part {
                    Part::Text(text) => out.push_str(text),
                    Part::Source(from, to) => out.push_str(&self.rendered(*from, *to, index + 1)),
                }
            }
            at = edit.end;
        }
        out.push_str(&self.source[at..end]);
        out
    }
}

impl<'ast> Visit<'ast> for Weaver<'_> {
    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        use BinOp::{And, Eq, Ge, Gt, Le, Lt, Ne, Or};
        let changes = self.changes_of(Genre::BinaryOperator, &binary.op);
        let parts = match binary.op {
            _ if changes.is_empty() => None,
            And(_) | Or(_) if has_let(&binary.left) || has_let(&binary.right) => None,
            And(_) | Or(_) => {
                let right = self.part(&binary.right);
                let (yes, no) =
                    if matches!(binary.op, And(_)) { (right, text("l")) } else { (text("l"), right) };
                let head = format!(") {{ l => if l ^ {} {{ ", on(changes[0].0));
                let left = self.part(&binary.left);
                Some(vec![text("(match ("), left, text(head), yes, text(" } else { "), no, text(" } })")])
            }
            Eq(_) | Ne(_) | Lt(_) | Le(_) | Gt(_) | Ge(_) => Some(self.chosen(binary, &changes, "&")),
            _ if self.operator(binary).ends_with('=') => Some(self.assigned(binary, &changes)),
            _ => Some(self.chosen(binary, &changes, "")),
        };
        if let Some(parts) = parts {
            let numbers: Vec<_> = changes.iter().map(|(number, _)| *number).collect();
            self.edit(self.range(binary), &numbers, parts);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        if let Some((number, _)) = self.changes_of(Genre::UnaryOperator, &unary.op).first() {
            let (start, end) = self.range(&unary.op);
            let operator = &self.source[start..end];
            let tail = format!(") {{ x => if {} {{ x }} else {{ {operator}x }} }})", on(*number));
            let parts = vec![text("(match ("), self.part(&unary.expr), text(tail)];
            self.edit(self.range(unary), &[*number], parts);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let deleted = self.changes_of(Genre::MatchArm, arm);
        let kept: String = deleted.iter().map(|(number, _)| format!("!{} && ", on(*number))).collect();
        let mut numbers: Vec<_> = deleted.iter().map(|(number, _)| *number).collect();
        match &arm.guard {
            Some((_, guard)) if !has_let(guard) => {
                let changes = self.changes_of(Genre::MatchArmGuard, guard);
                numbers.extend(changes.iter().map(|(number, _)| *number));
                let of = |value: &str, code: fn(usize) -> String| {
                    let found = changes.iter().filter(move |(_, replacement)| replacement == value);
                    found.map(|(number, _)| code(*number)).collect::<String>()
                };
                let is_true = of("true", |number| format!("{} || ", on(number)));
                let is_not_false = of("false", |number| format!("!{} && ", on(number)));
                let head = format!("({kept}({is_true}({is_not_false}(");
                if !numbers.is_empty() {
                    let parts = vec![text(head), self.part(guard.as_ref()), text("))))")];
                    self.edit(self.range(guard.as_ref()), &numbers, parts);
                }
            }
            None if !numbers.is_empty() => {
                let (_, end) = self.range(&arm.pat);
                self.edit((end, end), &numbers, vec![text(format!(" if {kept}true"))]);
            }
            _ => {}
        }
        visit::visit_arm(self, arm);
    }

    /// A member that is left to the value which the others come from.
    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        for field in &made.fields {
            let changes = self.changes_of(Genre::StructField, field);
            let (Some((number, _)), Some(rest), Member::Named(name)) =
                (changes.first(), &made.rest, &field.member)
            else {
                continue;
            };
            let (start, end) = self.range(rest.as_ref());
            let other = &self.source[start..end];
            let head = format!("{name}: if {} {{ ({other}).{name} }} else {{ ", on(*number));
            let parts = vec![text(head), self.part(&field.expr), text(" }")];
            self.edit(self.range(field), &[*number], parts);
        }
        visit::visit_expr_struct(self, made);
    }
}

fn place(at: LineColumn) -> Place {
    Place { line: at.line, column: at.column + 1 }
}

fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

fn on(number: usize) -> String {
    format!("crate::mutation::on({number})")
}

/// Code between marks, by which an error of the compiler finds the change.
fn marked(numbers: &[usize], parts: Vec<Part>) -> Vec<Part> {
    let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let (begin, end) = (text(format!("/*<{list}*/")), text(format!("/*{list}>*/")));
    [begin].into_iter().chain(parts).chain([end]).collect()
}

/// Whether it binds names, which only a chain of `&&` can.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(genre: &str, (line, column): (usize, usize), replacement: &str) -> Change {
        serde_json::from_value(serde_json::json!({
            "file": "src/a.rs",
            "function": null,
            "genre": genre,
            "name": "src/a.rs:1:1: something",
            "replacement": replacement,
            "span": { "start": { "line": line, "column": column }, "end": { "line": line, "column": column } },
        }))
        .unwrap()
    }

    fn woven(source: &str, changes: &[Change]) -> String {
        let changes: Vec<_> = changes.iter().enumerate().map(|(at, change)| (at + 1, change)).collect();
        let woven = weave(source, &changes).unwrap().source;
        let mut plain = woven.replace("crate::mutation::on", "on");
        while let Some(start) = plain.find("/*") {
            let end = start + plain[start..].find("*/").unwrap();
            plain.replace_range(start..end + 2, "");
        }
        plain
    }

    #[test]
    fn each_change_stands_behind_its_switch_beside_what_was_there() {
        let cases = [
            (
                "fn f() { a == b }",
                change("BinaryOperator", (1, 12), "!="),
                "fn f() { (match (&(a), &(b)) { (l, r) => if on(1) { *l != *r } else { *l == *r } }) }",
            ),
            (
                "fn f() { a && b }",
                change("BinaryOperator", (1, 12), "||"),
                "fn f() { (match (a) { l => if l ^ on(1) { b } else { l } }) }",
            ),
            (
                "fn f() { a || b }",
                change("BinaryOperator", (1, 12), "&&"),
                "fn f() { (match (a) { l => if l ^ on(1) { l } else { b } }) }",
            ),
            (
                "fn f() { a += 1; }",
                change("BinaryOperator", (1, 12), "-="),
                "fn f() { { if on(1) { a -= 1; } else { a += 1; } }; }",
            ),
            (
                "fn f() { !a }",
                change("UnaryOperator", (1, 10), ""),
                "fn f() { (match (a) { x => if on(1) { x } else { !x } }) }",
            ),
            ("fn f() { 1 }", change("FnValue", (1, 10), "0"), "fn f() { if on(1) { return 0; }1 }"),
            (
                "fn f() { match a { 1 => b, _ => c } }",
                change("MatchArm", (1, 20), ""),
                "fn f() { match a { 1 if !on(1) && true => b, _ => c } }",
            ),
            (
                "fn f() { match a { 1 if d => b, _ => c } }",
                change("MatchArmGuard", (1, 25), "true"),
                "fn f() { match a { 1 if ((on(1) || ((d)))) => b, _ => c } }",
            ),
            (
                "fn f() { S { a: 1, ..s } }",
                change("StructField", (1, 14), ""),
                "fn f() { S { a: if on(1) { (s).a } else { 1 }, ..s } }",
            ),
        ];
        for (source, change, outcome) in cases {
            assert_eq!(woven(source, &[change]), outcome);
        }
    }

    #[test]
    fn nested_changes_are_woven_into_the_operands_once() {
        let changes = [change("BinaryOperator", (1, 12), "||"), change("UnaryOperator", (1, 15), "")];
        assert_eq!(
            woven("fn f() { a && !b }", &changes),
            "fn f() { (match (a) { l => if l ^ on(1) { (match (b) { x => if on(2) { x } else { !x } }) } else { l } }) }"
        );
    }

    #[test]
    fn what_binds_names_is_left_alone() {
        let change = change("BinaryOperator", (1, 15), "||");
        let source = "fn f() { if a && let Some(b) = c { d } }";
        let woven = weave(source, &[(1, &change)]).unwrap();
        assert_eq!((woven.source.as_str(), woven.numbers.len()), (source, 0));
    }

    #[test]
    fn a_fault_belongs_to_the_innermost_change_around_it() {
        let woven = "a /*<1*/ b /*<2,3*/ c /*2,3>*/ d /*1>*/ e";
        let at = |text: &str| changes_at(woven, woven.find(text).unwrap());
        assert_eq!(
            [at("a "), at("b "), at("c "), at("d "), at(" e")],
            [vec![], vec![1], vec![2, 3], vec![1], vec![]]
        );
    }
}
