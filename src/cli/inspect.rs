//! `carnet inspect`: the page that an operator decides from, from top to bottom in the order in which they ask: who,
//! what can it do, what does it want, what is in it, what can it not do.

mod dependencies;

use std::fmt::Display;

use crate::capability::ScopeRequest;
use crate::capability::credentials::CredentialText;
use crate::capability::functions::Risk;
use crate::capability::kubernetes::Verb;
use crate::operations::inspect::{
    ActionSummary, CallablePower, CredentialSummary, ImageSummary, Inspection, Level, OutputSummary,
    ParameterSummary, inspect,
};
use crate::reference::Reference;

use super::Context;
use super::copy::RelocationMap;
use super::exit::{self, Code};
use super::ui::{Page, Report, Tone, Words, mixed};
use super::verify::signature_row;

/// Show what a bundle can do, what it asks for and who signed it
///
/// What the bundle can call is read from its binary; nothing of it runs. The bundle need not be trusted: this decides
/// nothing and exits with 0 for a bundle that `carnet verify` refuses.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carnet inspect layout:bundles/web
  carnet inspect ./web -v
  carnet inspect layout:bundles/web -o json")]
pub(super) struct Args {
    /// Where the bundle is
    #[arg(value_name = "REF")]
    reference: Reference,
    #[command(flatten)]
    map: RelocationMap,
}

pub(super) fn run(args: &Args, context: &Context) -> anyhow::Result<Code> {
    args.map.check(&[&args.reference])?;
    let inspection = context.wait(inspect(&args.reference, &context.bundles()))?;
    args.map.write(inspection.relocation_map.as_ref())?;
    context.ui.report(&inspection)?;
    Ok(exit::DONE)
}

/// A word in its tone, and a text beside it.
type Row = (Tone, Words, Words);

impl Report for Inspection {
    fn show(&self, page: &mut Page) {
        self.who(page);
        self.can(page);
        if self.level == Level::Component {
            self.asks(page);
            self.destinations(page);
        }
        self.disagreements(page);
        self.inputs(page);
        self.dependencies(page);
        self.images(page);
        self.actions(page);
        self.outputs(page);
        self.cannot(page);
    }
}

impl Inspection {
    fn who(&self, page: &mut Page) {
        page.line("", Tone::Heading, mixed!("{} {}", self.bundle.name, self.bundle.version));
        page.line("", Tone::Plain, Words::mixed(self.digest));
        if !self.bundle.description.is_empty() {
            page.line("", Tone::Plain, Words::outside(&self.bundle.description));
        }

        page.heading("Who signed it");
        let rows: Vec<_> = self.signatures.iter().map(signature_row).collect();
        if self.has_policy {
            page.rows(rows);
        }
        let (tone, word, text) = self.verdict();
        page.rows([(tone, word, text)]);
    }

    fn verdict(&self) -> (Tone, &'static str, Words) {
        let count = plural(self.signatures.len(), "signature");
        match &self.verdict {
            None => (Tone::Good, "trusted", "your trust policy admits this bundle".into()),
            Some(_) if !self.has_policy => {
                (Tone::Caution, "NOT CHECKED", mixed!("no trust policy; the bundle has {count}"))
            }
            Some(reason) => (Tone::Danger, "NOT TRUSTED", Words::mixed(reason)),
        }
    }

    /// The inputs that a tool which runs an image of containers would hand to it.
    fn handed(&self, page: &mut Page) {
        page.heading("What it could do (level: opaque)");
        let clear = |what: &str, names: Vec<&str>| mixed!("{what}: {}", names.join(", "));
        let mut rows: Vec<Row> = vec![
            (
                Tone::Danger,
                "ANYTHING".into(),
                "that whoever runs it may do: what it would do cannot be told".into(),
            ),
            (
                Tone::Caution,
                "NEVER RUN".into(),
                "its program is a container image; here it can be looked at and carried".into(),
            ),
        ];
        if !self.credentials.is_empty() {
            let names = self.credentials.iter().map(|it| it.name.as_str()).collect();
            rows.push((Tone::Danger, "SEES".into(), clear("credentials in clear", names)));
        }
        if !self.parameters.is_empty() {
            let names = self.parameters.iter().map(|it| it.name.as_str()).collect();
            rows.push((Tone::Plain, "sees".into(), clear("parameters", names)));
        }
        page.rows(rows);
    }

    fn can(&self, page: &mut Page) {
        if self.level == Level::Opaque {
            return self.handed(page);
        }
        page.heading("What it can call (read from the binary)");
        if let Some(reason) = &self.component.unread {
            let unknown = "what it can do: it was not looked at, and will not run".into();
            page.rows([(Tone::Danger, "NOT READ", Words::mixed(reason)), (Tone::Danger, "UNKNOWN", unknown)]);
            return;
        }
        let unknown = self.unprovided_imports.iter();
        let mut rows: Vec<(Tone, Words, Words)> = unknown
            .map(|name| {
                (Tone::Danger, "UNKNOWN".into(), mixed!("nothing here provides {name}: it cannot run"))
            })
            .collect();
        let is_free = |power: &&CallablePower| power.level == Risk::None;
        rows.extend(self.can.iter().filter(|power| !is_free(power)).map(power_row));
        if rows.is_empty() {
            rows.push((Tone::Good, "nothing".into(), "that needs a grant".into()));
        }
        if page.is_verbose() {
            rows.extend(self.can.iter().filter(is_free).map(power_row));
            let row =
                |(name, meaning): &(String, &str)| (Tone::Quiet, "inert".into(), mixed!("{name}: {meaning}"));
            rows.extend(self.inert.iter().map(row));
        } else {
            rows.extend(counted("harmless", self.can.iter().filter(is_free).count(), "that need no grant"));
            rows.extend(counted("inert", self.inert.len(), "of WASI that reach nothing"));
        }
        page.rows(rows);
    }

    fn asks(&self, page: &mut Page) {
        page.heading("What it asks for (in the author's words)");
        if let Some(fault) = &self.requests_fault {
            page.rows([(Tone::Danger, "UNUSABLE", Words::mixed(fault))]);
            return;
        }
        let requests = &self.requests;
        let objects = requests
            .kubernetes
            .iter()
            .map(|request| asked(request, verb_tone(&request.text.verbs), &request.text));
        let files = requests
            .files
            .iter()
            .map(|request| asked(request, Tone::Plain, format_args!("read the file {}", request.text.name)));
        let credentials = requests.credentials.iter().map(|request| {
            let (tone, what) =
                if request.text.reveal { (Tone::Danger, "SEE") } else { (Tone::Caution, "use") };
            asked(request, tone, format_args!("{what} the credential {}", request.text.name))
        });
        let generate = requests.generate.iter().map(|request| {
            asked(request, Tone::Caution, format_args!("have the credential {} made", request.text.name))
        });
        let rows: Vec<_> = objects.chain(files).chain(credentials).chain(generate).flatten().collect();
        if rows.is_empty() {
            page.line("  ", Tone::Good, "nothing");
        }
        page.rows(rows);
    }

    fn destinations(&self, page: &mut Page) {
        if self.requests.credentials.is_empty() && self.requests.generate.is_empty() {
            return;
        }
        page.heading("Where credentials may go");
        for credential in &self.requests.credentials {
            page.rows(destinations(&credential.text));
        }
        for made in &self.requests.generate {
            let row = |secret: &String| {
                (Tone::Plain, Words::mixed(&made.text.name), mixed!("{secret}, where it is kept"))
            };
            page.rows(made.text.into.iter().map(row));
        }
    }

    fn disagreements(&self, page: &mut Page) {
        let unrequested = self.unrequested_imports.iter().map(|name| {
            (
                Tone::Danger,
                "unasked",
                mixed!("{name} is imported, but nothing requests it: it will be refused"),
            )
        });
        let unused = self.unused_requests.iter().map(|name| {
            (Tone::Caution, "unused", mixed!("{name} is requested, but the binary cannot call it"))
        });
        let warnings = self.warnings.iter().map(|warning| (Tone::Caution, "warning", Words::mixed(warning)));
        let rows: Vec<_> = unrequested.chain(unused).chain(warnings).collect();
        if !rows.is_empty() {
            page.heading("What does not fit together");
            page.rows(rows);
        }
    }

    fn inputs(&self, page: &mut Page) {
        if !self.parameters.is_empty() {
            page.heading("What you can set (--param NAME=VALUE)");
            page.rows(self.parameters.iter().flat_map(parameter_rows));
        }
        if !self.credentials.is_empty() {
            page.heading("Which credentials it takes (-c FILE)");
            page.rows(self.credentials.iter().flat_map(credential_rows));
        }
    }

    fn outputs(&self, page: &mut Page) {
        if !self.outputs.is_empty() {
            page.heading("What it makes known (carnet outputs)");
            page.rows(self.outputs.iter().flat_map(output_rows));
        }
    }

    fn images(&self, page: &mut Page) {
        page.heading("What comes with it");
        let size = mixed!("{} bytes, sha256:{}", self.component.size, self.component.digest.short());
        let digest = mixed!("sha256:{}", self.component.digest.short());
        page.rows([match self.level {
            Level::Component => (Tone::Plain, "component", size),
            Level::Opaque => (Tone::Caution, "container image", digest),
        }]);
        page.rows(self.images.iter().map(image_row));
    }

    fn actions(&self, page: &mut Page) {
        page.heading("What it does");
        page.rows(self.actions.iter().flat_map(action_rows));
    }

    fn cannot(&self, page: &mut Page) {
        if self.cannot.is_empty() {
            return;
        }
        page.heading("What it cannot do");
        for what in &self.cannot {
            page.line("  ", Tone::Good, Words::mixed(what));
        }
    }
}

fn power_row(power: &CallablePower) -> (Tone, Words, Words) {
    let (tone, word) = match power.level {
        Risk::Reveals | Risk::Removes => (Tone::Danger, Words::mixed(power.danger.to_uppercase())),
        Risk::Changes | Risk::Places => (Tone::Caution, power.danger.into()),
        Risk::Reads => (Tone::Plain, power.danger.into()),
        Risk::None => (Tone::Quiet, power.danger.into()),
    };
    (tone, word, mixed!("{} ({})", power.meaning, power.interface))
}

fn image_row(image: &ImageSummary) -> (Tone, Words, Words) {
    let absence = if image.present { "" } else { " (not in this place)" };
    let tone = if image.present { Tone::Plain } else { Tone::Caution };
    // The digest stands behind the reference in any case, so one inside it says nothing new.
    let reference = image.reference.split_once('@').map_or(image.reference.as_str(), |(name, _)| name);
    let text = mixed!("{reference} sha256:{}{absence}", image.digest.short());
    (tone, mixed!("image {}", image.name), text)
}

/// An action, with the author's words on the line below.
fn action_rows(action: &ActionSummary) -> Vec<(Tone, Words, Words)> {
    let notes = match (action.by, action.modifies, action.stateless) {
        ("carnet", ..) => Words::mixed(&action.description),
        ("container", ..) => "the container would carry it out".into(),
        (_, _, true) => "the component carries it out, without installation or credentials".into(),
        (_, false, _) => "the component carries it out, said to change nothing".into(),
        _ => "the component carries it out".into(),
    };
    let mut rows = vec![(Tone::Plain, Words::mixed(&action.name), notes)];
    if action.by != "carnet" && !action.description.is_empty() {
        rows.push((Tone::Plain, "".into(), Words::outside(&action.description)));
    }
    rows
}

/// A parameter, with the author's words on the line below. A default is the author's too.
fn parameter_rows(parameter: &ParameterSummary) -> Vec<Row> {
    let choices: Vec<_> = parameter.choices.iter().map(ToString::to_string).collect();
    let facts = [
        (!choices.is_empty()).then(|| format!("one of {}", choices.join(", "))),
        parameter.default.as_ref().map(|default| format!("default {default}")),
        parameter.required.then(|| "required".into()),
        parameter.sensitive.then(|| "neither stored nor shown".into()),
        for_actions(&parameter.apply_to),
    ];
    described(&parameter.name, &parameter.r#type, facts, &parameter.description)
}

fn credential_rows(credential: &CredentialSummary) -> Vec<Row> {
    let word = if credential.required { "required" } else { "optional" };
    described(&credential.name, word, [for_actions(&credential.apply_to)], &credential.description)
}

fn output_rows(output: &OutputSummary) -> Vec<Row> {
    let facts = [output.sensitive.then(|| "neither stored nor shown".into()), for_actions(&output.apply_to)];
    described(&output.name, &output.r#type, facts, &output.description)
}

fn for_actions(actions: &[String]) -> Option<String> {
    (!actions.is_empty()).then(|| format!("for {}", actions.join(", ")))
}

/// A name with what is known of it, and the author's words on the line below.
fn described(
    name: &str,
    kind: &str,
    facts: impl IntoIterator<Item = Option<String>>,
    description: &str,
) -> Vec<Row> {
    let facts: Vec<_> = std::iter::once(kind.to_owned()).chain(facts.into_iter().flatten()).collect();
    let mut rows = vec![(Tone::Plain, Words::mixed(name), Words::mixed(facts.join("; ")))];
    if !description.is_empty() {
        rows.push((Tone::Plain, "".into(), Words::outside(description)));
    }
    rows
}

/// A request, with its reason on the line below.
fn asked<T>(request: &ScopeRequest<T>, tone: Tone, what: impl Display) -> [(Tone, &'static str, Words); 2] {
    let word = if request.optional { "optional" } else { "required" };
    let reason =
        if request.reason.is_empty() { "(no reason given)".into() } else { Words::outside(&request.reason) };
    [(tone, word, Words::mixed(what)), (Tone::Plain, "", reason)]
}

fn verb_tone(verbs: &[Verb]) -> Tone {
    match verbs.iter().max() {
        Some(Verb::Delete) => Tone::Danger,
        _ if verbs.contains(&Verb::GetSecret) => Tone::Danger,
        Some(Verb::Apply) => Tone::Caution,
        _ => Tone::Plain,
    }
}

fn destinations(credential: &CredentialText) -> Vec<(Tone, Words, Words)> {
    let mut places = match &credential.into {
        None if credential.reveal => Vec::new(),
        None => vec![(Tone::Caution, "any Secret that it may apply".into())],
        Some(secrets) => secrets.iter().map(|secret| (Tone::Plain, Words::mixed(secret))).collect(),
    };
    if credential.reveal {
        places.push((Tone::Danger, "THE COMPONENT SEES ITS VALUE".into()));
    }
    places.into_iter().map(|(tone, place)| (tone, Words::mixed(&credential.name), place)).collect()
}

fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Interfaces that are only counted, unless details are wanted.
fn counted(word: &'static str, count: usize, what: &'static str) -> Option<(Tone, Words, Words)> {
    (count > 0).then(|| (Tone::Quiet, word.into(), mixed!("{count} {what} (-v)")))
}
