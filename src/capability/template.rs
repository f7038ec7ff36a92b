//! Fills `${installation}`, `${namespace}` and `${parameters.NAME}` into the texts of scopes, before anything is
//! compared or shown.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::parameters::Resolved;
use crate::document::visible;

/// The values of the placeholders in one installation.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The installation's name.
    pub installation: String,
    /// The installation's namespace.
    pub namespace: String,
    /// The parameters that fill scopes, as resolved for the action.
    pub parameters: BTreeMap<String, Value>,
}

/// Why a text could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTemplate {
    /// A `${` without its `}`.
    #[error("`{0}` has a `${{` without a `}}`")]
    Open(String),
    /// A parameter that is not set, or is no text.
    #[error("`{text}` needs the parameter `{name}` to be a text")]
    Parameter {
        /// The text with the placeholder.
        text: String,
        /// The parameter's name.
        name: String,
    },
    /// Something else than the three that there are.
    #[error(
        "`${{{0}}}` is not known here: use `${{installation}}`, `${{namespace}}` or `${{parameters.NAME}}`"
    )]
    Unknown(String),
    /// A value that would change the meaning of the scope, by a wildcard or a separator.
    #[error("the value of `${{{0}}}` may not be empty or hold `*`, `/`, `:`, `${{` or white space here")]
    Value(String),
}

impl Names {
    /// The names of an installation. A value that others may have chosen fills no scope: it would choose what the grant
    /// is for.
    pub fn of(installation: &str, namespace: &str, resolved: &Resolved) -> Self {
        let own = resolved.values.iter().filter(|(name, _)| !resolved.doubtful.contains(*name));
        Self {
            installation: installation.to_owned(),
            namespace: namespace.to_owned(),
            parameters: own.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// The installation as its objects name it: `NAMESPACE/NAME`.
    pub fn owner(&self) -> String {
        format!("{}/{}", self.namespace, self.installation)
    }

    /// `text` with its placeholders filled. Values come from the operator, but parameters may have been computed by
    /// others, so none may bring in a wildcard or a separator.
    ///
    /// # Errors
    /// [`InvalidTemplate`] with the placeholder that cannot be filled.
    pub fn fill(&self, text: &str) -> Result<String, InvalidTemplate> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| InvalidTemplate::Open(text.into()))?;
            let value = self.value(text, name)?;
            let deceives = |c: char| "*/:".contains(c) || c.is_whitespace() || c.is_control();
            // Nor another placeholder: what is filled once is not filled again.
            if value.is_empty() || value.contains(deceives) || value.contains("${") {
                return Err(InvalidTemplate::Value(name.into()));
            }
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, text: &str, name: &str) -> Result<&str, InvalidTemplate> {
        match name {
            "installation" => Ok(&self.installation),
            "namespace" => Ok(&self.namespace),
            _ => {
                let parameter =
                    name.strip_prefix("parameters.").ok_or_else(|| InvalidTemplate::Unknown(name.into()))?;
                let value = self.parameters.get(parameter).and_then(Value::as_str);
                value.ok_or_else(|| InvalidTemplate::Parameter { text: text.into(), name: parameter.into() })
            }
        }
    }
}

/// `text` with `stand_in` in the place of each placeholder: what it looks like before the values are known.
///
/// # Errors
/// [`InvalidTemplate`] for a placeholder that is none.
pub(super) fn outline(text: &str, stand_in: &str) -> Result<String, InvalidTemplate> {
    let mut outline = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or_else(|| InvalidTemplate::Open(visible(text)))?;
        let is_known = match name.strip_prefix("parameters.") {
            Some(parameter) => !parameter.is_empty() && parameter.chars().all(|c| c.is_ascii_graphic()),
            None => ["installation", "namespace"].contains(&name),
        };
        if !is_known {
            return Err(InvalidTemplate::Unknown(visible(name)));
        }
        outline.push_str(before);
        outline.push_str(stand_in);
        rest = after;
    }
    outline.push_str(rest);
    Ok(outline)
}

/// The outlines of texts whose placeholders stand for names of objects.
///
/// # Errors
/// As for [`outline`].
pub(super) fn outlines(texts: &[String]) -> Result<Vec<String>, InvalidTemplate> {
    texts.iter().map(|text| outline(text, "x")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let parameters =
            [("team".to_owned(), Value::from("blue")), ("wild".to_owned(), Value::from("*"))].into();
        Names { installation: "web".into(), namespace: "prod".into(), parameters }
    }

    #[test]
    fn a_value_that_others_may_have_chosen_fills_nothing() {
        let value = |name: &str| (name.to_owned(), Value::from("blue"));
        let resolved = Resolved {
            values: [value("own"), value("theirs")].into(),
            doubtful: ["theirs".to_owned(), "unset".to_owned()].into(),
            ..Resolved::default()
        };
        let names = Names::of("web", "prod", &resolved);
        assert_eq!(names.fill("${namespace}/${installation}/${parameters.own}"), Ok("prod/web/blue".into()));
        for name in ["theirs", "unset"] {
            let text = format!("${{parameters.{name}}}");
            let refused = InvalidTemplate::Parameter { text: text.clone(), name: name.into() };
            assert_eq!(names.fill(&text), Err(refused));
        }
    }

    #[test]
    fn the_three_placeholders_are_filled() {
        assert_eq!(
            names().fill("${namespace}/${installation}-${parameters.team}-*"),
            Ok("prod/web-blue-*".into())
        );
    }

    #[test]
    fn nothing_else_is() {
        assert_eq!(names().fill("${env.HOME}"), Err(InvalidTemplate::Unknown("env.HOME".into())));
        assert_eq!(names().fill("${installation"), Err(InvalidTemplate::Open("${installation".into())));
        assert_eq!(names().fill("${parameters.wild}"), Err(InvalidTemplate::Value("parameters.wild".into())));
        let unset = InvalidTemplate::Parameter { text: "${parameters.x}".into(), name: "x".into() };
        assert_eq!(names().fill("${parameters.x}"), Err(unset));
    }

    #[test]
    fn a_value_brings_in_nothing_that_a_scope_reads_otherwise() {
        for value in ["", "*", "a*", "a/b", "a:b", "a b", "a\u{a0}b", "a\u{1b}b", "a\n"] {
            let named = Names { parameters: [("x".to_owned(), Value::from(value))].into(), ..names() };
            let expected = InvalidTemplate::Value("parameters.x".into());
            assert_eq!(named.fill("a-${parameters.x}"), Err(expected), "{value:?}");
            let installed = Names { installation: value.into(), ..names() };
            assert!(installed.fill("${installation}").is_err(), "{value:?}");
        }
        // The text itself may.
        assert_eq!(names().fill("a/b:c d*"), Ok("a/b:c d*".into()));
    }

    #[test]
    fn an_installation_is_named_by_its_namespace_as_well() {
        assert_eq!(names().owner(), "prod/web");
    }

    #[test]
    fn an_outline_has_a_stand_in_for_each_placeholder_that_there_is() {
        let outlined = |text: &str| outline(text, "x");
        for (text, expected) in [
            ("a", "a"),
            ("${namespace}/${installation}-${parameters.team}-*", "x/x-x-*"),
            ("${parameters.a.b}", "x"),
            ("}${namespace}{", "}x{"),
        ] {
            assert_eq!(outlined(text).as_deref(), Ok(expected));
        }
        for unknown in
            ["", "env.HOME", "parameters", "parameters.", "parameters.a b", "parameters.é", "Namespace"]
        {
            let expected = InvalidTemplate::Unknown(visible(unknown));
            let text = format!("${{{unknown}}}");
            assert_eq!(outlined(&text), Err(expected), "{unknown}");
        }
        assert_eq!(outlined("a${namespace"), Err(InvalidTemplate::Open("a${namespace".into())));
        let texts = ["a-${namespace}".to_owned(), "b".to_owned()];
        assert_eq!(outlines(&texts), Ok(vec!["a-x".to_owned(), "b".to_owned()]));
        assert!(outlines(&["b".to_owned(), "${".to_owned()]).is_err());
    }
}
