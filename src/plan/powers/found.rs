//! Findings in bounded space: the worst are kept, the rest is counted.

use std::cmp::Reverse;

use crate::capability::severity::Severity;
use crate::text::counted;

use super::power::Power;
use super::untyped;

/// The longest sentence, in characters.
pub(super) const MAX_TEXT: usize = 600;

/// The rule of the row that counts the findings left out.
pub(super) const MORE: &str = "more";

/// Findings, no more than so many of them, the worst of all.
pub(super) struct Found {
    object: String,
    most: usize,
    pub(super) rows: Vec<Power>,
    omitted: usize,
    worst_omitted: Severity,
}

impl Found {
    pub(super) fn new(object: String, most: usize) -> Self {
        Self { object, most, rows: Vec::new(), omitted: 0, worst_omitted: Severity::Low }
    }

    pub(super) fn add(&mut self, severity: Severity, rule: &str, what: impl AsRef<str>) {
        let what = untyped::cut(what.as_ref(), MAX_TEXT);
        self.push(Power { severity, object: self.object.clone(), what, rule: rule.into(), new: false });
    }

    pub(super) fn push(&mut self, power: Power) {
        self.rows.push(power);
        if self.rows.len() >= 2 * self.most {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        self.rows.sort_by_key(|power| Reverse(power.severity));
        let least = self.rows.get(self.most).map(|power| power.severity);
        self.worst_omitted = least.map_or(self.worst_omitted, |least| least.max(self.worst_omitted));
        self.omitted += self.rows.len().saturating_sub(self.most);
        self.rows.truncate(self.most);
    }

    /// The findings, the worst first, and how many there are besides.
    pub(super) fn finished(mut self) -> Self {
        self.shorten();
        if self.omitted > 0 {
            let (severity, omitted) = (self.worst_omitted, self.omitted);
            let what = format!("can do {}, up to the severity {severity}", counted(omitted, "more thing"));
            let (object, rule) = (self.object.clone(), MORE.to_owned());
            self.rows.push(Power { severity, object, what, rule, new: false });
        }
        self
    }
}
