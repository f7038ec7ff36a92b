//! The place of an installation as it is recorded, and the place that it names.
//!
//! Apart from [`Place`] because a record may name none: another version of the program wrote it, or somebody edited it.
//! It is still listed and shown; only what would act on its target is refused. Its members are written back as they
//! were read.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::directory::Secrets;
use super::place::{CLUSTER, InvalidPlace, Place};

/// A place as it is recorded: members of the settings of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedPlace {
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kubeconfig: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(default)]
    plain_secrets: bool,
    /// The identity of a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
}

impl RecordedPlace {
    /// The place that is named.
    ///
    /// # Errors
    /// [`InvalidPlace`] when the record names none.
    pub fn place(&self) -> Result<Place, InvalidPlace> {
        let secrets = if self.plain_secrets { Secrets::Plain } else { Secrets::Omit };
        let place: Place = self.target.parse()?;
        let place = place.with_secrets(secrets).with_server(self.server.clone());
        let place = place.with_identity(self.identity.clone());
        Ok(place.reached_by(self.kubeconfig.clone(), self.context.clone()))
    }

    /// The recorded address of the cluster.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Drops the settings that are local to one machine: kubeconfig, context and address.
    #[must_use]
    pub fn for_all(self) -> Self {
        Self { server: None, kubeconfig: None, context: None, ..self }
    }

    /// Sets the address of a cluster. Leaves any other record as it is.
    #[must_use]
    pub fn with_server(self, server: String) -> Self {
        if self.target == CLUSTER { Self { server: Some(server), ..self } } else { self }
    }
}

impl From<Place> for RecordedPlace {
    fn from(place: Place) -> Self {
        let (target, plain_secrets) = (place.to_string(), place.has_plain_secrets());
        match place {
            Place::Cluster { server, kubeconfig, context } => {
                Self { target, server, kubeconfig, context, plain_secrets, identity: None }
            }
            Place::Directory { identity, .. } => {
                Self { target, server: None, kubeconfig: None, context: None, plain_secrets, identity }
            }
        }
    }
}

/// The cluster that kubectl would use.
impl Default for RecordedPlace {
    fn default() -> Self {
        Place::default().into()
    }
}

/// The target, as the command line writes it.
impl fmt::Display for RecordedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> RecordedPlace {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_recorded_keeps_its_bytes() {
        for (text, is_plain) in [
            (r#"{"target":"dir:/rendered","plainSecrets":true}"#, true),
            (r#"{"target":"dir:/rendered","plainSecrets":false}"#, false),
            (r#"{"target":"dir:/rendered","plainSecrets":false,"identity":"01A"}"#, false),
            (
                r#"{"target":"kube","server":"https://a:6443","kubeconfig":"/k","context":"c","plainSecrets":false}"#,
                false,
            ),
            (r#"{"target":"kube","plainSecrets":false}"#, false),
        ] {
            let recorded: RecordedPlace = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&recorded).unwrap(), text);
            let place = recorded.place().unwrap();
            assert_eq!(place.has_plain_secrets(), is_plain);
            assert_eq!(RecordedPlace::from(place), recorded);
        }
    }

    #[test]
    fn members_that_no_place_has_keep_their_bytes_too() {
        for text in [
            r#"{"target":"ssh:/x","server":"https://a","kubeconfig":"/k","plainSecrets":true}"#,
            r#"{"target":"","plainSecrets":false}"#,
            r#"{"target":"dir:","plainSecrets":false}"#,
            r#"{"target":"dir:/a","server":"https://a","context":"c","plainSecrets":false}"#,
        ] {
            let recorded: RecordedPlace = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&recorded).unwrap(), text);
        }
    }

    #[test]
    fn a_record_that_names_no_place_is_refused() {
        let error = read(json!({ "target": "ssh:/x" })).place().unwrap_err().to_string();
        assert_eq!(error, "`ssh:/x` is no target");
        assert_eq!(read(json!({ "target": "kube" })).place(), Ok(Place::cluster()), "the rest has defaults");
    }

    #[test]
    fn what_holds_on_one_machine_is_left_out_for_all() {
        let place = Place::cluster().with_server(Some("s".into())).reached_by(Some("/k".into()), None);
        assert_eq!(RecordedPlace::from(place).for_all().place(), Ok(Place::cluster()));
        let directory = RecordedPlace::from(Place::directory("/a"));
        assert_eq!(directory.clone().for_all(), directory);
    }

    #[test]
    fn only_a_cluster_is_where_its_record_is() {
        for (target, expected) in [("kube", Some("s")), ("dir:/a", None), ("ssh:/x", None)] {
            let recorded = read(json!({ "target": target })).with_server("s".into());
            assert_eq!(recorded.server(), expected, "{target}");
        }
    }
}
