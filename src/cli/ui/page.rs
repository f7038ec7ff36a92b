//! A page for people: headings, rows and tables that stay within the terminal, whatever text comes into them.
//!
//! Texts are made visible here, so that no verb can forget it: nothing that comes from a bundle can move the cursor,
//! change colours, or begin a line of its own.

use clap::builder::styling::{AnsiColor, Style};

use crate::document::visible;

/// The width where it is not known, and the least that is ever assumed.
const WIDTH: usize = 80;

/// The greatest width: longer lines are hard to read.
const MAX_WIDTH: usize = 100;

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
    is_verbose: bool,
}

impl Page {
    /// An empty page, as wide as the terminal.
    pub fn new(is_verbose: bool) -> Self {
        let terminal = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        Self::of_width(terminal.map_or(WIDTH, |columns| columns.clamp(WIDTH, MAX_WIDTH)), is_verbose)
    }

    fn of_width(width: usize, is_verbose: bool) -> Self {
        Self { text: String::new(), width, is_verbose }
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
    pub fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line("", Tone::Heading, text);
    }

    /// A line, or as many as it takes, behind an indent.
    pub fn line(&mut self, indent: &str, tone: Tone, text: &str) {
        for line in wrapped(&visible(text), self.width - columns(indent)) {
            self.push(&format!("{indent}{}", tone.paint(&line)));
        }
    }

    /// A line that scripts read as well: it is never broken.
    pub fn unwrapped(&mut self, text: &str) {
        self.push(&visible(text));
    }

    /// A line whose white space means something. What does not fit goes on below.
    pub fn verbatim(&mut self, indent: &str, tone: Tone, text: &str) {
        let text: Vec<char> = visible(text).chars().collect();
        for line in text.chunks(self.width - columns(indent)) {
            self.push(&format!("{indent}{}", tone.paint(&line.iter().collect::<String>())));
        }
    }

    /// Rows of a word in its tone and a text, the texts below each other. A word that is too long has a line of its
    /// own.
    pub fn rows<W: AsRef<str>, T: AsRef<str>>(&mut self, rows: &[(Tone, W, T)]) {
        let words: Vec<_> = rows.iter().map(|(_, word, _)| visible(word.as_ref())).collect();
        let fits = |width: &usize| *width <= self.width / 3;
        let left = words.iter().map(|word| columns(word)).filter(fits).max().unwrap_or(MIN_COLUMN);
        let right = self.width - left - 4;
        for ((tone, _, text), word) in rows.iter().zip(&words) {
            let mut word = word.as_str();
            if columns(word) > left {
                self.line("  ", *tone, word);
                word = "";
            }
            let cells = [wrapped(word, left), wrapped(&visible(text.as_ref()), right)];
            self.columns(&cells, &[left, right], *tone, "  ");
        }
    }

    /// A table. Where it is too wide, its widest columns are broken into lines.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let header = header.iter().map(|text| (*text).to_owned()).collect();
        let shown: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
        let widths = fitted(&header, &shown, self.width);
        for (row, tone) in
            [(&header, Tone::Heading)].into_iter().chain(shown.iter().map(|row| (row, Tone::Plain)))
        {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| wrapped(cell, *width)).collect();
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

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// How wide each column may be, so that the table with two spaces between its columns fits.
fn fitted(header: &Vec<String>, rows: &[Vec<String>], width: usize) -> Vec<usize> {
    let mut widths = vec![0; header.len()];
    for row in std::iter::once(header).chain(rows) {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = columns(cell).max(*widest);
        }
    }
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        match widths.iter_mut().max() {
            Some(widest) if *widest > MIN_COLUMN => *widest -= 1,
            _ => break,
        }
    }
    widths
}

/// The columns that a text takes on a terminal.
fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` in lines of at most `width` columns, broken between words; a word that is too long is broken inside. At least
/// one line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut used, width) = (0, width.max(1));
    for word in text.split(' ') {
        if used > 0 && used + 1 + columns(word) > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            used += 1;
            push(&mut lines, " ");
        }
        for c in word.chars() {
            let taken = columns(c.encode_utf8(&mut [0; 4]));
            if used + taken > width {
                lines.push(String::new());
                used = 0;
            }
            used += taken;
            push(&mut lines, c.encode_utf8(&mut [0; 4]));
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrapped("世界世界", 5), ["世界", "世界"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn nothing_is_wider_than_the_page() {
        let mut page = Page::of_width(80, false);
        let long = "x".repeat(300);
        page.heading(&long);
        page.line("  ", Tone::Plain, &format!("{long} {long}"));
        page.rows(&[(Tone::Danger, &long, &long), (Tone::Plain, &"a".into(), &"b c".repeat(90))]);
        page.table(&["NAME", "WHAT"], &[vec![long.clone(), long.clone()], vec!["a".into(), "b".into()]]);
        for line in plain(&page.into_text()).lines() {
            assert!(columns(line) <= 80, "{line}");
        }
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
        page.rows(&[(Tone::Plain, "a\u{1b}[2J", "b\nc\u{202e}")]);
        assert_eq!(plain(&page.into_text()), "  a\\u{1b}[2J  b\\u{a}c\\u{202e}\n");
    }
}
