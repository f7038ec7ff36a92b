//! Who does what in an action: the component, the runtime, or both.

use crate::capability::Requests;
use crate::verify::Verified;

use super::{Error, Operation};

/// What the runtime removes of an installation, after the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removes {
    /// Nothing: it is the component that decides what goes.
    Nothing,
    /// What this run did not apply.
    LeftOut,
    /// All of it.
    Everything,
}

/// Who does what in an action.
pub(super) struct Responsibilities {
    /// The action that the component is called for; none where the runtime acts alone.
    pub(super) component: Option<String>,
    /// What the runtime removes then.
    pub(super) removes: Removes,
    /// Whether the action may change anything.
    pub(super) modifies: bool,
    /// Whether it leaves no record.
    pub(super) stateless: bool,
}

impl Responsibilities {
    /// An action that the component does not handle itself is carried out by the runtime, as usual.
    pub(super) fn of(verified: Option<&Verified>, operation: &Operation) -> Result<Self, Error> {
        let part = |component: Option<&str>, removes| Self {
            component: component.map(str::to_owned),
            removes,
            modifies: true,
            stateless: false,
        };
        let requests = verified.map(|verified| Requests::of(verified.bundle())).transpose()?;
        let handles = |action| requests.as_ref().is_some_and(|requests| requests.handle(action));
        Ok(match (operation.action.as_str(), verified) {
            ("install", Some(_)) => part(Some("install"), Removes::LeftOut),
            ("upgrade", Some(_)) if handles("upgrade") => part(Some("upgrade"), Removes::Nothing),
            ("upgrade", Some(_)) => part(Some("install"), Removes::LeftOut),
            ("uninstall", Some(_)) if handles("uninstall") => part(Some("uninstall"), Removes::Everything),
            ("uninstall", _) => part(None, Removes::Everything),
            (action, Some(verified)) => {
                let known = verified.bundle().actions();
                let action = known.get(action).ok_or_else(|| unknown(action, known.keys()))?;
                Self {
                    modifies: action.modifies,
                    stateless: action.stateless,
                    ..part(Some(&operation.action), Removes::Nothing)
                }
            }
            (action, None) => return Err(unknown(action, [])),
        })
    }
}

fn unknown<'a>(action: &str, known: impl IntoIterator<Item = &'a String>) -> Error {
    Error::UnknownAction { action: action.into(), known: known.into_iter().cloned().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::component;
    use crate::grant::tests::verified_of;
    use crate::targets::Place;

    fn alone(action: &str) -> Result<Responsibilities, Error> {
        Responsibilities::of(None, &Operation::new(action, "web", "prod", Place::directory("/rendered")))
    }

    async fn with(requests: &str, action: &str) -> Result<Responsibilities, Error> {
        let verified = verified_of(&component(), requests).await;
        let operation = Operation::new(action, "web", "prod", Place::directory("/rendered"));
        Responsibilities::of(Some(&verified), &operation)
    }

    /// Who installs, upgrades and uninstalls, by what the component handles itself.
    #[tokio::test]
    async fn the_runtime_does_what_the_component_does_not_handle() {
        for (handles, action, component, removes) in [
            ("[install]", "install", Some("install"), Removes::LeftOut),
            ("[install]", "upgrade", Some("install"), Removes::LeftOut),
            ("[install]", "uninstall", None, Removes::Everything),
            ("[install, upgrade]", "upgrade", Some("upgrade"), Removes::Nothing),
            ("[install, uninstall]", "uninstall", Some("uninstall"), Removes::Everything),
        ] {
            let found = with(&format!("handles: {handles}\nrequests: {{}}"), action).await.unwrap();
            let said = (found.component.as_deref(), found.removes);
            assert_eq!(said, (component, removes), "{handles} {action}");
            assert!(found.modifies && !found.stateless, "{handles} {action}");
        }
    }

    #[tokio::test]
    async fn an_action_of_the_bundle_is_the_components_and_as_it_is_declared() {
        let bundle = "actions:
  dev.carnet.web.look: { description: Looks, modifies: false, stateless: true }
  dev.carnet.web.rotate: { description: Rotates, modifies: true }
requests: {}";
        let look = with(bundle, "dev.carnet.web.look").await.unwrap();
        assert_eq!(look.component.as_deref(), Some("dev.carnet.web.look"));
        assert!(!look.modifies && look.stateless && look.removes == Removes::Nothing);
        let rotate = with(bundle, "dev.carnet.web.rotate").await.unwrap();
        assert!(rotate.modifies && !rotate.stateless && rotate.removes == Removes::Nothing);
        let unknown = with(bundle, "dev.carnet.web.none").await.err();
        let expected = "the bundle has no action `dev.carnet.web.none` (there are: `dev.carnet.web.look`, `dev.carnet.web.rotate`)";
        assert_eq!(unknown.unwrap().to_string(), expected);
        let unknown = with(bundle, "rotate").await.err().unwrap().to_string();
        assert!(unknown.contains("(did you mean `dev.carnet.web.rotate`? there are"), "{unknown}");
    }

    #[test]
    fn without_a_bundle_the_runtime_can_only_uninstall() {
        let uninstall = alone("uninstall").unwrap();
        assert!(uninstall.component.is_none() && uninstall.modifies);
        assert!(uninstall.removes == Removes::Everything && !uninstall.stateless);
        for action in ["install", "upgrade", "dev.carnet.test.look", ""] {
            let error = alone(action).err().map(|error| error.to_string());
            assert_eq!(error, Some(format!("the bundle has no action `{action}` (there is none)")));
        }
    }
}
