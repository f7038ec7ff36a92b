//! Explains a bundle by the command lines that a person types with it, from the first look to its removal, with the names
//! that it gives to its parameters and credentials.
//!
//! Every line works as it stands, in this order and in one directory, once that is there which it says to prepare, and
//! with values of one's own for those that it says are made up. Nothing is decided here, and nothing runs.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::bundle::is_own_action;
use crate::digest::Digest;
use crate::reference::Reference;
use crate::text::{CommandLine, variables};

use super::inspect::{BundleSummary, Inspection, ParameterSummary, inspect};
use super::{Bundles, Document, Error};

/// Commands for a bundle.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The digest of the bundle.
    pub digest: Digest,
    /// Its name.
    pub bundle: BundleSummary,
    /// What has to be there before the lines are typed.
    pub prepare: Vec<Preparation>,
    /// What stands in the lines for a value of one's own.
    pub replace: Vec<Replacement>,
    /// The steps, in order.
    pub steps: Vec<ExplainedStep>,
}

/// Something that has to be there before the lines are typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Preparation {
    /// Its type.
    pub kind: PreparationKind,
    /// Its name, as the lines have it.
    pub name: String,
    /// What it is for, in words of the author where there are some.
    pub why: String,
}

/// What has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PreparationKind {
    /// A directory of files.
    Directory,
    /// A file.
    File,
    /// A public key.
    PublicKey,
    /// A variable of the environment.
    Variable,
}

/// A value that was made up, for which one's own has to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replacement {
    /// The parameter.
    pub parameter: String,
    /// The value that stands for it.
    pub value: String,
    /// What it is for, in words of the author.
    pub why: String,
}

/// Something to do with a bundle.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExplainedStep {
    /// The purpose.
    pub purpose: String,
    /// The command lines.
    pub lines: Vec<CommandLine>,
}

impl Document for Explanation {
    const KIND: &'static str = "Explanation";
}

/// The file that a public key is to be in.
const KEY: &str = "release.pub";

/// Writes down what to type with a bundle.
///
/// # Errors
/// [`Error`] when it cannot be fetched, or the trust policy cannot be used.
pub async fn explain(reference: &Reference, bundles: &Bundles) -> Result<Explanation, Error> {
    let inspected = inspect(reference, bundles).await?;
    let (prepare, replace) = (preparations(&inspected), replacements(&inspected));
    let steps = Steps { reference, name: installation(&inspected.bundle.name), inspected: &inspected }.all();
    Ok(Explanation { digest: inspected.digest, bundle: inspected.bundle, prepare, replace, steps })
}

/// What has to be there before the lines are typed.
fn preparations(inspected: &Inspection) -> Vec<Preparation> {
    let of = |kind, name: String, why: &str| Preparation { kind, name, why: why.into() };
    let key = "the public key of whoever signs it, which you have from them";
    let key = (!inspected.trusted).then(|| of(PreparationKind::PublicKey, KEY.into(), key));
    let files = inspected.requests.files.iter().map(|file| match file.text.name.strip_suffix("/*") {
        Some(directory) => of(PreparationKind::Directory, format!("./{directory}"), &file.reason),
        None => of(PreparationKind::File, format!("./{}", file.text.name), &file.reason),
    });
    let credentials = &inspected.credentials;
    let named = credentials.iter().zip(variables(credentials.iter().map(|it| it.name.as_str())));
    let variables = named.map(|(it, name)| of(PreparationKind::Variable, name, &it.description));
    key.into_iter().chain(files).chain(variables).collect()
}

/// The values in the lines that were made up: whoever types them has better ones.
fn replacements(inspected: &Inspection) -> Vec<Replacement> {
    let made_up = |it: &&ParameterSummary| it.default.is_none() && it.choices.is_empty();
    let of = |it: &ParameterSummary| {
        let (parameter, why) = (it.name.clone(), it.description.clone());
        Some(Replacement { parameter, value: value_of(it)?, why })
    };
    inspected.parameters.iter().filter(made_up).filter_map(of).collect()
}

struct Steps<'a> {
    reference: &'a Reference,
    /// The name of the installation.
    name: String,
    inspected: &'a Inspection,
}

impl Steps<'_> {
    fn all(&self) -> Vec<ExplainedStep> {
        let look = step("See what it can do, and what it asks for", [self.with_bundle("carnet inspect")]);
        let trust = (!self.inspected.trusted).then(|| self.trust());
        let grant = self.with_bundle("carnet grant new").own("--to").word(self.file("grants"));
        let grant = step("Decide what it may do: read the file, and take out what you do not want", [grant]);
        let credentials = (!self.inspected.credentials.is_empty()).then(|| self.credentials());
        let change = [self.install("carnet plan"), self.install("carnet install")];
        let change = step("See what it would change, and let it", change);
        let [status, outputs, uninstall] = ["carnet status", "carnet outputs", "carnet uninstall"]
            .map(|verb| CommandLine::of(verb).word(&self.name));
        let made = (!self.inspected.outputs.is_empty()).then_some(outputs);
        let after = step("See what is there", std::iter::once(status).chain(made));
        let own = self.actions();
        let own = (!own.is_empty()).then(|| step("Do what else it can do", own));
        let end = step("Remove it", [uninstall]);
        let first = [Some(look), trust, Some(grant), credentials, Some(change), Some(after), own, Some(end)];
        first.into_iter().flatten().collect()
    }

    /// A file that the lines make. It is named after the installation, so that it is nobody else's.
    fn file(&self, what: &str) -> String {
        format!("{}-{what}.yaml", self.name)
    }

    /// The line with the flag that a bare `*` takes, where something is asked for by one.
    fn by_grant(&self, line: CommandLine) -> CommandLine {
        let is_bare = |texts: &[String]| texts.iter().any(|text| text == "*");
        let rules = self.inspected.requests.kubernetes.iter().map(|request| &request.text);
        let mut bare = rules.filter(|it| is_bare(&it.kinds) || is_bare(&it.namespaces) || is_bare(&it.names));
        if bare.next().is_some() { line.own("--dangerous-wildcards") } else { line }
    }

    fn with_bundle(&self, verb: &'static str) -> CommandLine {
        CommandLine::of(verb).word(self.reference)
    }

    fn trust(&self) -> ExplainedStep {
        let place = match self.reference {
            Reference::Registry(found) => format!("{}/{}", found.host, found.repository),
            Reference::Archive(_) => "archive".into(),
            Reference::Layout(_) | Reference::Path(_) => "layout".into(),
        };
        let new = CommandLine::of("carnet trust new --key")
            .word(KEY)
            .own("--name")
            .word(&self.inspected.bundle.name);
        let new = new.own("--match").quoted(place).own("--to").word(self.file("trust"));
        let verify = self.by_policy(self.with_bundle("carnet verify"));
        step("Trust whoever signs it, by their public key", [new, verify])
    }

    /// A credential set whose values come from the environment.
    fn credentials(&self) -> ExplainedStep {
        let names = self.inspected.credentials.iter().map(|credential| &*credential.name);
        let from = |(name, variable): (&str, String)| json!({ "name": name, "source": { "env": variable } });
        let all: Vec<_> = names.clone().zip(variables(names)).map(from).collect();
        let set = json!({ "schemaVersion": "1.0.0", "name": self.name, "credentials": all });
        let line = CommandLine::of("printf '%s\\n'").word(set).own(">").word(self.file("credentials"));
        step("Say where its credentials are: here, each in a variable of the environment", [line])
    }

    fn install(&self, verb: &'static str) -> CommandLine {
        let line = CommandLine::of(verb).word(&self.name).word(self.reference);
        let line = self.by_grant(line);
        let line = self.by_policy(line.own("--target dir:rendered --grants").word(self.file("grants")));
        self.with_inputs(line, "install")
    }

    fn actions(&self) -> Vec<CommandLine> {
        let own = self.inspected.actions.iter().filter(|action| is_own_action(&action.name));
        let invoked = own.map(|action| {
            let line = CommandLine::of("carnet invoke").word(&self.name).word(&action.name);
            self.with_inputs(self.by_policy(self.by_grant(line)), &action.name)
        });
        invoked.collect()
    }

    fn by_policy(&self, line: CommandLine) -> CommandLine {
        if self.inspected.trusted { line } else { line.own("--trust").word(self.file("trust")) }
    }

    /// The parameters and credentials of an action. What has a value already is left out where it is not an install: it
    /// has the one that was installed.
    fn with_inputs(&self, line: CommandLine, action: &str) -> CommandLine {
        let is_for = |to: &[String]| to.is_empty() || to.iter().any(|name| name == action);
        let is_wanted = |it: &&ParameterSummary| is_for(&it.apply_to) && (action == "install" || it.required);
        let line = self.inspected.parameters.iter().filter(is_wanted).fold(line, |line, parameter| {
            match value_of(parameter) {
                Some(value) => line.own("--param").word(format_args!("{}={value}", parameter.name)),
                None => line,
            }
        });
        let has_credentials = self.inspected.credentials.iter().any(|it| is_for(&it.apply_to));
        if has_credentials { line.own("-c").word(self.file("credentials")) } else { line }
    }
}

fn step(purpose: impl Into<String>, lines: impl IntoIterator<Item = CommandLine>) -> ExplainedStep {
    ExplainedStep { purpose: purpose.into(), lines: lines.into_iter().collect() }
}

/// A value that a parameter may have: its default, the first of its choices, or one of its type. None where it may be left
/// out and has no default.
fn value_of(parameter: &ParameterSummary) -> Option<String> {
    let known = parameter.default.as_ref().or(parameter.choices.first());
    let of_type = || match parameter.r#type.as_str() {
        "boolean" => json!(true),
        "integer" | "number" => json!(1),
        "array" => json!([]),
        "object" => json!({}),
        _ => json!("text"),
    };
    let value = match known {
        Some(known) => known.clone(),
        None if parameter.required => of_type(),
        None => return None,
    };
    Some(match value {
        Value::String(text) => text,
        value => value.to_string(),
    })
}

/// A name for an installation of a bundle: the last part of its name, as the names of objects are.
fn installation(bundle: &str) -> String {
    let last = bundle.rsplit('/').next().unwrap_or_default();
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = last.chars().map(letter).take(40).collect();
    let name = name.trim_matches(|letter: char| !letter.is_ascii_lowercase());
    if name.is_empty() { "mine".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(r#type: &str, default: Option<Value>, required: bool) -> ParameterSummary {
        ParameterSummary {
            name: "p".into(),
            r#type: r#type.into(),
            choices: Vec::new(),
            default,
            required,
            sensitive: false,
            apply_to: Vec::new(),
            description: String::new(),
        }
    }

    #[test]
    fn values_are_of_the_type_and_names_can_be_used() {
        for (r#type, default, required, value) in [
            ("integer", Some(json!(3)), false, Some("3")),
            ("string", Some(json!("a b")), true, Some("a b")),
            ("string", None, true, Some("text")),
            ("boolean", None, true, Some("true")),
            ("object", None, true, Some("{}")),
            ("string", None, false, None),
        ] {
            assert_eq!(value_of(&parameter(r#type, default, required)).as_deref(), value);
        }
        let choices = ParameterSummary { choices: vec![json!("red")], ..parameter("string", None, true) };
        assert_eq!(value_of(&choices).as_deref(), Some("red"));
        for (bundle, name) in
            [("acme/web", "web"), ("Guest_Book", "guest-book"), ("-9-", "mine"), ("é", "mine")]
        {
            assert_eq!(installation(bundle), name);
        }
    }
}
