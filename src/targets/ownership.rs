//! Ownership of objects: this installation's, another's, or nobody's.
//!
//! Objects of another installation are not ours to change, nor are those that were there before: an uninstall would
//! remove them. An object says whose it is by annotations: the name of the installation, and the mark of its record, since
//! two states may have installations of one name. Of one without them, an inventory that nobody else can write knows whether
//! it was made here, so that it may be put right; to be removed, it has to say so itself.

use serde_json::Value;

use crate::cluster::Error as ClusterError;
use crate::kubernetes::metadata::{self, OWNER};
use crate::kubernetes::object::ObjectRef;

use super::failure::Error;
use super::inventory::Inventory;
use super::overrides::Overrides;
use super::protected::Protected;

/// The owner of an object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ownership {
    /// Another installation's, which it names.
    Foreign(String),
    /// It was this installation's, and is that of another state's by now, which has the same name.
    Lost(String),
    /// It names this installation, and this state does not know of it: another state has one of the same name.
    Namesakes(String),
    /// Nobody's that is known.
    Nobodys,
    /// This installation's.
    Ours,
}

impl Ownership {
    /// Determines the owner of `found`. `is_us` recognises this installation by how an object names its owner.
    pub(super) fn of(
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
        is_us: impl Fn(&str) -> bool,
    ) -> Self {
        let is_marked_otherwise = metadata::record(found).is_some_and(|mark| inventory.mark() != Some(mark));
        match metadata::owner(found) {
            Some(owner) if is_us(owner) && is_marked_otherwise => {
                let is_recorded = inventory.find(object).is_some();
                let owner = owner.to_owned();
                if is_recorded { Self::Lost(owner) } else { Self::Namesakes(owner) }
            }
            Some(owner) if is_us(owner) => Self::Ours,
            Some(owner) => Self::Foreign(owner.to_owned()),
            None => Self::Nobodys,
        }
    }

    /// This owner, unless nobody is named and the inventory may say whose it is.
    pub(super) fn or_recorded(self, object: &ObjectRef, inventory: &Inventory) -> Self {
        let is_recorded = || inventory.find(object).is_some_and(|recorded| recorded.uid.is_some());
        if self == Self::Nobodys && !inventory.is_shared() && is_recorded() { Self::Ours } else { self }
    }

    /// Of an object without a mark, as earlier versions made them, that is there before it was ever recorded here: what says
    /// that it is this installation's is not. Everything is recorded before it is made, so another state has it. What an
    /// uninstall leaves in place is no longer on record.
    pub(super) fn before(self, object: &ObjectRef, found: &Value, inventory: &Inventory) -> Self {
        let is_left = Protected::of(object).is_some() || metadata::is_being_deleted(found);
        let is_known = metadata::record(found).is_some() || inventory.find(object).is_some();
        match (self, metadata::owner(found)) {
            (Self::Ours, Some(owner)) if !is_known && !is_left => Self::Namesakes(owner.to_owned()),
            (ownership, _) => ownership,
        }
    }

    /// Refuses an object that is not this installation's, unless it is to be taken over.
    pub(super) fn check(self, object: &ObjectRef, overrides: Overrides) -> Result<(), Error> {
        let owner = match self {
            _ if overrides.take_ownership => return Ok(()),
            Self::Ours => return Ok(()),
            Self::Nobodys => None,
            Self::Foreign(owner) => Some(owner),
            Self::Lost(owner) => return Err(Error::TakenOver { object: object.to_string(), owner }),
            Self::Namesakes(owner) => Some(namesake(&owner)),
        };
        Err(Error::Foreign { object: object.to_string(), owner })
    }
}

/// Why an object that is recorded is not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Spared {
    /// Another object has its name.
    #[error("another object has its name by now")]
    Another,
    /// It belongs to another installation by now.
    #[error("it belongs to {0} by now")]
    Foreign(String),
    /// It does not say whose it is. The inventory tells that it is this installation's, unless others can write that.
    #[error("it does not say any more that it belongs to this installation")]
    Unmarked {
        /// Whether the inventory tells that it is the one that was made here.
        is_known: bool,
    },
}

impl Spared {
    /// Why an object that was found is spared, where its removal was refused for this reason. None: it is not.
    pub(super) fn of(
        refused: Option<&Error>,
        object: &ObjectRef,
        found: &Value,
        inventory: &Inventory,
    ) -> Option<Self> {
        if !is_recorded(object, found, inventory) {
            return Some(Self::Another);
        }
        let has_uid = inventory.find(object).is_some_and(|recorded| recorded.uid.is_some());
        match refused? {
            Error::Foreign { owner: Some(owner), .. } => Some(Self::Foreign(owner.clone())),
            Error::Namesake { owner, .. } | Error::TakenOver { owner, .. } => {
                Some(Self::Foreign(namesake(owner)))
            }
            _ => Some(Self::Unmarked { is_known: has_uid && !inventory.is_shared() }),
        }
    }

    /// Whether the object stays on record: it is this installation's for all that is known, and only to be removed once it
    /// says so.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Unmarked { is_known: true })
    }
}

/// Whether an object's contents belong to the installation: by its annotation, or because the operator adopts it.
pub fn is_own(
    object: &ObjectRef,
    found: &Value,
    installation: &str,
    inventory: &Inventory,
    overrides: Overrides,
) -> bool {
    let ownership = Ownership::of(object, found, inventory, |owner| owner == installation);
    ownership.check(object, overrides).is_ok()
}

/// An installation of the same name, in words.
pub(super) fn namesake(owner: &str) -> String {
    format!("{owner}, as another state has it on record")
}

/// Whether an object that was found is the one that is recorded, or none is.
pub(super) fn is_recorded(object: &ObjectRef, found: &Value, inventory: &Inventory) -> bool {
    let recorded = inventory.find(object).and_then(|recorded| recorded.uid.as_deref());
    recorded.is_none_or(|recorded| metadata::uid(found) == Some(recorded))
}

/// The error of a target for one of the cluster: a conflict about the owner is one about the object, not about a field.
pub(super) fn refused(error: ClusterError) -> Error {
    let ClusterError::Conflict { object, fields } = &error else { return error.into() };
    let Some(held) = fields.iter().find(|field| field.path.ends_with(OWNER)) else { return error.into() };
    let owner = held.manager.strip_prefix("carnet/").unwrap_or(&held.manager).to_owned();
    Error::Foreign { object: object.clone(), owner: Some(owner) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::metadata::RECORD;
    use crate::targets::Recorded;
    use serde_json::json;

    #[test]
    fn an_object_says_itself_whose_it_is() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let of = |owner: Option<&str>| {
            let found = json!({ "metadata": { "annotations": { OWNER: owner } } });
            Ownership::of(&object, &found, &Inventory::default(), |owner| owner == "prod/web")
        };
        assert_eq!(of(Some("prod/web")), Ownership::Ours);
        assert_eq!(of(Some("prod/other")), Ownership::Foreign("prod/other".into()));
        assert_eq!(of(None), Ownership::Nobodys);
    }

    #[test]
    fn an_inventory_that_others_can_write_makes_nothing_ours() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let recorded = Recorded { uid: Some("1".into()), ..Recorded::of(object.clone()) };
        let own: Inventory = std::iter::once(recorded).collect();
        let shared = own.clone().shared();
        let foreign = Ownership::Foreign("prod/other".into());
        for (ownership, inventory, expected) in [
            (Ownership::Nobodys, &own, Ownership::Ours),
            (Ownership::Nobodys, &shared, Ownership::Nobodys),
            (Ownership::Nobodys, &Inventory::default(), Ownership::Nobodys),
            (foreign.clone(), &own, foreign.clone()),
        ] {
            assert_eq!(ownership.or_recorded(&object, inventory), expected);
        }
    }

    #[test]
    fn one_that_is_marked_as_ours_and_on_no_record_here_is_that_of_a_namesake() {
        let found = json!({ "metadata": { "annotations": { OWNER: "prod/web" } } });
        let going = json!({ "metadata": { "annotations": { OWNER: "prod/web" }, "deletionTimestamp": "2026-01-01" } });
        let map = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let claim = ObjectRef::new("v1", "PersistentVolumeClaim", Some("prod"), "a");
        let recorded: Inventory = std::iter::once(Recorded::of(map.clone())).collect();
        let nothing = Inventory::default();
        let before = |object: &ObjectRef, found: &Value, inventory: &Inventory| {
            let is_us = |owner: &str| owner == "prod/web";
            Ownership::of(object, found, inventory, is_us).before(object, found, inventory)
        };
        assert_eq!(before(&map, &found, &nothing), Ownership::Namesakes("prod/web".into()));
        assert_eq!(before(&map, &found, &recorded), Ownership::Ours);
        assert_eq!(before(&map, &going, &nothing), Ownership::Ours);
        assert_eq!(before(&claim, &found, &nothing), Ownership::Ours, "an uninstall leaves it in place");
        let refused =
            before(&map, &found, &nothing).check(&map, Overrides::default()).unwrap_err().to_string();
        assert_eq!(
            refused,
            "ConfigMap prod/a is already there and belongs to prod/web, as another state has it on record"
        );
    }

    /// Whose an object is for an installation of this mark that has it on record or not, where the object has another.
    #[test]
    fn of_two_states_with_one_name_the_mark_of_the_record_tells_which_has_an_object() {
        let map = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let claim = ObjectRef::new("v1", "PersistentVolumeClaim", Some("prod"), "a");
        let of = |object: &ObjectRef, mark: Option<&str>, own: Option<&str>, is_recorded: bool| {
            let found = json!({ "metadata": { "annotations": { OWNER: "prod/web", RECORD: mark } } });
            let recorded = is_recorded.then(|| Recorded::of(object.clone()));
            let inventory: Inventory = recorded.into_iter().collect();
            let inventory = inventory.marked(own.map(str::to_owned));
            let ownership = Ownership::of(object, &found, &inventory, |owner| owner == "prod/web");
            ownership.or_recorded(object, &inventory).before(object, &found, &inventory)
        };
        let (lost, namesakes) = (Ownership::Lost("prod/web".into()), Ownership::Namesakes("prod/web".into()));
        for (mark, own, is_recorded, expected) in [
            (Some("directory/1"), Some("directory/1"), true, Ownership::Ours),
            // What an uninstall left, and what a run that was cut off had forgotten.
            (Some("directory/1"), Some("directory/1"), false, Ownership::Ours),
            (Some("directory/2"), Some("directory/1"), true, lost.clone()),
            (Some("cluster/1"), Some("directory/1"), true, lost.clone()),
            (Some("directory/2"), Some("directory/1"), false, namesakes.clone()),
            // An earlier version began the record here, and a later one there has taken the object over.
            (Some("directory/2"), None, true, lost.clone()),
            (None, None, true, Ownership::Ours),
            (None, Some("directory/1"), true, Ownership::Ours),
            (None, Some("directory/1"), false, namesakes.clone()),
        ] {
            assert_eq!(of(&map, mark, own, is_recorded), expected, "{mark:?} {own:?} {is_recorded}");
        }
        // One that stays when its installation goes is no namesake's for that, but for its mark.
        assert_eq!(of(&claim, None, Some("directory/1"), false), Ownership::Ours);
        assert_eq!(of(&claim, Some("directory/2"), Some("directory/1"), false), namesakes);
        let refused = lost.clone().check(&map, Overrides::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "ConfigMap prod/a is not this installation's any more: prod/web of another state has taken it over"
        );
        let found = json!({});
        let spared = Spared::of(Some(&refused), &map, &found, &Inventory::default()).unwrap();
        assert_eq!(
            (spared.to_string().as_str(), spared.stays()),
            ("it belongs to prod/web, as another state has it on record by now", false)
        );
        let take = Overrides { take_ownership: true, ..Overrides::default() };
        assert!(lost.check(&map, take).is_ok());
    }

    #[test]
    fn what_is_not_ours_is_refused_unless_it_is_taken_over() {
        let object = ObjectRef::new("v1", "ConfigMap", Some("prod"), "a");
        let take = Overrides { take_ownership: true, ..Overrides::default() };
        for (ownership, owner) in
            [(Ownership::Nobodys, None), (Ownership::Foreign("prod/other".into()), Some("prod/other"))]
        {
            let refused = ownership.clone().check(&object, Overrides::default());
            assert!(
                matches!(&refused, Err(Error::Foreign { owner: named, .. }) if named.as_deref() == owner)
            );
            assert!(ownership.check(&object, take).is_ok());
        }
        assert!(Ownership::Ours.check(&object, Overrides::default()).is_ok());
    }

    #[test]
    fn a_conflict_about_the_owner_is_about_the_object() {
        let field = crate::cluster::FieldConflict {
            path: format!(".metadata.annotations.{OWNER}"),
            manager: "carnet/prod/other".into(),
        };
        let refused =
            refused(ClusterError::Conflict { object: "ConfigMap prod/a".into(), fields: vec![field] });
        assert!(matches!(refused, Error::Foreign { owner: Some(owner), .. } if owner == "prod/other"));
    }
}
