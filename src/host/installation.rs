//! `carnet:installation`: what the component is installing, its outputs and its log.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::bundle::definition::Definition;
use crate::bundle::parameters::text_of;
use crate::sync::Mutex;
use crate::targets::credentials::REDACTED;

use super::GuestError;
use super::progress::{LogEntry, LogLevel, Observer};
use super::told::CallError;

/// The largest output, in bytes: 1 MiB. Without it outputs would fill the state database.
const MAX_OUTPUT: usize = 1 << 20;

/// The longest message of a log, in bytes: 16 KiB; a longer one is cut. Without it one message could be all of the log.
const MAX_MESSAGE: usize = 16 << 10;

/// The shortest credential that is kept out of texts: a shorter one would be found in every word.
pub(super) const MIN_HIDDEN: usize = 4;

/// The context of a run, which a component can read.
#[derive(Debug, Clone, Default)]
pub struct InstallationContext {
    /// The action, which is also `CNAB_ACTION`.
    pub action: String,
    /// Name of the installation.
    pub name: String,
    /// Namespace of the installation.
    pub namespace: String,
    /// The revision, a ULID.
    pub revision: String,
    /// Name of the bundle.
    pub bundle_name: String,
    /// Version of the bundle.
    pub bundle_version: String,
    /// The resolved parameters.
    pub parameters: BTreeMap<String, Value>,
    /// References of the bundle's images by digest, by name.
    pub images: BTreeMap<String, String>,
    /// The schemas of the outputs that the action may set, by name.
    pub outputs: BTreeMap<String, Value>,
}

/// The log of a run, shared with captured output.
#[derive(Clone)]
pub struct Log {
    entries: Arc<Mutex<Vec<LogEntry>>>,
    hidden: Arc<Mutex<Vec<SecretString>>>,
    observer: Arc<dyn Observer>,
}

/// The definitions of outputs that were set, by name: each is read once.
pub(super) type Definitions = BTreeMap<String, Definition<'static>>;

/// The functions' view: the context of the run, the outputs that the component sets, and its log.
pub(super) struct InstallationView<'a> {
    pub(super) context: &'a InstallationContext,
    pub(super) definitions: &'a mut Definitions,
    pub(super) outputs: &'a mut BTreeMap<String, Value>,
    pub(super) log: &'a Log,
}

impl Log {
    /// An empty log.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self { entries: Arc::default(), hidden: Arc::default(), observer }
    }

    /// Adds a message.
    pub fn write(&self, level: LogLevel, text: &str) {
        let mut text = self.scrubbed(text);
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        let entry = LogEntry { level, text };
        self.observer.logged(&entry);
        self.entries.lock().push(entry);
    }

    /// Redacts this value from the component's texts from now on.
    pub(super) fn hide(&self, value: SecretString) {
        self.hidden.lock().push(value);
    }

    /// A text of the component with the credentials that it was shown redacted. A component that means harm can still
    /// write them in another form; one that is careless cannot leak them.
    pub fn scrubbed(&self, text: &str) -> String {
        let hidden = self.hidden.lock();
        let long = hidden.iter().map(ExposeSecret::expose_secret).filter(|value| value.len() >= MIN_HIDDEN);
        // The longest first: of one that begins like another, the end would stay.
        let mut long: Vec<_> = long.collect();
        long.sort_by_key(|value| std::cmp::Reverse(value.len()));
        long.into_iter().fold(text.to_owned(), |text, value| text.replace(value, REDACTED))
    }

    /// The messages so far.
    pub fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().clone()
    }
}

impl InstallationView<'_> {
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.context.parameters.get(name).map(|value| text_of(Some(value)))
    }

    pub(super) fn image(&self, name: &str) -> Option<String> {
        self.context.images.get(name).cloned()
    }

    pub(super) fn set(&mut self, name: String, text: &str) -> Result<(), CallError> {
        let value = self.checked_output(&name, text)?;
        self.outputs.insert(name, value);
        Ok(())
    }

    fn checked_output(&mut self, name: &str, text: &str) -> Result<Value, GuestError> {
        let schema = self.context.outputs.get(name);
        let schema =
            schema.ok_or_else(|| GuestError::NotFound(format!("the bundle declares no output {name}")))?;
        if text.len() > MAX_OUTPUT {
            return Err(GuestError::Invalid(format!("the output {name} is larger than 1 MiB")));
        }
        let invalid = |what: String| GuestError::Invalid(format!("the output {name}: {what}"));
        let definition = match self.definitions.entry(name.to_owned()) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(new) => {
                new.insert(Definition::kept(schema.clone()).map_err(|error| invalid(error.to_string()))?)
            }
        };
        if self.log.scrubbed(text) != text {
            return Err(invalid("it may not hold a credential".into()));
        }
        let value = definition.value_of(text).map_err(|error| invalid(error.to_string()))?;
        definition.check(&value).map_err(|faults| invalid(faults.join("; ")))?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::progress::Unready;

    struct Nobody;

    impl Observer for Nobody {
        fn waiting(&self, _: &[Unready]) {}

        fn logged(&self, _: &LogEntry) {}
    }

    fn log() -> Log {
        Log::new(Arc::new(Nobody))
    }

    #[test]
    fn a_credential_that_was_shown_is_in_no_text_and_one_of_a_few_letters_in_many() {
        let log = log();
        log.write(LogLevel::Info, "hunter22 before it was shown");
        for value in ["hunter22", "abc", "", "hunter22-and-more"] {
            log.hide(value.into());
        }
        let scrubbed = format!("{REDACTED}, abc, {REDACTED}");
        assert_eq!(log.scrubbed("hunter22, abc, hunter22-and-more"), scrubbed);
        assert_eq!(log.scrubbed("hunter2 2"), "hunter2 2");
        log.clone().write(LogLevel::Warn, "hunter22");
        let said: Vec<_> = log.entries().into_iter().map(|entry| (entry.level, entry.text)).collect();
        assert_eq!(said[0].1, "hunter22 before it was shown", "what was logged before is what was meant");
        assert_eq!(said[1], (LogLevel::Warn, REDACTED.to_owned()), "a clone is the same log");
    }

    #[test]
    fn a_message_is_cut_between_letters_and_after_it_was_scrubbed() {
        let log = log();
        log.write(LogLevel::Info, &"a".repeat(MAX_MESSAGE));
        log.write(LogLevel::Info, &format!("{}ä", "a".repeat(MAX_MESSAGE - 1)));
        log.hide("secret".into());
        // Cut first, the rest of the credential would stand at the end.
        log.write(LogLevel::Info, &format!("{}secret", "a".repeat(MAX_MESSAGE - 3)));
        let lengths: Vec<_> = log.entries().iter().map(|entry| entry.text.len()).collect();
        assert_eq!(lengths, [MAX_MESSAGE, MAX_MESSAGE - 1, MAX_MESSAGE]);
        assert!(!log.entries()[2].text.contains("sec"), "no part of it either");
    }

    fn set(name: &str, text: &str) -> Result<Value, GuestError> {
        let schema = json!({ "type": "string", "maxLength": 4 });
        let outputs = [
            ("url".to_owned(), schema),
            ("count".to_owned(), json!({ "type": "integer", "minimum": 1 })),
            ("free".to_owned(), json!({})),
        ];
        let context = InstallationContext { outputs: outputs.into(), ..InstallationContext::default() };
        let (mut definitions, mut outputs, log) = (BTreeMap::new(), BTreeMap::new(), log());
        log.hide("hunter22".into());
        let mut view = InstallationView {
            context: &context,
            definitions: &mut definitions,
            outputs: &mut outputs,
            log: &log,
        };
        view.checked_output(name, text)
    }

    #[test]
    fn an_output_is_what_its_definition_allows() {
        assert_eq!(set("url", "abcd").unwrap(), json!("abcd"));
        assert_eq!(set("count", "3").unwrap(), json!(3));
        for (name, text, why) in [
            ("other", "x", "the bundle declares no output other"),
            ("url", "abcde", "the output url: "),
            ("count", "0", "the output count: "),
            ("count", "x", "the output count: "),
            ("url", "hunter22", "the output url: it may not hold a credential"),
            ("free", "\"a hunter22 b\"", "the output free: it may not hold a credential"),
        ] {
            let told = match set(name, text) {
                Err(GuestError::Invalid(told) | GuestError::NotFound(told)) => told,
                other => panic!("{name} {text}: {other:?}"),
            };
            assert!(told.starts_with(why) && !told.contains("hunter22"), "{name} {text}: {told}");
        }
    }

    #[test]
    fn an_output_of_more_than_a_mebibyte_is_none() {
        let most = format!("\"{}\"", "a".repeat(MAX_OUTPUT - 2));
        assert!(set("free", &most).is_ok());
        let larger = set("free", &format!("{most} "));
        assert!(
            matches!(larger, Err(GuestError::Invalid(told)) if told == "the output free is larger than 1 MiB")
        );
    }
}
