//! The texts of new sets: what a bundle takes in its author's words, with what was answered.

use crate::document::{shortened, visible};
use crate::operations::inspect::{BundleSummary, CredentialSummary, Inspection, ParameterSummary};
use crate::text::{variables, yaml};

/// The longest line of a comment that is written of an author's words.
const MAX_WORDS: usize = 300;

/// The inputs of a bundle.
pub(super) struct Inputs<'a> {
    bundle: &'a BundleSummary,
    parameters: &'a [ParameterSummary],
    credentials: &'a [CredentialSummary],
}

impl<'a> Inputs<'a> {
    /// Those of an inspected one.
    pub(super) fn of(found: &'a Inspection) -> Self {
        Self { bundle: &found.bundle, parameters: &found.parameters, credentials: &found.credentials }
    }
}

/// The question for a parameter.
pub(super) fn of_parameter(parameter: &ParameterSummary) -> String {
    let default = match &parameter.default {
        Some(_) if parameter.sensitive => "; nothing for the default".to_owned(),
        Some(default) => format!("; nothing for {}", visible(&default.to_string())),
        None if parameter.required => String::new(),
        None => "; nothing for none".into(),
    };
    format!("{} ({}{default}): ", words(&parameter.name, &parameter.description), parameter.r#type)
}

/// The question for a credential.
pub(super) fn of_credential(credential: &CredentialSummary, variable: &str) -> String {
    format!(
        "{}: which variable has it, or which file (a path)? [{variable}] ",
        words(&credential.name, &credential.description)
    )
}

/// The questions for credentials, each with the variable that it has if nothing is answered.
pub(super) fn of_credentials(credentials: &[CredentialSummary]) -> Vec<String> {
    let variables = variables_of(credentials);
    credentials
        .iter()
        .zip(&variables)
        .map(|(credential, variable)| of_credential(credential, variable))
        .collect()
}

fn variables_of(credentials: &[CredentialSummary]) -> Vec<String> {
    variables(credentials.iter().map(|credential| &*credential.name))
}

/// A set of parameters: those that were answered, and the others as comments.
pub(super) fn parameter_set(bundle: &Inputs<'_>, answers: &[String]) -> String {
    let mut text = head("Parameters", bundle);
    for (index, parameter) in bundle.parameters.iter().enumerate() {
        let required = if parameter.required && parameter.default.is_none() { ", required" } else { "" };
        let choices: Vec<_> = parameter.choices.iter().map(ToString::to_string).collect();
        let choices =
            if choices.is_empty() { String::new() } else { format!(", one of {}", choices.join(", ")) };
        comment(&mut text, &format!("{} ({}{required}{choices})", parameter.description, parameter.r#type));
        let answer = answers.get(index).filter(|answer| !answer.is_empty());
        let value = answer.map(|answer| match parameter.r#type.contains("string") {
            true => serde_json::Value::from(answer.as_str()),
            false => crate::document::json(answer.as_bytes()).unwrap_or_else(|_| answer.as_str().into()),
        });
        let (mark, value) = match (value, &parameter.default) {
            (Some(value), _) => ("", yaml::line(&value)),
            (None, Some(default)) if !parameter.sensitive => ("# ", yaml::line(default)),
            (None, _) => ("# ", String::new()),
        };
        text.push_str(&format!("{mark}{}: {value}\n", quoted(&parameter.name)));
    }
    text
}

/// A set of credential sources: as answered, else variables that are named after the credentials.
pub(super) fn credential_set(name: &str, bundle: &Inputs<'_>, answers: &[String]) -> String {
    let mut text = head("Credentials", bundle);
    comment(&mut text, "A source is one of `env: NAME`, `path: FILE`, `value: TEXT` and `command: LINE`");
    text.push_str(&format!("schemaVersion: 1.0.1\nname: {}\n", quoted(name)));
    text.push_str(if bundle.credentials.is_empty() { "credentials: []\n" } else { "credentials:\n" });
    let variables = variables_of(bundle.credentials);
    for (index, (credential, variable)) in bundle.credentials.iter().zip(&variables).enumerate() {
        let required = if credential.required { " (required)" } else { "" };
        comment(&mut text, &format!("{}{required}", credential.description));
        let answer = answers.get(index).filter(|answer| !answer.is_empty());
        let source = match answer {
            Some(path) if path.contains(['/', '.']) => format!("path: {}", quoted(path)),
            Some(named) => format!("env: {}", quoted(named)),
            None => format!("env: {}", quoted(variable)),
        };
        text.push_str(&format!("- name: {}\n  source: {{ {source} }}\n", quoted(&credential.name)));
    }
    text
}

fn head(what: &str, bundle: &Inputs<'_>) -> String {
    let mut text = String::new();
    comment(&mut text, &format!("{what} of {} {}", bundle.bundle.name, bundle.bundle.version));
    text
}

/// A text of the author's as one comment, whatever is in it.
fn comment(text: &mut String, words: &str) {
    let words = shortened(words, MAX_WORDS);
    text.push_str(&format!("# {}\n", words.trim()));
}

fn words(name: &str, description: &str) -> String {
    let description = shortened(description, MAX_WORDS);
    if description.is_empty() { visible(name) } else { format!("{}: {description}", visible(name)) }
}

/// A text of somebody else's: nothing in it ends the line or the value.
fn quoted(text: &str) -> String {
    yaml::line(&text.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::document;

    fn with_inputs<T>(of: impl FnOnce(&Inputs<'_>) -> T) -> T {
        let parameter = |name: &str, kind: &str, default: Option<Value>, required| ParameterSummary {
            name: name.into(),
            r#type: kind.into(),
            choices: Vec::new(),
            default,
            required,
            sensitive: false,
            apply_to: Vec::new(),
            description: "Words\nof: the author # \u{202e}".into(),
        };
        let credential = |name: &str| CredentialSummary {
            name: name.into(),
            required: true,
            apply_to: Vec::new(),
            description: "A\n- name: evil".into(),
        };
        let bundle =
            BundleSummary { name: "shop\nx: y".into(), version: "1.0.0".into(), description: String::new() };
        let parameters =
            [parameter("host", "string", None, true), parameter("a: b\nc", "integer", Some(json!(3)), false)];
        let credentials = [credential("db-password"), credential("to\nken: x")];
        of(&Inputs { bundle: &bundle, parameters: &parameters, credentials: &credentials })
    }

    #[test]
    fn a_new_set_of_parameters_sets_what_was_answered_and_nothing_else() {
        let unanswered = with_inputs(|inputs| parameter_set(inputs, &[]));
        assert_eq!(document::yaml(&unanswered).unwrap(), Value::Null, "{unanswered}");
        assert!(unanswered.contains("# Words\\u{a}of: the author"), "{unanswered}");
        assert!(unanswered.contains("(string, required)\n# \"host\": \n"), "{unanswered}");
        let answered = with_inputs(|inputs| parameter_set(inputs, &["7".into(), "7".into()]));
        assert_eq!(document::yaml(&answered).unwrap(), json!({ "host": "7", "a: b\nc": 7 }), "{answered}");
    }

    #[test]
    fn no_character_of_a_default_or_an_answer_ends_its_line_for_any_reader() {
        for odd in ['\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{feff}', '\u{1f}', '\u{e0041}'] {
            let text = format!("a{odd}num: 7");
            let parameter = ParameterSummary {
                name: format!("p{odd}q: 1"),
                r#type: "string".into(),
                choices: vec![json!(text)],
                default: Some(json!(text)),
                required: false,
                sensitive: false,
                apply_to: Vec::new(),
                description: text.clone(),
            };
            let bundle =
                BundleSummary { name: text.clone(), version: "1.0.0".into(), description: String::new() };
            let inputs =
                Inputs { bundle: &bundle, parameters: std::slice::from_ref(&parameter), credentials: &[] };
            for (answers, expected) in
                [(vec![], Value::Null), (vec![text.clone()], json!({ (parameter.name.clone()): text }))]
            {
                let written = parameter_set(&inputs, &answers);
                assert!(!written.contains(odd), "{odd:?}: {written:?}");
                assert_eq!(document::yaml(&written).unwrap(), expected, "{written}");
            }
        }
    }

    #[test]
    fn a_new_set_of_credentials_names_variables_and_files() {
        let sources = |answers: &[&str]| {
            let answers: Vec<_> = answers.iter().map(|&it| it.to_owned()).collect();
            let text = with_inputs(|inputs| credential_set("prod", inputs, &answers));
            document::yaml(&text).unwrap()["credentials"].clone()
        };
        let expected = json!([
            { "name": "db-password", "source": { "env": "DB_PASSWORD" } },
            { "name": "to\nken: x", "source": { "env": "TO_KEN__X" } },
        ]);
        assert_eq!(sources(&[]), expected);
        let answered = sources(&["./secret.txt", "TOKEN"]);
        assert_eq!(answered[0]["source"], json!({ "path": "./secret.txt" }));
        assert_eq!(answered[1]["source"], json!({ "env": "TOKEN" }));
    }

    #[test]
    fn questions_say_what_the_author_says() {
        let (parameter, credential) = with_inputs(|inputs| {
            (of_parameter(&inputs.parameters[1]), of_credentials(inputs.credentials).remove(0))
        });
        assert!(parameter.ends_with("(integer; nothing for 3): "), "{parameter}");
        assert!(credential.contains("db-password: A\\u{a}- name: evil: which variable"), "{credential}");
    }
}
