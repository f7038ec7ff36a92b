//! Turns the subject of a record, an installation or a claim of it, a bundle or an identity, into the name and the
//! labels of the Secret that holds it.
//!
//! Names are how records are found, so all of them are made here.

use std::collections::BTreeMap;

use crate::digest::Digest;

use super::object::RecordName;

/// The label that says what a record is about.
pub(super) const KIND: &str = "carnet.dev/record";

/// The label that says of which installation a record is.
pub(super) const INSTALLATION: &str = "carnet.dev/installation";

/// The subject of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordSubject {
    /// A bundle, by its digest.
    Bundle(Digest),
    /// A claim of an installation, by its id.
    Claim(String, String),
    /// An identity that was made for a run, by its name. Whose it is, it says itself.
    Identity(String),
    /// An installation.
    Installation(String),
}

impl RecordSubject {
    /// The word for it in names and labels.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "bundle",
            Self::Claim(..) => "claim",
            Self::Identity(_) => "identity",
            Self::Installation(_) => "installation",
        }
    }

    fn installation(&self) -> Option<&str> {
        match self {
            Self::Bundle(_) | Self::Identity(_) => None,
            Self::Claim(name, _) | Self::Installation(name) => Some(name),
        }
    }

    /// The name of its record. None: it is about something that cannot have one.
    pub(super) fn name(&self, namespace: &str) -> Option<RecordName> {
        match self {
            Self::Bundle(digest) => {
                let hex = digest.hex();
                let (first, second) = hex.split_at(hex.len() / 2);
                RecordName::record(namespace, &[self.word(), first, second])
            }
            Self::Claim(name, id) => RecordName::record(namespace, &[self.word(), name, &id.to_lowercase()]),
            Self::Identity(name) | Self::Installation(name) => {
                RecordName::record(namespace, &[self.word(), name])
            }
        }
    }

    /// The labels of its record.
    pub(super) fn labels(&self) -> BTreeMap<&'static str, &str> {
        let mut labels = BTreeMap::from([("app.kubernetes.io/managed-by", "carnet"), (KIND, self.word())]);
        labels.extend(self.installation().map(|name| (INSTALLATION, name)));
        labels
    }
}
