//! The inputs and outputs of a component: parameters, credentials, outputs, and where each is put.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::validator::{Members, Validator, Weight};
use super::super::{Credential, OUTPUTS, Output, Parameter, ValueDestination};
use super::path::{clean, is_below, segments};

impl Validator {
    fn named_definition(
        &mut self,
        members: &Members<'_>,
        definitions: &BTreeMap<String, Value>,
        rule: &'static str,
    ) -> Option<String> {
        let name = self.required_text(members, "definition", rule)?;
        if !definitions.contains_key(&name) {
            self.fault(Weight::Must, members.below("definition"), format!("`{name}` is not defined"), rule);
        }
        Some(name)
    }

    pub(super) fn parameter(
        &mut self,
        at: String,
        name: &str,
        value: &Value,
        definitions: &BTreeMap<String, Value>,
    ) -> Option<Parameter> {
        if !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
            let what = "should be named like a variable, in `A` to `Z`, `0` to `9` and `_`";
            self.fault(Weight::Advice, at.clone(), what, "CNAB 101 #51");
        }
        let members =
            self.object(at, value, &["applyTo", "definition", "description", "destination", "required"])?;
        let definition = self.named_definition(&members, definitions, "CNAB 101 #45");
        Some(Parameter {
            description: self.description(&members),
            required: self.flag(&members, "required", "CNAB 101 #50"),
            apply_to: self.texts(&members, "applyTo", "CNAB 101 #49").unwrap_or_default(),
            destination: self.parameter_destination(&members)?,
            definition: definition?,
        })
    }

    fn parameter_destination(&mut self, members: &Members<'_>) -> Option<ValueDestination> {
        let value = self.required(members, "destination", "CNAB 101 #46")?;
        let members = self.object(members.below("destination"), value, &["env", "path"])?;
        let path = self.text(&members, "path", "CNAB 101 #62");
        // A relative path means one below `/` (CNAB 103).
        self.destination(&members, path.map(|path| if path.is_empty() { path } else { format!("/{path}") }))
    }

    pub(super) fn credential(&mut self, at: String, value: &Value) -> Option<Credential> {
        let members = self.object(at, value, &["applyTo", "description", "env", "path", "required"])?;
        let path = self.text(&members, "path", "CNAB 101 #70");
        if path.as_deref().is_some_and(|path| !path.starts_with('/')) {
            self.fault(Weight::Must, members.below("path"), "must be an absolute path", "CNAB 101 #70");
        }
        Some(Credential {
            description: self.description(&members),
            required: self.flag(&members, "required", "CNAB 101 #73"),
            apply_to: self.texts(&members, "applyTo", "CNAB 101 #74").unwrap_or_default(),
            destination: self.destination(&members, path)?,
        })
    }

    fn destination(&mut self, members: &Members<'_>, path: Option<String>) -> Option<ValueDestination> {
        let env = self.text(members, "env", "CNAB 101 #46");
        if env.is_none() && path.is_none() {
            let what = "must have at least one of `env` and `path`";
            self.fault(Weight::Must, members.at.clone(), what, "CNAB 101 #46");
            return None;
        }
        if let Some(env) = &env {
            self.check_variable(members.below("env"), env);
        }
        let path = path.map(|path| {
            self.check_path(members.below("path"), &path);
            clean(&path)
        });
        Some(ValueDestination { env, path })
    }

    fn check_variable(&mut self, at: String, name: &str) {
        if name.is_empty() || name.contains(['=', '\0']) {
            self.fault(Weight::Must, at, "is not the name of a variable", "CNAB 101 #46");
        } else if name.starts_with("CNAB_") {
            self.fault(Weight::Must, at, "must not start with `CNAB_`", "CNAB 101 #81");
        }
    }

    fn check_path(&mut self, at: String, path: &str) {
        let clean = clean(path);
        let parts: Vec<_> = segments(&clean).collect();
        let what = match parts.as_slice() {
            _ if path.contains('\0') => "must not contain a NUL",
            [] => "names no file",
            ["cnab", "app", "outputs", ..] => "must not be below `/cnab/app/outputs`",
            // A directory of the author's own below `/cnab/app` is the author's.
            ["cnab", "app", _, _, ..] => return,
            ["cnab", ..] => "is reserved: below `/cnab` only `/cnab/app/DIRECTORY/…` is free",
            _ => return,
        };
        self.fault(Weight::Must, at, what, "CNAB 101 #47, 102 #111");
    }

    pub(super) fn output(
        &mut self,
        at: String,
        value: &Value,
        definitions: &BTreeMap<String, Value>,
    ) -> Option<Output> {
        let members = self.object(at, value, &["applyTo", "definition", "description", "path"])?;
        let definition = self.named_definition(&members, definitions, "CNAB 101 #104");
        let path = self.required_text(&members, "path", "CNAB 101 #103");
        if let Some(path) = &path
            && (!path.starts_with('/') || path.contains('\0') || !is_below(&clean(path), OUTPUTS))
        {
            let what = format!("must be a path below `{OUTPUTS}`");
            self.fault(Weight::Must, members.below("path"), what, "CNAB 101 #103");
        }
        Some(Output {
            description: self.description(&members),
            apply_to: self.texts(&members, "applyTo", "CNAB 101 #106").unwrap_or_default(),
            path: clean(&path?),
            definition: definition?,
        })
    }
}
