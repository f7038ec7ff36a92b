//! A page for people: headings, rows and tables that stay within the terminal, whatever text comes into them.
//!
//! Texts are made visible here, so that no verb can forget it: nothing that comes from a bundle can move the cursor,
//! change colours, or begin a line of its own. Where a line goes on below, and wherever a text from outside stands
//! alone, a margin says so, which no text can leave out: a line without it is ours. See [`Words`].

use clap::builder::styling::{AnsiColor, Style};

use crate::document::visible;
use crate::text::CommandLine;

use super::words::{MARGIN, Words, columns, wrapped};

/// The width where it is not known.
const WIDTH: usize = 80;

/// The greatest width: longer lines are hard to read.
const MAX_WIDTH: usize = 100;

/// The least width that is assumed. In a narrower terminal nothing can be read.
const MIN_WIDTH: usize = 30;

/// The width from which on a cell is better cut than the words of others.
const LONG: usize = 32;

/// The least width of a column, in which words still can be told apart.
const MIN_COLUMN: usize = 8;

/// The meaning of a text, shown by its colour. Never the only sign of it: the words say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It could do harm.
    Caution,
    /// It can do harm.
    Danger,
    /// It is as it should be.
    Good,
    /// A heading.
    Heading,
    /// Nothing in particular.
    Plain,
    /// It hardly matters.
    Quiet,
}

impl Tone {
    /// The text in this tone's colour. Colours are taken out again where they are not wanted.
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }

    fn style(self) -> Style {
        match self {
            Self::Caution => AnsiColor::Yellow.on_default(),
            Self::Danger => AnsiColor::Red.on_default().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Heading => Style::new().bold(),
            Self::Plain => Style::new(),
            Self::Quiet => Style::new().dimmed(),
        }
    }
}

/// A page that is being written.
#[derive(Debug)]
pub struct Page {
    text: String,
    width: usize,
    is_terminal: bool,
    is_verbose: bool,
}

impl Page {
    /// An empty page, as wide as the terminal.
    pub fn new(is_verbose: bool) -> Self {
        let terminal = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let width = terminal.map_or(WIDTH, |columns| columns.clamp(MIN_WIDTH, MAX_WIDTH));
        Self { is_terminal: terminal.is_some(), ..Self::of_width(width, is_verbose) }
    }

    fn of_width(width: usize, is_verbose: bool) -> Self {
        Self { text: String::new(), width, is_terminal: true, is_verbose }
    }

    /// Whether details are wanted.
    pub fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// The text of the page.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Begins a section.
    pub fn heading(&mut self, text: impl Into<Words>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line("", Tone::Heading, text);
    }

    /// A line, or as many as it takes, behind an indent.
    pub fn line(&mut self, indent: &'static str, tone: Tone, text: impl Into<Words>) {
        let text = self.shown(text);
        self.whole(indent, tone, text);
    }

    /// A line in which a digest is what somebody wants to know, so it is never shortened.
    pub fn whole(&mut self, indent: &'static str, tone: Tone, text: impl Into<Words>) {
        for line in text.into().lines(self.width - columns(indent)) {
            self.push(&format!("{indent}{}", tone.paint(&line)));
        }
    }

    /// A line that scripts read as well: it is broken for a terminal alone.
    pub fn unwrapped(&mut self, text: impl Into<Words>) {
        if self.is_terminal {
            self.line("", Tone::Plain, text);
        } else {
            self.push(&text.into().into_text());
        }
    }

    /// A command or flags that are to be copied. They are never broken, and hold nothing that a line could be made of.
    pub fn command(&mut self, line: &CommandLine) {
        self.push(line.as_str());
    }

    /// A line of a text from outside whose white space means something. What does not fit goes on below, behind `mark`.
    pub fn verbatim(&mut self, indent: &'static str, tone: Tone, text: &str, mark: &'static str) {
        let width = self.width - columns(indent) - columns(MARGIN);
        let (mut line, mut used) = (String::new(), 0);
        for c in visible(text).chars() {
            let taken = columns(c.encode_utf8(&mut [0; 4]));
            if used + taken > width {
                self.push(&format!("{indent}{MARGIN}{}", tone.paint(&line)));
                (line, used) = (mark.to_owned(), columns(mark));
            }
            line.push(c);
            used += taken;
        }
        self.push(&format!("{indent}{MARGIN}{}", tone.paint(&line)));
    }

    /// Rows of a word in its tone and a text, the texts below each other. A word that is too long has a line of its
    /// own.
    pub fn rows<W: Into<Words>, T: Into<Words>>(&mut self, rows: impl IntoIterator<Item = (Tone, W, T)>) {
        let rows: Vec<(Tone, Words, Words)> =
            rows.into_iter().map(|(tone, word, text)| (tone, self.shown(word), self.shown(text))).collect();
        let fits = |width: &usize| *width <= self.width / 3;
        let left = rows.iter().map(|(_, word, _)| word.columns()).filter(fits).max().unwrap_or(MIN_COLUMN);
        let right = self.width - left - 4;
        for (tone, mut word, text) in rows {
            if word.columns() > left {
                self.line("  ", tone, word);
                word = "".into();
            }
            self.columns(&[word.lines(left), text.lines(right)], &[left, right], tone, "  ");
        }
    }

    /// A table of texts from outside below our own header. Where it is too wide, its widest columns are broken into
    /// lines.
    pub fn table(&mut self, header: &[&'static str], rows: &[Vec<String>]) {
        let header: Vec<Words> = header.iter().map(|text| Words::from(*text)).collect();
        let shown: Vec<Vec<Words>> =
            rows.iter().map(|row| row.iter().map(|text| self.shown(Words::mixed(text))).collect()).collect();
        // What a program reads is a line for each row, as long as it is.
        let widths = fitted(&header, &shown, if self.is_terminal { self.width } else { usize::MAX });
        for (row, tone) in
            [(&header, Tone::Heading)].into_iter().chain(shown.iter().map(|row| (row, Tone::Plain)))
        {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| cell.lines(*width)).collect();
            self.columns(&cells, &widths, tone, "");
        }
    }

    /// Cells beside each other, each a list of lines. The first has the tone.
    fn columns(&mut self, cells: &[Vec<String>], widths: &[usize], tone: Tone, indent: &str) {
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for index in 0..height {
            let mut line = String::from(indent);
            let mut gap = 0;
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                let text = cell.get(index).map_or("", String::as_str);
                line.extend(std::iter::repeat_n(' ', gap));
                line.push_str(
                    &if column == 0 || tone == Tone::Heading { tone } else { Tone::Plain }.paint(text),
                );
                gap = width.saturating_sub(columns(text)) + 2;
            }
            self.push(line.trim_end());
        }
    }

    /// The words as they stand on this page: digests whole only where details are wanted.
    fn shown(&self, text: impl Into<Words>) -> Words {
        let text = text.into();
        if self.is_verbose { text } else { text.shortened() }
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// How wide each column may be, so that the table with two spaces between its columns fits.
fn fitted(header: &[Words], rows: &[Vec<Words>], width: usize) -> Vec<usize> {
    let mut widths = vec![0; header.len()];
    for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = cell.columns().max(*widest);
        }
    }
    let gaps = 2 * widths.len().saturating_sub(1);
    let words = words_of(header, rows);
    // Long paths go on below first, then whatever has several words, and names last.
    for least in [vec![LONG; widths.len()], words, vec![MIN_COLUMN; widths.len()]] {
        while widths.iter().sum::<usize>() + gaps > width {
            let reducible = widths.iter_mut().zip(&least).filter(|(width, least)| **width > **least);
            match reducible.map(|(width, _)| width).max() {
                Some(widest) => *widest -= 1,
                None => break,
            }
        }
    }
    widths
}

/// The longest word of each column.
fn words_of(header: &[Words], rows: &[Vec<Words>]) -> Vec<usize> {
    let mut longest = vec![MIN_COLUMN; header.len()];
    for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        for (cell, longest) in row.iter().zip(&mut longest) {
            *longest = cell.longest_word().max(*longest);
        }
    }
    longest
}

/// A message for people on `width` columns, or on one line where nobody says how many there are.
pub(super) fn message(lead: &str, tone: Tone, text: &str, width: Option<usize>) -> String {
    let text = visible(text);
    let Some(width) = width else { return format!("{lead}{}", tone.paint(&text)) };
    let plain = anstream::adapter::strip_str(lead).to_string();
    // The lead is our own, so the text begins behind it; further lines begin with the margin alone.
    let (lead_width, width) = (columns(&plain), width.clamp(MIN_WIDTH, MAX_WIDTH));
    let lines = wrapped(&text, width - lead_width.min(width / 2));
    let Some((first, more)) = lines.split_first() else { return lead.into() };
    std::iter::once(format!("{lead}{}", tone.paint(first)))
        .chain(more.iter().map(|line| tone.paint(&format!("{MARGIN}{line}"))))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn nothing_is_wider_than_the_page() {
        let mut page = Page::of_width(80, false);
        let long = "x".repeat(300);
        page.heading(Words::outside(&long));
        page.line("  ", Tone::Plain, Words::mixed(format_args!("{long} {long}")));
        page.verbatim("  ", Tone::Plain, &long, "");
        page.rows([
            (Tone::Danger, Words::outside(&long), Words::mixed(&long)),
            (Tone::Plain, "a".into(), Words::outside("b c".repeat(90))),
        ]);
        page.table(&["NAME", "WHAT"], &[vec![long.clone(), long.clone()], vec!["a".into(), "b".into()]]);
        for line in plain(&page.into_text()).lines() {
            assert!(columns(line) <= 80, "{line}");
        }
    }

    #[test]
    fn a_digest_is_whole_only_where_details_are_wanted_or_it_is_what_was_asked_for() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (is_verbose, expected) in [(false, "sha256:000000000000"), (true, &*digest)] {
            let mut page = Page::of_width(100, is_verbose);
            page.heading(Words::mixed(&digest));
            page.line("", Tone::Plain, Words::mixed(&digest));
            page.rows([(Tone::Plain, "", Words::mixed(&digest))]);
            page.table(&["DIGEST"], &[vec![digest.clone()]]);
            page.whole("", Tone::Plain, Words::mixed(&digest));
            page.verbatim("", Tone::Plain, &digest, "");
            let text = plain(&page.into_text());
            let lines: Vec<_> = text.lines().map(str::trim).collect();
            let whole = format!("{MARGIN}{digest}");
            assert_eq!(lines, [expected, expected, expected, "DIGEST", expected, &*digest, &*whole]);
        }
    }

    #[test]
    fn what_goes_on_below_bears_the_mark_of_its_line() {
        let mut page = Page::of_width(30, false);
        page.verbatim("  ", Tone::Good, &format!("+  image: {}", "x".repeat(40)), "+");
        let text = plain(&page.into_text());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.starts_with("  │ +")), "{text}");
        assert_eq!(text.matches('x').count(), 40);
    }

    #[test]
    fn names_and_times_are_whole_and_long_paths_go_on_below() {
        let row =
            ["k04-aggregate", "production", "guestbook 1.0.0", "install succeeded", "2026-11-28 15:32:42"];
        let place = "dir:/a/very/long/path/to/a/directory/of/rendered/manifests";
        let row: Vec<_> = row.into_iter().chain([place]).map(str::to_owned).collect();
        let header = ["NAME", "NAMESPACE", "BUNDLE", "LAST ACTION", "TIME (UTC)", "TARGET"];
        let mut page = Page::of_width(100, false);
        page.table(&header, std::slice::from_ref(&row));
        let text = page.into_text();
        assert!(text.lines().all(|line| columns(line) <= 100), "{text}");
        for whole in ["k04-aggregate", "production", "2026-11-28", "15:32:42", "1.0.0", "succeeded"] {
            assert!(text.contains(whole), "{whole} is cut:\n{text}");
        }
        let mut piped = Page { is_terminal: false, ..Page::of_width(80, false) };
        piped.table(&header, &[row]);
        let text = piped.into_text();
        assert_eq!(text.lines().count(), 2, "a row is a line to a program:\n{text}");
        assert!(text.contains(place) && text.contains("2026-11-28 15:32:42"), "{text}");
    }

    #[test]
    fn columns_begin_below_each_other() {
        let mut page = Page::of_width(80, false);
        page.table(&["NAME", "WHAT"], &[vec!["abcdef".into(), "x".into()], vec!["世".into(), "y".into()]]);
        assert_eq!(plain(&page.into_text()), "NAME    WHAT\nabcdef  x\n世      y\n");
    }

    #[test]
    fn hostile_text_is_shown_escaped() {
        let mut page = Page::of_width(80, false);
        page.rows([(Tone::Plain, Words::mixed("a\u{1b}[2J"), Words::mixed("b\nc\u{202e}"))]);
        assert_eq!(plain(&page.into_text()), "  a\\u{1b}[2J  b\\u{a}c\\u{202e}\n");
    }

    /// Lines of the page that carnet itself seems to say, when `text` stands on it in every way that there is.
    fn lines_of_ours(text: &str, width: usize) -> Vec<String> {
        let mut page = Page::of_width(width, false);
        page.line("", Tone::Plain, Words::outside(text));
        page.line("  ", Tone::Plain, Words::mixed(format_args!("the author says {text}")));
        page.verbatim("  ", Tone::Plain, text, "+");
        page.rows([
            (Tone::Good, "required", Words::outside(text)),
            (Tone::Good, "image", Words::mixed(text)),
        ]);
        let shown = plain(&page.into_text());
        let said = message("error: ", Tone::Plain, text, Some(width));
        let all = shown.lines().chain(said.lines()).map(|line| line.trim_start().to_owned());
        all.filter(|line| !line.starts_with(MARGIN.trim_end())).collect()
    }

    #[test]
    fn no_text_begins_a_line_that_could_be_ours() {
        let spaces = " ".repeat(200);
        for gap in [&*spaces, "\u{a0}", "\n", "\u{2028}", "\r", "\u{3000}", &"x".repeat(79)] {
            for repeated in [1, 60, 77] {
                let text = format!(
                    "fine{}Who signed it{}  trusted  by you",
                    gap.repeat(repeated),
                    gap.repeat(repeated)
                );
                for width in [30, 80, 100] {
                    let ours = lines_of_ours(&text, width);
                    let starts = ["the author says", "required", "image", "error:"];
                    assert_eq!(ours.len(), starts.len(), "{ours:?}");
                    assert!(ours.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{ours:?}");
                }
            }
        }
    }
}
