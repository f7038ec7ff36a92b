//! A grant with its placeholders filled: what it allows, whatever the next run's parameters are.
//!
//! A consent is given to names, not to texts. A parameter that fills one of them may have another value in the next run,
//! which the operator need not have chosen: a new default, say.

use crate::capability::InvalidScope;
use crate::capability::credentials::CredentialText;
use crate::capability::credentials::generate::GenerateText;
use crate::capability::files::FileText;
use crate::capability::kubernetes::RuleText;
use crate::capability::template::Names;

use super::spec::{Deny, FileGrant, GrantSpec, InvalidGrant};

impl GrantSpec {
    /// The grant with these names in its placeholders. Filled again, it stays as it is.
    ///
    /// # Errors
    /// [`InvalidGrant::Rule`] with a placeholder that cannot be filled.
    pub fn filled(&self, names: &Names) -> Result<Self, InvalidGrant> {
        let rules = |rules: &[RuleText]| each(rules, |rule| rule.filled(names));
        let file =
            |file: &FileGrant| Ok(FileGrant { name: names.fill(&file.name)?, path: file.path.clone() });
        let into = |text: &CredentialText| {
            let into = text.into.as_ref().map(|into| each(into, |text| Ok(names.fill(text)?))).transpose()?;
            Ok(CredentialText { into, ..text.clone() })
        };
        let made = |text: &GenerateText| {
            Ok(GenerateText { into: each(&text.into, |text| Ok(names.fill(text)?))?, ..text.clone() })
        };
        let denied = |file: &FileText| Ok(FileText { name: names.fill(&file.name)? });
        Ok(Self {
            kubernetes: rules(&self.kubernetes)?,
            files: each(&self.files, file)?,
            credentials: each(&self.credentials, into)?,
            generate: each(&self.generate, made)?,
            deny: Deny {
                kubernetes: rules(&self.deny.kubernetes)?,
                files: each(&self.deny.files, denied)?,
                ..self.deny.clone()
            },
            limits: self.limits.clone(),
        })
    }
}

fn each<T, U>(texts: &[T], fill: impl Fn(&T) -> Result<U, InvalidScope>) -> Result<Vec<U>, InvalidScope> {
    texts.iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A grant with the same text in each place that a placeholder may stand in.
    fn everywhere(text: &str) -> GrantSpec {
        let rule = json!({"verbs": ["get"], "kinds": [text], "namespaces": [text], "names": [text]});
        serde_json::from_value(json!({
            "kubernetes": [rule], "files": [{"name": text, "path": "/${namespace}"}],
            "credentials": [{"name": "c", "into": [text]}, {"name": "d"}], "generate": [{"name": "d", "into": [text]}],
            "deny": {"kubernetes": [rule], "files": [{"name": text}], "credentials": ["c"], "reveal": ["c"]},
            "limits": {"memory": "1Mi"},
        }))
        .unwrap()
    }

    fn names(scope: &str) -> Names {
        Names {
            installation: "web".into(),
            namespace: "prod".into(),
            parameters: [("scope".to_owned(), Value::from(scope))].into(),
        }
    }

    #[test]
    fn each_text_is_filled_and_stays_as_it_was_filled_first() {
        let template = everywhere("${namespace}-${installation}-${parameters.scope}");
        let filled = template.filled(&names("a")).unwrap();
        assert_eq!(filled, everywhere("prod-web-a"));
        assert_eq!(filled.filled(&names("b")).unwrap(), filled);
    }

    #[test]
    fn what_cannot_be_filled_is_no_grant() {
        let template = everywhere("${parameters.other}");
        assert!(matches!(template.filled(&names("a")), Err(InvalidGrant::Rule(InvalidScope::Template(_)))));
        // A value that would be filled again.
        let template = everywhere("${parameters.scope}");
        assert!(template.filled(&names("${namespace}")).is_err());
    }
}
