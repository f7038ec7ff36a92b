//! `carnet list`, `status`, `history` and `outputs`: what is recorded, and how it is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::grant::recorded::RecordedObject;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::readiness::Readiness;
use crate::state::{Installation, Revision, State, StateError};
use crate::targets::Target;

use super::Context;
use super::act::{self, HomeArgs};
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone};

/// List installations
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Also list those that were uninstalled
    #[arg(short, long)]
    all: bool,
    /// List all namespaces: of a state in a cluster, else only one is listed
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    #[command(flatten)]
    home: HomeArgs,
}

/// Show an installation and its objects
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carnet status web -o json")]
pub(super) struct Status {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    home: HomeArgs,
}

/// Show what was done with an installation
#[derive(Debug, clap::Args)]
pub(super) struct History {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    home: HomeArgs,
}

/// Show the outputs of an installation
#[derive(Debug, clap::Args)]
pub(super) struct Outputs {
    /// Name of the installation
    #[arg(value_name = "NAME")]
    name: String,
    /// Show this output alone, as it is
    #[arg(value_name = "OUTPUT")]
    only: Option<String>,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    namespace: String,
    bundle: String,
    digest: crate::digest::Digest,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dangers: Vec<String>,
    objects: Vec<ObjectRow>,
    outputs: BTreeMap<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectRow {
    #[serde(flatten)]
    object: ObjectRef,
    /// None where the target was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct InstallationList {
    items: Vec<Row>,
}

#[derive(Serialize)]
struct RevisionList {
    items: Vec<Revision>,
}

#[derive(Serialize)]
struct OutputList {
    name: String,
    outputs: BTreeMap<String, Value>,
}

pub(super) fn list(args: &List, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let mut items = Vec::new();
    for installation in if args.all_namespaces { state.list_all()? } else { state.list()? } {
        if args.home.names(&installation.namespace) && (args.all || !installation.is_deleted()) {
            items.push(Row::of(&installation, &state.within(&installation.namespace))?);
        }
    }
    context.ui.report(&InstallationList { items })?;
    Ok(exit::DONE)
}

pub(super) fn status(args: &Status, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    let installation = args.home.installation(&state, &args.name)?;
    let mut row = Row::of(&installation, &state)?;
    let asked = act::runtime()?.block_on(ask(&installation, &args.home));
    match asked {
        Ok(objects) => row.objects = objects,
        Err(error) => context.ui.warning(format_args!("the target cannot be asked: {error:#}")),
    }
    context.ui.report(&row)?;
    Ok(exit::DONE)
}

pub(super) fn history(args: &History, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    args.home.installation(&state, &args.name)?;
    context.ui.report(&RevisionList { items: state.history(&args.name)? })?;
    Ok(exit::DONE)
}

pub(super) fn outputs(args: &Outputs, context: &Context) -> anyhow::Result<Code> {
    let state = args.home.state(context)?;
    args.home.installation(&state, &args.name)?;
    let outputs = state.outputs(&args.name)?;
    match &args.only {
        None => context.ui.report(&OutputList { name: args.name.clone(), outputs })?,
        Some(name) => {
            let value = outputs.get(name);
            let value = value
                .ok_or_else(|| anyhow::anyhow!("the installation `{}` has no output `{name}`", args.name))?;
            context.ui.text(&format!("{}\n", shown(value)))?;
        }
    }
    Ok(exit::DONE)
}

/// Asks the target about every object.
async fn ask(installation: &Installation, home: &HomeArgs) -> anyhow::Result<Vec<ObjectRow>> {
    let place = home.place(installation)?;
    let (target, _) =
        act::open(&place, &installation.name, Some(&installation.namespace), home.as_user()).await?;
    let mut rows = Vec::new();
    for recorded in installation.recorded() {
        let (ready, reason) = match readiness(&target, &recorded).await? {
            Readiness::Ready => (true, None),
            Readiness::NotReady(why) | Readiness::Failed(why) => (false, Some(why)),
        };
        rows.push(ObjectRow { object: recorded.object().clone(), ready: Some(ready), reason });
    }
    Ok(rows)
}

async fn readiness(target: &Target, recorded: &RecordedObject) -> anyhow::Result<Readiness> {
    let missing = || Readiness::NotReady("it is not there".into());
    let mut kinds = Kinds::default();
    if target.learn(recorded.object(), &mut kinds).await.is_err() {
        return Ok(missing());
    }
    if target.get(&recorded.get(), &kinds).await?.is_none() {
        return Ok(missing());
    }
    Ok(target.readiness(&recorded.wait(), &kinds).await?)
}

impl Row {
    fn of(installation: &Installation, state: &State) -> Result<Self, StateError> {
        let settings = &installation.settings;
        let last = installation.last.as_ref();
        let row = |recorded: &crate::targets::Recorded| ObjectRow {
            object: recorded.object.clone(),
            ready: None,
            reason: None,
        };
        Ok(Self {
            name: installation.name.clone(),
            namespace: installation.namespace.clone(),
            bundle: format!("{} {}", settings.bundle_name, settings.bundle_version),
            digest: settings.bundle,
            target: settings.place.to_string(),
            revision: last.map(|last| last.revision.clone()),
            action: last.map(|last| last.action.clone()),
            result: result(installation, state),
            message: last.and_then(|last| last.message.clone()),
            signers: settings.signers.clone(),
            dangers: settings.dangers.clone(),
            objects: installation.inventory.iter().map(row).collect(),
            outputs: state.outputs(&installation.name)?,
        })
    }

    fn tone(&self) -> Tone {
        match self.result.as_str() {
            "succeeded" => Tone::Good,
            "running" => Tone::Plain,
            _ => Tone::Danger,
        }
    }
}

/// A claim without a result is that of a run that goes on, or of one that was cut off.
fn result(installation: &Installation, state: &State) -> String {
    match &installation.last {
        Some(last) if last.result != "unknown" => last.result.clone(),
        _ if matches!(state.holder(&installation.name), Ok(Some(holder)) if !holder.is_overdue) => {
            "running".into()
        }
        _ => "unknown".into(),
    }
}

impl Report for InstallationList {
    const KIND: &'static str = "InstallationList";

    fn show(&self, page: &mut Page) {
        if self.items.is_empty() {
            return page.line("", Tone::Quiet, "Nothing is installed.");
        }
        let rows: Vec<Vec<String>> = self
            .items
            .iter()
            .map(|row| {
                let action = row.action.clone().unwrap_or_default();
                let last = format!("{action} {}", row.result);
                vec![row.name.clone(), row.namespace.clone(), row.bundle.clone(), last, row.target.clone()]
            })
            .collect();
        page.table(&["NAME", "NAMESPACE", "BUNDLE", "LAST ACTION", "TARGET"], &rows);
    }
}

impl Report for Row {
    const KIND: &'static str = "Installation";

    fn show(&self, page: &mut Page) {
        page.heading(&format!("{}: {}", self.name, self.bundle));
        page.line("  ", Tone::Quiet, &self.digest.to_string());
        page.line("  ", Tone::Plain, &format!("in {}, namespace {}", self.target, self.namespace));
        let action = self.action.clone().unwrap_or_default();
        page.line("  ", self.tone(), &format!("{action} {}", self.result));
        if let Some(message) = &self.message {
            page.line("  ", Tone::Plain, message);
        }
        if self.result == "unknown" {
            page.line(
                "  ",
                Tone::Caution,
                "The last run was cut off: the same command finishes it, `uninstall` undoes it.",
            );
        }
        for flag in &self.dangers {
            page.line("  ", Tone::Danger, &format!("a guard was lowered: {flag}"));
        }
        if !self.objects.is_empty() {
            page.heading("Objects");
            let rows: Vec<_> = self.objects.iter().map(ObjectRow::row).collect();
            page.rows(&rows);
        }
        show_outputs(page, &self.outputs);
    }
}

impl ObjectRow {
    fn row(&self) -> (Tone, &'static str, String) {
        let (tone, word) = match self.ready {
            Some(true) => (Tone::Good, "ready"),
            Some(false) => (Tone::Danger, "NOT READY"),
            None => (Tone::Quiet, "not asked"),
        };
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        (tone, word, format!("{}{reason}", self.object))
    }
}

impl Report for RevisionList {
    const KIND: &'static str = "RevisionList";

    fn show(&self, page: &mut Page) {
        let rows: Vec<Vec<String>> = self
            .items
            .iter()
            .map(|row| {
                let time: String = row.created.replace('T', " ").chars().take(19).collect();
                vec![time, row.action.clone(), row.bundle.clone(), row.result.clone()]
            })
            .collect();
        page.table(&["TIME (UTC)", "ACTION", "BUNDLE", "RESULT"], &rows);
    }
}

impl Report for OutputList {
    const KIND: &'static str = "OutputList";

    fn show(&self, page: &mut Page) {
        show_outputs(page, &self.outputs);
    }
}

fn show_outputs(page: &mut Page, outputs: &BTreeMap<String, Value>) {
    if !outputs.is_empty() {
        page.heading("Outputs");
        let rows: Vec<_> = outputs.iter().map(|(name, value)| (Tone::Plain, name, shown(value))).collect();
        page.rows(&rows);
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
