//! Turns a mistake in the arguments into an error in our words: what is wrong, what is allowed, and where it stands.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::document::slip::nearest;
use crate::document::{chain, visible};
use crate::text::CommandLine;

use super::exit::Failure;

/// A mistake in these arguments.
pub(super) fn failure(error: &clap::Error, arguments: &[OsString]) -> Failure {
    let verbs = verbs(arguments);
    let mut failure = Failure::misuse(message(error, &verbs));
    failure.hint = Some(hint(error, &verbs));
    failure
}

/// The verbs that the arguments begin with.
fn verbs(arguments: &[OsString]) -> Vec<String> {
    let top = super::command();
    let (mut verb, mut names) = (&top, Vec::new());
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(inner) = verb.find_subcommand(word) {
            verb = inner;
            names.push(inner.get_name().to_owned());
        }
    }
    names
}

fn message(error: &clap::Error, verbs: &[String]) -> String {
    let one = |kind| texts(error, kind).into_iter().next().unwrap_or_default();
    let argument = one(ContextKind::InvalidArg);
    let value = one(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidSubcommand => no_verb(&one(ContextKind::InvalidSubcommand), verbs),
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let meant = one(ContextKind::SuggestedArg);
            let meant = if meant.is_empty() { meant } else { format!("; is `{meant}` meant?") };
            format!("`{}` is no flag of `{}`{meant}", visible(&argument), line(verbs))
        }
        ErrorKind::UnknownArgument => {
            format!("`{}` is one word too many for `{}`", visible(&argument), line(verbs))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{argument} needs a value{}", allowed(error, ""))
        }
        ErrorKind::InvalidValue => {
            format!("{argument} cannot be `{}`{}", visible(&value), allowed(error, &value))
        }
        ErrorKind::ValueValidation => unusable_value(error, &argument, &value),
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(error, ContextKind::InvalidArg).join(", ");
            format!("`{}` lacks {missing}", line(verbs))
        }
        ErrorKind::ArgumentConflict => {
            let prior = texts(error, ContextKind::PriorArg).join(", ");
            let prior = if prior.is_empty() { "other flags that are there".into() } else { prior };
            format!("{argument} cannot be used with {prior}")
        }
        ErrorKind::NoEquals => format!("{argument} takes its value behind a `=`"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} has too many values, or too few")
        }
        ErrorKind::InvalidUtf8 => "an argument is no text in UTF-8".into(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("`{}` lacks a verb", line(verbs))
        }
        _ => "the arguments cannot be read".into(),
    }
}

fn no_verb(word: &str, verbs: &[String]) -> String {
    let top = super::command();
    let parent = verbs.iter().fold(&top, |at, name| at.find_subcommand(name).unwrap_or(at));
    let names = parent.get_subcommands().filter(|it| !it.is_hide_set()).map(clap::Command::get_name);
    let meant = nearest(word, names).map(|name| format!("; is `{name}` meant?")).unwrap_or_default();
    format!("there is no verb `{}`{meant}", visible(word))
}

fn unusable_value(error: &clap::Error, argument: &str, value: &str) -> String {
    match error.source() {
        Some(why) if why.is::<std::num::ParseIntError>() => {
            format!("{argument} is a whole number, and cannot be `{}`", visible(value))
        }
        Some(why) => {
            let why = chain(why);
            // Most reasons name the value themselves.
            let named = value.is_empty() || why.contains(value);
            let value = if named { String::new() } else { format!(" cannot be `{}`", visible(value)) };
            format!("{argument}{value}: {why}")
        }
        None => format!("{argument} cannot be `{}`", visible(value)),
    }
}

/// The words that may stand there, where only some may.
fn allowed(error: &clap::Error, value: &str) -> String {
    let words = texts(error, ContextKind::ValidValue);
    if words.is_empty() {
        return String::new();
    }
    let meant = nearest(value, words.iter().map(String::as_str)).map(|word| format!("; is `{word}` meant?"));
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    format!(": it can be {}{}", words.join(", "), meant.unwrap_or_default())
}

/// The help of the verb, or the verb that does what was asked of another.
fn hint(error: &clap::Error, verbs: &[String]) -> CommandLine {
    let asked = texts(error, ContextKind::InvalidArg);
    let wants_all = asked.iter().any(|flag| flag == "-A" || flag == "--all-namespaces");
    if wants_all && error.kind() == ErrorKind::UnknownArgument {
        return "all installations, in all namespaces: carnet list -A".into();
    }
    let line = verbs.iter().fold(CommandLine::of("carnet"), CommandLine::word);
    line.own("--help")
}

fn line(verbs: &[String]) -> String {
    std::iter::once("carnet").chain(verbs.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
}

/// The texts that clap says something with. A flag is shown as it is typed, with its value in capitals.
fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    let plain = |text: &String| {
        let text = text.strip_suffix("...").unwrap_or(text);
        if text.starts_with('-') || kind != ContextKind::InvalidArg && kind != ContextKind::PriorArg {
            text.replace("[=<", "=").replace(">]", "").replace(['<', '>'], "")
        } else {
            text.replace(['<', '>'], "")
        }
    };
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![plain(text)],
        Some(ContextValue::Strings(texts)) => texts.iter().map(plain).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::USAGE;

    fn told(line: &str) -> (String, String) {
        let arguments: Vec<OsString> =
            std::iter::once("carnet").chain(line.split_whitespace()).map(Into::into).collect();
        let error = crate::cli::command().try_get_matches_from(&arguments).unwrap_err();
        let failure = failure(&error, &arguments);
        assert_eq!(failure.code, USAGE);
        (failure.message, failure.hint.unwrap().to_string())
    }

    #[test]
    fn a_mistake_is_told_with_what_is_allowed_and_where_it_stands() {
        for (line, message, hint) in [
            ("install", "`carnet install` lacks NAME, REF", "carnet install --help"),
            ("install web", "`carnet install` lacks REF", "carnet install --help"),
            (
                "install web layout:x --targt dir:x",
                "`--targt` is no flag of `carnet install`; is `--target` meant?",
                "carnet install --help",
            ),
            ("rollback a b c", "`c` is one word too many for `carnet rollback`", "carnet rollback --help"),
            (
                "install web layout:x --identity owm",
                "--identity WHO cannot be `owm`: it can be `own`, `scoped`; is `own` meant?",
                "carnet install --help",
            ),
            ("drift web --fix --exit-code", "--fix cannot be used with --exit-code", "carnet drift --help"),
            ("trust new", "`carnet trust new` lacks --key PUB, --name BUNDLE", "carnet trust new --help"),
            (
                "uninstall web -A",
                "`-A` is no flag of `carnet uninstall`",
                "all installations, in all namespaces: carnet list -A",
            ),
            ("trust", "`carnet trust` lacks a verb", "carnet trust --help"),
        ] {
            assert_eq!(told(line), (message.to_owned(), hint.to_owned()), "{line}");
        }
        let (message, hint) = told("instal web");
        assert!(message.starts_with("there is no verb `instal`; is `install` meant?"), "{message}");
        assert_eq!(hint, "carnet --help");
        let (message, _) = told("trust shw");
        assert!(message.ends_with("; is `show` meant?"), "{message}");
        let (message, _) = told("install web bogus");
        assert!(message.starts_with("REF: `bogus` names no registry: write `HOST/bogus`"), "{message}");
        let (message, _) = told("plan web layout:x -n Default");
        assert!(
            message.starts_with("--namespace NAMESPACE cannot be `Default`: a namespace has lower-case"),
            "{message}"
        );
        let (message, _) = told("install web layout:x --no-wait=foo");
        assert_eq!(message, "--no-wait=WHICH cannot be `foo`: it can be `all`, `end`");
        let (message, _) = told("list -o");
        assert!(message.starts_with("--output FORMAT needs a value: it can be `table`"), "{message}");
    }

    /// Whatever clap has to say, none of its own words reach people.
    #[test]
    fn nothing_is_left_to_words_of_others() {
        let lines = [
            "-v -q list",
            "list --output=xml",
            "lint --kind foo x",
            "plan",
            "key",
            "install web layout:x --timeout x",
            "trust new --threshold x --key a --name b",
            "apply",
            "list --plain-http",
        ];
        for line in lines {
            let (message, _) = told(line);
            for word in ["argument", "invalid", "required", "possible", "usage", "<", "'", "tip:"] {
                assert!(!message.to_lowercase().contains(word), "{line}: {message}");
            }
        }
    }
}
