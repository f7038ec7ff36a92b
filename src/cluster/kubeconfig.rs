//! Reads kubeconfig files, and finds what is wrong with a context before anything is made of it.
//!
//! A fault is told by file, context and member. Nothing of a value is: most of them are secret, and a parser
//! would print the lines around a fault.

use std::path::{Path, PathBuf};

use kube::config::{Cluster, Kubeconfig};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::document::{self, shortened};

use super::file::read;

mod checks;

use checks::{Fault, check_cluster, check_context, check_user};

/// The longest kubeconfig that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// The longest name of a context, a cluster or a user that is shown, in characters.
const MAX_NAME: usize = 100;

/// Why a kubeconfig cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKubeconfig {
    /// It has no such context, or the context leads nowhere.
    #[error("{0}")]
    Context(String),
    /// It is no kubeconfig.
    #[error("`{}` is not a valid document{}", .file.display(), at(.line))]
    Document {
        /// The file.
        file: PathBuf,
        /// The line of the fault.
        line: Option<u64>,
    },
    /// A member that cannot be used.
    #[error("`{}`: context `{context}`: `{member}` {why}", .file.display())]
    Member {
        /// The file.
        file: PathBuf,
        /// The context.
        context: String,
        /// The member.
        member: String,
        /// Its fault.
        why: String,
    },
    /// It cannot be read.
    #[error("`{}` cannot be read: {why}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
}

/// Kubeconfig files, the first of which has the last word.
pub(super) struct Kubeconfigs(Vec<(PathBuf, Kubeconfig)>);

/// A context, with what it names.
pub(super) struct Chosen<'a> {
    file: &'a Path,
    /// The name of the context.
    pub(super) name: String,
    pub(super) cluster: &'a Cluster,
}

/// Checks the text of a kubeconfig as if each of its contexts were chosen. Connects to nothing and runs no plugin.
///
/// # Ambient Authority
/// Looks whether the files that the text names can be read.
///
/// # Errors
/// [`InvalidKubeconfig`] with the first member that cannot be used.
pub fn check_kubeconfig(text: &str) -> Result<(), InvalidKubeconfig> {
    let file = PathBuf::from("kubeconfig");
    let kubeconfig = parsed_text(&file, text)?;
    let names: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
    let files = Kubeconfigs(vec![(file, kubeconfig)]);
    names.iter().try_for_each(|name| files.choose(Some(name)).map(drop))
}

impl Kubeconfigs {
    /// The names of all contexts.
    pub(super) fn contexts(&self) -> Vec<String> {
        self.0.iter().flat_map(|(_, file)| &file.contexts).map(|context| context.name.clone()).collect()
    }

    /// Reads these files.
    ///
    /// # Errors
    /// [`InvalidKubeconfig`] with the one that cannot be read.
    pub(super) fn read(files: impl IntoIterator<Item = PathBuf>) -> Result<Self, InvalidKubeconfig> {
        files
            .into_iter()
            .map(|file| parsed(&file).map(|parsed| (file, parsed)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// All of them as one.
    ///
    /// # Errors
    /// [`InvalidKubeconfig::Context`] where they are of different kinds.
    pub(super) fn merged(&self) -> Result<Kubeconfig, InvalidKubeconfig> {
        let unlike = |_| none("the files of KUBECONFIG are of different kinds or versions".into());
        let merge = |merged: Kubeconfig, (_, next): &(PathBuf, Kubeconfig)| merged.merge(next.clone());
        self.0.iter().try_fold(Kubeconfig::default(), merge).map_err(unlike)
    }

    /// Finds the context, and checks every member of it that is used.
    ///
    /// # Errors
    /// [`InvalidKubeconfig`] with the member.
    pub(super) fn choose(&self, named: Option<&str>) -> Result<Chosen<'_>, InvalidKubeconfig> {
        let current = self.0.iter().find_map(|(_, it)| it.current_context.as_deref());
        let name =
            named.or(current).ok_or_else(|| none("no context is named, and none is current".into()))?;
        let (file, context) = self
            .find(|it| it.contexts.iter().find(|it| it.name == name)?.context.as_ref())
            .ok_or_else(|| none(format!("there is no context `{}`", shown(name))))?;
        check_context(context).map_err(fault(file, name, "contexts", name))?;
        let (from, cluster) = self
            .find(|it| it.clusters.iter().find(|it| it.name == context.cluster)?.cluster.as_ref())
            .ok_or_else(|| {
                none(format!(
                    "the context `{}` names the cluster `{}`, which is not there",
                    shown(name),
                    shown(&context.cluster)
                ))
            })?;
        check_cluster(cluster).map_err(fault(from, name, "clusters", &context.cluster))?;
        let user = context.user.as_deref().unwrap_or_default();
        // As for kubectl, a user that is not there is nobody.
        if let Some((from, info)) =
            self.find(|it| it.auth_infos.iter().find(|it| it.name == user)?.auth_info.as_ref())
        {
            check_user(info).map_err(fault(from, name, "users", user))?;
        }
        Ok(Chosen { file, name: shown(name), cluster })
    }

    fn find<'a, T>(&'a self, wanted: impl Fn(&'a Kubeconfig) -> Option<&'a T>) -> Option<(&'a Path, &'a T)> {
        self.0.iter().find_map(|(file, kubeconfig)| Some((file.as_path(), wanted(kubeconfig)?)))
    }
}

impl Chosen<'_> {
    /// A fault that shows only when a client is made of the context.
    pub(super) fn fault(&self, member: &str, why: impl Into<String>) -> InvalidKubeconfig {
        InvalidKubeconfig::Member {
            file: self.file.to_owned(),
            context: self.name.clone(),
            member: member.into(),
            why: why.into(),
        }
    }
}

fn parsed(file: &Path) -> Result<Kubeconfig, InvalidKubeconfig> {
    let unreadable = |error: std::io::Error| InvalidKubeconfig::Unreadable {
        file: file.to_owned(),
        why: error.to_string(),
    };
    parsed_text(file, &read(file, MAX_BYTES).map_err(unreadable)?)
}

fn parsed_text(file: &Path, text: &str) -> Result<Kubeconfig, InvalidKubeconfig> {
    let parsed = Kubeconfig::from_yaml(text).or_else(|error| without_unset(text).ok_or(error));
    let mut kubeconfig = parsed.map_err(|error| InvalidKubeconfig::Document {
        file: file.to_owned(),
        line: match error {
            kube::config::KubeconfigError::Parse(error) => error.location().map(|place| place.line()),
            _ => None,
        },
    })?;
    unwrap_data(&mut kubeconfig);
    drop_empty(&mut kubeconfig);
    let directory = file.parent().unwrap_or(Path::new(""));
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|it| it.cluster.as_mut()) {
        placed(&mut cluster.certificate_authority, directory);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        placed(&mut user.client_certificate, directory);
        placed(&mut user.client_key, directory);
        placed(&mut user.token_file, directory);
        // A bare name is looked for in PATH.
        if let Some(exec) = user.exec.as_mut().filter(|exec| exec.command.iter().any(|it| it.contains('/'))) {
            placed(&mut exec.command, directory);
        }
    }
    Ok(kubeconfig)
}

/// The kubeconfig without members that are null, or empty where only words are expected: to kubectl these are not set.
fn without_unset(text: &str) -> Option<Kubeconfig> {
    let mut value = document::yaml(text).ok()?;
    drop_null(&mut value);
    for user in value.get_mut("users").and_then(Value::as_array_mut).into_iter().flatten() {
        let exec = user.pointer_mut("/user/exec").and_then(Value::as_object_mut);
        if let Some(exec) = exec
            && exec.get("interactiveMode").and_then(Value::as_str) == Some("")
        {
            exec.remove("interactiveMode");
        }
    }
    serde_json::from_value(value).ok()
}

fn drop_null(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_null);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null),
        _ => {}
    }
}

/// Takes the line breaks and blanks out of base64, as `base64` without `-w0` writes it.
fn unwrap_data(kubeconfig: &mut Kubeconfig) {
    let without = |text: &str| text.split_ascii_whitespace().collect::<String>();
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|it| it.cluster.as_mut()) {
        let data = &mut cluster.certificate_authority_data;
        *data = data.as_deref().map(without);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        user.client_certificate_data = user.client_certificate_data.as_deref().map(without);
        let key = user.client_key_data.take();
        user.client_key_data = key.map(|key| without(key.expose_secret()).into());
    }
}

/// Removes members that are empty: to kubectl these are not set, so that one hides nothing that stands beside it.
fn drop_empty(kubeconfig: &mut Kubeconfig) {
    let set = |text: &mut Option<String>| *text = text.take().filter(|text| !text.is_empty());
    let set_secret = |text: &mut Option<SecretString>| {
        *text = text.take().filter(|text| !text.expose_secret().is_empty());
    };
    set(&mut kubeconfig.current_context);
    for context in kubeconfig.contexts.iter_mut().filter_map(|it| it.context.as_mut()) {
        set(&mut context.user);
        set(&mut context.namespace);
    }
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|it| it.cluster.as_mut()) {
        set(&mut cluster.server);
        set(&mut cluster.tls_server_name);
        set(&mut cluster.proxy_url);
        set(&mut cluster.certificate_authority);
        set(&mut cluster.certificate_authority_data);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        set(&mut user.username);
        // Without a name a password is none, and a name goes with an empty password.
        user.password = user.username.as_ref().and(user.password.take().or(Some(String::new().into())));
        set_secret(&mut user.token);
        set(&mut user.token_file);
        set(&mut user.client_certificate);
        set(&mut user.client_certificate_data);
        set(&mut user.client_key);
        set_secret(&mut user.client_key_data);
        set(&mut user.impersonate);
        set(&mut user.impersonate_uid);
        if let Some(exec) = user.exec.as_mut() {
            set(&mut exec.api_version);
            set(&mut exec.command);
            set(&mut exec.install_hint);
        }
    }
}

/// A path as it is from where the kubeconfig lies.
fn placed(path: &mut Option<String>, directory: &Path) {
    let whole = path.as_ref().and_then(|path| directory.join(path).to_str().map(str::to_owned));
    if whole.is_some() {
        *path = whole;
    }
}

fn fault(file: &Path, context: &str, list: &str, entry: &str) -> impl Fn(Fault) -> InvalidKubeconfig {
    move |(member, why)| InvalidKubeconfig::Member {
        file: file.to_owned(),
        context: shown(context),
        member: format!("{list}[{}].{member}", shown(entry)),
        why: why.into(),
    }
}

fn none(what: String) -> InvalidKubeconfig {
    InvalidKubeconfig::Context(what)
}

fn shown(name: &str) -> String {
    shortened(name, MAX_NAME)
}

fn at(line: &Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

#[cfg(test)]
mod tests;
