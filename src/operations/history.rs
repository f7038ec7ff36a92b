//! The actions that were carried out on an installation.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kubernetes::object::ObjectRef;
use crate::state::{Installation, Revision, State};
use crate::targets::Recorded;

use super::places::installation;
use super::{Document, Error};

/// The revisions of an installation, oldest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevisionList {
    /// The actions.
    pub items: Vec<RevisionRow>,
}

/// A revision, and what is on record of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevisionRow {
    /// The revision.
    #[serde(flatten)]
    pub revision: Revision,
    /// The objects that an action of the bundle's own made, and that go with the installation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub objects: Vec<ObjectRef>,
}

impl Document for RevisionList {
    const KIND: &'static str = "RevisionList";
}

/// Lists the revisions of an installation.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub fn history(name: &str, namespace: Option<&str>, state: &State) -> Result<RevisionList, Error> {
    let installation = installation(state, name, namespace)?;
    let rows = state.history(name)?.into_iter().map(|revision| RevisionRow::of(revision, &installation));
    Ok(RevisionList { items: rows.collect() })
}

impl RevisionRow {
    fn of(revision: Revision, installation: &Installation) -> Self {
        let is_of_it =
            |it: &&Recorded| it.made_by.as_ref().is_some_and(|run| run.revision == revision.revision);
        let made = installation.inventory().iter().filter(is_of_it);
        Self { objects: made.map(|recorded| recorded.object.clone()).collect(), revision }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::revisions::tests::succeeded;
    use crate::state::InstallationSettings;
    use crate::targets::MadeBy;

    #[test]
    fn a_revision_names_what_its_action_made() {
        let object = |name: &str| ObjectRef::new("batch/v1", "Job", Some("prod"), name);
        let made = |name: &str, revision: &str| {
            let run = MadeBy { action: "dev.example.backup".into(), revision: revision.into() };
            Recorded { made_by: Some(Box::new(run)), ..Recorded::of(object(name)) }
        };
        let inventory = vec![Recorded::of(object("web")), made("monday", "1"), made("tuesday", "2")];
        let installation = Installation::unrecorded(InstallationSettings::default(), None, inventory);
        assert_eq!(RevisionRow::of(succeeded(), &installation).objects, [object("monday")]);
    }
}
