//! The approver at the terminal: is shown decisions and plan, is asked for confirmation, observes the run, and may stop
//! it.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::inputs::prompt::{self, Typed};
use crate::cli::ui::{Page, Tone, Ui, Words, mixed};
use crate::host::progress::{LogEntry, LogLevel, Observer, RunEvent, Unready};
use crate::host::wait::now;
use crate::install::{Answer, Approver, Cancellation, Decision};
use crate::plan::Plan;
use crate::sync::Mutex;
use crate::verify::TrustDecision;

use super::outcome::{Show, plan_page};
use super::{signals, waiting};

/// The console of the operator.
pub(in crate::cli) struct Console {
    ui: Ui,
    spinner: Mutex<Option<ProgressBar>>,
    said: Mutex<waiting::Said>,
    cancellation: Cancellation,
    told_no: AtomicBool,
    stopped: AtomicBool,
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Reply {
    /// Somebody said something else than yes.
    No,
    /// Somebody pressed Ctrl-C.
    Stopped,
    /// There is no terminal to ask on.
    Unasked,
    /// Somebody said yes.
    Yes,
}

impl Console {
    /// One who sees what this shows.
    pub(in crate::cli) fn new(ui: Ui) -> Self {
        Self {
            ui,
            spinner: Mutex::default(),
            said: Mutex::default(),
            cancellation: Cancellation::new(),
            told_no: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// Stops the run. Until it is confirmed nothing is written, and a signal ends the program.
    pub(in crate::cli) fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// Whether a person saw the plan and did not say yes.
    pub(in crate::cli) fn was_told_no(&self) -> bool {
        self.told_no.load(Ordering::Relaxed)
    }

    /// Whether a person saw the plan and pressed Ctrl-C.
    pub(in crate::cli) fn was_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Nothing is waited for any more.
    pub(in crate::cli) fn done(&self) {
        if let Some(spinner) = self.spinner.lock().take() {
            spinner.finish_and_clear();
        }
    }

    fn show(&self, plan: &Plan, decision: &Decision) {
        if !self.ui.is_for_people() {
            return;
        }
        let mut page = Page::new(self.ui.is_verbose());
        decision_page(&mut page, plan, decision);
        plan_page(&mut page, plan, Show::by_default(self.ui.is_verbose()));
        // Whoever closed the pipe has seen enough; the change itself goes on.
        drop(self.ui.page(page));
    }
}

/// Asks a question on the terminal. What was typed before the question is not an answer to it.
pub(in crate::cli) fn ask(question: &str) -> Reply {
    if !console::Term::stderr().is_term() || !std::io::stdin().is_terminal() {
        return Reply::Unasked;
    }
    match prompt::line(&format!("\n{question} [y/N] "), false) {
        Typed::Line(answer) if is_yes(&answer) => Reply::Yes,
        Typed::Line(_) => Reply::No,
        Typed::Stopped => Reply::Stopped,
        Typed::Unreadable => Reply::Unasked,
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

/// Asks a person about the plan, in a thread of its own: reading from a terminal has no end.
async fn ask_about_the_plan() -> Reply {
    tokio::task::spawn_blocking(|| ask("Carry out this plan?")).await.unwrap_or(Reply::Unasked)
}

impl Approver for Console {
    fn confirm<'a>(&'a self, plan: &'a Plan, decision: &'a Decision) -> Answer<'a> {
        Box::pin(async {
            for warning in &decision.warnings {
                self.ui.warning(warning);
            }
            let is_settled = plan.is_empty() || decision.confirmed;
            if !is_settled || !self.ui.is_quiet() {
                self.show(plan, decision);
            }
            let reply = if is_settled { Reply::Yes } else { ask_about_the_plan().await };
            self.told_no.store(reply == Reply::No, Ordering::Relaxed);
            self.stopped.store(reply == Reply::Stopped, Ordering::Relaxed);
            let is_confirmed = reply == Reply::Yes;
            if is_confirmed {
                signals::listen(&self.cancellation);
            }
            is_confirmed
        })
    }
}

impl Observer for Console {
    fn waiting(&self, objects: &[Unready]) {
        if objects.is_empty() {
            return self.done();
        }
        let terminal = console::Term::stderr();
        if terminal.is_term() {
            let mut spinner = self.spinner.lock();
            let text = waiting::view(objects, terminal.size());
            return spinner.get_or_insert_with(spinner_on_stderr).set_message(text);
        }
        let mut said = self.said.lock();
        if let Some(line) = said.next(objects, now()) {
            self.ui.status(line);
        }
    }

    fn noted(&self, event: &RunEvent) {
        let text = match event {
            RunEvent::IdentityLeft { identity, why } => {
                format!("{identity} was not removed ({why}): the next run does it, or `carnet doctor --fix`.")
            }
            event => event.to_string(),
        };
        self.ui.status(text);
    }

    fn logged(&self, entry: &LogEntry) {
        let text = &entry.text;
        match entry.level {
            LogLevel::Debug => self.ui.detail(format_args!("  | {text}")),
            LogLevel::Info => self.ui.status(format_args!("  | {text}")),
            LogLevel::Warn | LogLevel::Error => self.ui.warning(format_args!("the component says: {text}")),
        }
    }
}

fn spinner_on_stderr() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Who signed, and what is granted.
fn decision_page(page: &mut Page, plan: &Plan, decision: &Decision) {
    page.heading(mixed!("{} {} as {}", plan.bundle.name, plan.bundle.version, plan.installation.name));
    page.line("  ", Tone::Quiet, Words::mixed(plan.bundle.digest));
    match &decision.trust {
        Some(TrustDecision::Signed { rule, signers, .. }) => {
            let names: Vec<_> = signers.iter().map(|signer| signer.name.as_str()).collect();
            let text = mixed!("signed by {}, trusted by rule `{rule}`", names.join(", "));
            page.line("  ", Tone::Good, text);
        }
        Some(TrustDecision::Unsigned) => page.line("  ", Tone::Danger, "UNSIGNED: nobody vouches for it"),
        None => {}
    }
    if !decision.granted.is_empty() {
        page.heading("It may");
        for line in &decision.granted {
            let tone = if line.starts_with("SEE") || line.contains("get-secret") {
                Tone::Danger
            } else {
                Tone::Plain
            };
            page.line("  ", tone, Words::mixed(line));
        }
    }
    if decision.carried_over {
        page.line(
            "  ",
            Tone::Caution,
            "(the grant of the last run was carried over: the bundle has the same name, signers and terms of trust)",
        );
    }
    if !plan.withheld.is_empty() {
        page.heading("It may not, though it would like to");
        for line in &plan.withheld {
            page.line("  ", Tone::Quiet, Words::mixed(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for yes in ["y", "Y\n", "yes\n", " YES \r\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "ye", "yess", "y es", "j", "yes!"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
