//! Progress of waiting as text: a view for a terminal, or now and then a line.

use std::time::{Duration, Instant};

use crate::cli::ui::wrapped;
use crate::document::visible;
use crate::host::progress::Unready;
use crate::text::counted;

/// How many objects a view shows.
const MAX_SHOWN: usize = 8;

/// The columns that the spinner and the time take up.
const BEFORE: usize = 8;

/// The shortest time between two lines where there is no terminal: a log is not a screen.
const BETWEEN: Duration = Duration::from_secs(5);

/// All that is not ready, and why, in no more than a terminal's rows and columns.
pub(super) fn view(objects: &[Unready], (rows, columns): (u16, u16)) -> String {
    let (rows, columns) = (usize::from(rows), usize::from(columns));
    let width = columns.saturating_sub(BEFORE);
    let mut lines = fitting("", &format!("Waiting for {}", counted(objects.len(), "object")), width);
    for row in objects.iter().take(MAX_SHOWN) {
        lines.extend(fitting("  ", &format!("{}: {}", row.object, row.why), width));
        for reason in news(row) {
            lines.extend(fitting("      ", reason, width));
        }
    }
    if objects.len() > MAX_SHOWN {
        lines.extend(fitting("  ", &format!("and {} more", objects.len() - MAX_SHOWN), width));
    }
    lines.truncate(rows.saturating_sub(1).max(1));
    lines.join("\n")
}

/// The reasons that say something which is not said already.
fn news(row: &Unready) -> impl Iterator<Item = &str> {
    let is_new =
        |(at, reason): &(usize, &String)| **reason != row.why && !row.reasons[..*at].contains(reason);
    row.reasons.iter().enumerate().filter(is_new).map(|(_, reason)| reason.as_str())
}

/// A text on one line or two, behind an indent: what does not fit on the second one is left out.
fn fitting(indent: &str, text: &str, width: usize) -> Vec<String> {
    let within = width.saturating_sub(indent.len());
    let cut = |text: &str, width| console::truncate_str(text, width, "…").into_owned();
    let lines = wrapped(&visible(text), within);
    let (first, rest) = lines.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let mut shown = vec![format!("{indent}{}", cut(first, within))];
    if !rest.is_empty() {
        shown.push(format!("{indent}  {}", cut(&rest.join(" "), within.saturating_sub(2))));
    }
    shown.iter().map(|line| cut(line, width)).collect()
}

/// The last line that was written where there is no terminal.
#[derive(Default)]
pub(super) struct Said {
    line: String,
    at: Option<Instant>,
}

impl Said {
    /// The line to say now, if there is anything new and the last one was long enough ago.
    pub(super) fn next(&mut self, objects: &[Unready], now: Instant) -> Option<String> {
        let is_early = self.at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN);
        let line = line(objects)?;
        if is_early || line == self.line {
            return None;
        }
        *self = Self { line: line.clone(), at: Some(now) };
        Some(line)
    }
}

/// The first object with the first reason, and how many there are besides.
fn line(objects: &[Unready]) -> Option<String> {
    let first = objects.first()?;
    let more = match objects.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = news(first).next().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!("Waiting for {}{more}: {}{reason}.", first.object, first.why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::ObjectRef;

    fn unready(name: &str, why: &str, reasons: &[&str]) -> Unready {
        let object = ObjectRef::new("apps/v1", "Deployment", Some("prod"), name);
        let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
        Unready { object, why: why.into(), failed: false, reasons }
    }

    #[test]
    fn a_view_shows_each_object_with_what_hinders_it() {
        let objects = [
            unready("web", "0 of 1 available", &["pod web-1: no node"]),
            unready("api", "1 of 2 ready", &[]),
        ];
        let expected = "Waiting for 2 objects\n  apps/Deployment prod/web: 0 of 1 available\n      pod web-1: no node\n  apps/Deployment prod/api: 1 of 2 ready";
        assert_eq!(view(&objects, (24, 80)), expected);
    }

    #[test]
    fn a_long_reason_is_broken_once_and_said_once() {
        let long = "the image registry.example/web was not found, and neither was another one of that name";
        let objects = [unready("web", "no pod", &["no pod", long, long])];
        let expected = "Waiting for 1 object\n  apps/Deployment prod/web: no pod\n      \
                        the image registry.example/web was not\n        found, and neither was another one of…";
        let text = view(&objects, (24, 54));
        assert_eq!(text, expected);
        let mut said = Said::default();
        let line = said
            .next(&[unready("web", "no pod", &["no pod", "pod web-1: no node"])], crate::host::wait::now());
        assert_eq!(
            line.as_deref(),
            Some("Waiting for apps/Deployment prod/web: no pod (pod web-1: no node).")
        );
    }

    #[test]
    fn a_view_never_outgrows_its_terminal() {
        let many: Vec<_> = (0..20).map(|_| unready("web", &"x".repeat(200), &["y", "z"])).collect();
        let text = view(&many, (10, 40));
        assert_eq!(text.lines().count(), 9);
        assert!(text.lines().all(|line| console::measure_text_width(line) <= 32), "{text}");
        assert!(view(&many, (100, 100)).ends_with("and 12 more"));
    }

    #[test]
    fn without_a_terminal_only_news_are_said_and_not_all_the_time() {
        let (mut said, start) = (Said::default(), crate::host::wait::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        let line = said.next(&[unready("web", "a", &["b"])], start);
        assert_eq!(line.as_deref(), Some("Waiting for apps/Deployment prod/web: a (b)."));
        assert_eq!(said.next(&[unready("web", "c", &[])], later(1)), None);
        assert_eq!(said.next(&[unready("web", "a", &["b"])], later(6)), None);
        let line = said.next(&[unready("web", "c", &[]), unready("api", "c", &[])], later(7));
        assert_eq!(line.as_deref(), Some("Waiting for apps/Deployment prod/web and 1 more: c."));
    }
}
