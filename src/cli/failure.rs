//! An error as it is told to whoever typed the command: with the place that was looked at, and what to type next.

use std::path::PathBuf;

use crate::document::visible;
use crate::operations::WayOn;
use crate::text::CommandLine;

use super::Context;
use super::exit::{Circumstance, Detail, Failure};
use super::inputs::{self, StatePlace};

impl Context {
    /// An error as it is told, with hints for what was typed, and with the place that was looked at where nothing was there.
    pub fn failure(&self, error: &anyhow::Error) -> Failure {
        let failure = Failure::of(error);
        let looks = failure.hint.as_ref().is_some_and(|hint| hint.as_str().starts_with("carnet inspect REF"));
        let recorded = if looks { self.recorded_reference() } else { None };
        let mut failure = self.asked.about(recorded).explained(failure);
        match failure.circumstance {
            Some(Circumstance::NothingThere) => failure.details.extend(self.looked_at()),
            Some(Circumstance::NoPolicy) => {
                let usual = inputs::usual_policies();
                failure.details.push(looked_for(&usual));
                failure.hint = failure.hint.map(|line| match usual.first() {
                    Some(file) => line.own("--to").word(file.display()),
                    None => line,
                });
            }
            Some(Circumstance::NoRule) => {
                // The existing file stays: a new policy would take its place.
                let file = self.trust().ok().and_then(|trust| trust.file);
                let into = file.map(|file| {
                    CommandLine::of("add to")
                        .word(file.display())
                        .own("the rule and the key that this prints:")
                });
                failure.hint = failure.hint.map(|line| into.map_or(line.clone(), |into| into.and(&line)));
            }
            Some(Circumstance::CutShort) => {
                let way_on = self.way_on().map(|hint| self.asked.completed(&hint));
                failure.hint = way_on.or(failure.hint);
            }
            Some(Circumstance::NoCredential) if self.asked.has_credentials() => {
                let names = "the credential set that `-c` names has none of this name: write it there";
                failure.hint = Some(names.into());
            }
            Some(Circumstance::NoCredential) | None => {}
        }
        failure
    }

    /// Where the bundle of the installation is from that was asked about. A cluster is not asked for it.
    fn recorded_reference(&self) -> Option<String> {
        if self.state().ok()? == StatePlace::Kube {
            return None;
        }
        let state = self.asked.home()?.state(self).ok()?;
        Some(state.find(self.asked.name()?).ok()??.settings.reference).filter(|it| !it.is_empty())
    }

    /// The way on after a run that was cut short. None: nothing was done yet. A cluster is not asked once more: the
    /// run may have been stopped because it does not answer.
    fn way_on(&self) -> Option<CommandLine> {
        let (name, home) = (self.asked.name()?, self.asked.home()?);
        if self.state().is_ok_and(|place| place == StatePlace::Kube) {
            return Some("carnet status NAME".into());
        }
        let state = home.state(self).ok()?;
        Some(match WayOn::of(name, &state)? {
            WayOn::RollBack => {
                "the same command goes on where it was; to go back: carnet rollback NAME".into()
            }
            WayOn::Uninstall => {
                "the same command goes on where it was; to undo it: carnet uninstall NAME".into()
            }
            WayOn::Look => "the same command goes on where it was; to look at it: carnet status NAME".into(),
        })
    }

    /// Which installations the command line is about.
    fn looked_at(&self) -> Option<Detail> {
        let home = self.asked.home()?;
        let state = home.state(self).ok()?;
        let place = state.looked_at(home.namespace(), false);
        Some(Detail::Said(visible(&format!("looked at: {place}"))))
    }
}

/// Where a trust policy would have been found.
fn looked_for(usual: &[PathBuf]) -> Detail {
    let files = usual.iter().map(|file| format!("`{}`", file.display())).collect::<Vec<_>>().join(" and ");
    Detail::Said(visible(&format!("looked for {files}; `--trust FILE` and CARNET_TRUST name another one")))
}
