//! The actions that were carried out on an installation.

use schemars::JsonSchema;
use serde::Serialize;

use crate::document::{chain, visible};
use crate::kubernetes::object::ObjectRef;
use crate::state::{Revision, Revisions, State};
use crate::targets::Recorded;

use super::places::installation;
use super::{Document, Error};

/// The revisions of an installation, oldest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RevisionList {
    /// The actions.
    pub items: Vec<RevisionRow>,
    /// The actions whose records cannot be read, a line each, which names the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub unreadable: Vec<String>,
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

/// Lists the revisions of an installation. One whose record is spoiled hides no other.
///
/// # Errors
/// [`Error::State`] when the state cannot be read, or has no such installation.
pub fn history(name: &str, namespace: Option<&str>, state: &State) -> Result<RevisionList, Error> {
    let inventory = match installation(state, name, namespace) {
        // The record of its last action may be the one that is spoiled.
        Err(error) if error.is_of_a_record() => Vec::new(),
        found => found?.inventory().to_vec(),
    };
    let Revisions { readable, unreadable } = state.revisions(name)?;
    let rows = readable.into_iter().map(|revision| RevisionRow::of(revision, &inventory));
    let unreadable = unreadable.iter().map(|error| visible(&chain(error))).collect();
    Ok(RevisionList { items: rows.collect(), unreadable })
}

impl RevisionRow {
    fn of(revision: Revision, inventory: &[Recorded]) -> Self {
        let is_of_it =
            |it: &&Recorded| it.made_by.as_ref().is_some_and(|run| run.revision == revision.revision);
        let made = inventory.iter().filter(is_of_it);
        Self { objects: made.map(|recorded| recorded.object.clone()).collect(), revision }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::revisions::tests::succeeded;
    use crate::targets::MadeBy;

    #[test]
    fn a_revision_names_what_its_action_made() {
        let object = |name: &str| ObjectRef::new("batch/v1", "Job", Some("prod"), name);
        let made = |name: &str, revision: &str| {
            let run = MadeBy { action: "dev.example.backup".into(), revision: revision.into() };
            Recorded { made_by: Some(Box::new(run)), ..Recorded::of(object(name)) }
        };
        let inventory = vec![Recorded::of(object("web")), made("monday", "1"), made("tuesday", "2")];
        assert_eq!(RevisionRow::of(succeeded(), &inventory).objects, [object("monday")]);
    }
}
