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
        long.fold(text.to_owned(), |text, value| text.replace(value, REDACTED))
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
