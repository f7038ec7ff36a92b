//! Where credentials go from the Secrets that they are placed in: who mounts or reads those Secrets, and with which
//! image.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::trace::ObjectChange;
use crate::text::counted;

use super::accounts::Rbac;
use super::pods::{Container, PodView};
use super::untyped::{cut, items, members, quoted, text};
use super::{ClusterContext, Item, beside};

/// The most readers of one credential that are listed. The rest is counted.
const MAX_READERS: usize = 100;

/// The most uses of Secrets that are looked at in one plan. Without it, thousands of pods that read thousands of
/// Secrets would be listed for each.
const MAX_USES: usize = 20_000;

/// The longest text in a row, in characters.
const MAX_TEXT: usize = 300;

/// Something that gets at a credential.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CredentialReader {
    /// Which object.
    pub object: String,
    /// The image that the credential is handed to, if it is handed to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How it gets there.
    pub how: String,
}

/// A Secret, by namespace and name.
type Name<'a> = (&'a str, &'a str);

/// The keys of a Secret that a reader gets to see; all where none are named.
type Keys<'a> = Option<Rc<BTreeSet<&'a str>>>;

/// Who reads each credential of the plan.
pub(in crate::plan) fn readers<R: Borrow<ObjectChange>>(
    changes: &[R],
    context: &ClusterContext,
) -> BTreeMap<String, Vec<CredentialReader>> {
    let placed = changes.iter().map(Borrow::borrow).filter(|row| !row.placements.is_empty());
    let secrets: BTreeSet<Name<'_>> = placed
        .map(|row| (row.object.namespace.as_deref().unwrap_or_default(), row.object.name.as_str()))
        .collect();
    if secrets.is_empty() {
        return BTreeMap::new();
    }
    let users = Users::new(changes, context, &secrets).found();
    let mut readers = BTreeMap::<String, BTreeSet<CredentialReader>>::new();
    for row in changes.iter().map(Borrow::borrow) {
        let name = (row.object.namespace.as_deref().unwrap_or_default(), row.object.name.as_str());
        for (key, credentials) in &row.placements {
            let of_key = users.found.get(&name).into_iter().flatten();
            let of_key =
                of_key.filter(|(_, keys)| keys.as_ref().is_none_or(|keys| keys.contains(key.as_str())));
            for (reader, _) in of_key {
                credentials.iter().for_each(|credential| {
                    readers.entry(credential.clone()).or_default().insert(reader.clone());
                });
            }
        }
    }
    readers.into_iter().map(|(name, readers)| (name, bounded(readers, users.omitted))).collect()
}

fn bounded(readers: BTreeSet<CredentialReader>, omitted: usize) -> Vec<CredentialReader> {
    let omitted = omitted + readers.len().saturating_sub(MAX_READERS);
    let mut shown: Vec<_> = readers.into_iter().take(MAX_READERS).collect();
    if omitted > 0 {
        shown.push(CredentialReader {
            object: "the plan".into(),
            image: None,
            how: format!("there may be {}", counted(omitted, "more reader")),
        });
    }
    shown
}

/// The search for those who use certain Secrets.
struct Users<'a> {
    items: Vec<Item<'a>>,
    rbac: Rbac<'a>,
    secrets: &'a BTreeSet<Name<'a>>,
    found: BTreeMap<Name<'a>, Vec<(CredentialReader, Keys<'a>)>>,
    count: usize,
    /// The number of readers left out because of the limit.
    omitted: usize,
}

impl<'a> Users<'a> {
    fn new(
        changes: &'a [impl Borrow<ObjectChange>],
        context: &'a ClusterContext,
        secrets: &'a BTreeSet<Name<'a>>,
    ) -> Self {
        let items = super::items(changes.iter().map(Borrow::borrow), |row| row.after.as_ref());
        let rbac = Rbac::new(&items, &beside(changes, context), context.coverage);
        Self { items, rbac, secrets, found: BTreeMap::new(), count: 0, omitted: 0 }
    }

    fn found(mut self) -> Self {
        for item in self.items.clone() {
            for pod in PodView::all(&item) {
                pod.containers().for_each(|container| self.environment(&item, container));
                self.volumes(&item, &pod);
                self.pulls(&item, &pod);
                self.through_the_api(&item, &pod);
            }
            self.certificates(&item);
            self.mentions(&item);
        }
        self
    }

    fn note(&mut self, item: &Item<'a>, secret: &'a str, keys: Keys<'a>, image: Option<&str>, how: &str) {
        self.add(item, (item.object.namespace.as_deref().unwrap_or_default(), secret), keys, image, how);
    }

    fn add(&mut self, item: &Item<'a>, secret: Name<'a>, keys: Keys<'a>, image: Option<&str>, how: &str) {
        if !self.secrets.contains(&secret) {
            return;
        }
        if self.count >= MAX_USES {
            self.omitted += 1;
            return;
        }
        self.count += 1;
        let image = image.map(|image| cut(image, MAX_TEXT));
        let reader = CredentialReader { object: item.object.to_string(), image, how: cut(how, MAX_TEXT) };
        self.found.entry(secret).or_default().push((reader, keys));
    }

    fn environment(&mut self, item: &Item<'a>, container: Container<'a>) {
        let (image, of) = (text(container.body, "/image"), quoted(container.name));
        for variable in items(container.body, "/env") {
            if let Some(secret) = text(variable, "/valueFrom/secretKeyRef/name") {
                let keys = text(variable, "/valueFrom/secretKeyRef/key").map(|key| Rc::new([key].into()));
                let name = quoted(text(variable, "/name").unwrap_or("?"));
                self.note(
                    item,
                    secret,
                    keys,
                    image,
                    &format!("environment variable {name} of container {of}"),
                );
            }
        }
        for source in items(container.body, "/envFrom") {
            if let Some(secret) = text(source, "/secretRef/name") {
                self.note(item, secret, None, image, &format!("environment of container {of}"));
            }
        }
    }

    fn volumes(&mut self, item: &Item<'a>, pod: &PodView<'a>) {
        let mut mounts = mounts(pod);
        for volume in items(pod.spec, "/volumes") {
            // Each mount is for one volume: a second one of the same name has none.
            let mounts = mounts.remove(text(volume, "/name").unwrap_or("?")).unwrap_or_default();
            self.volume(item, volume, &mounts);
        }
    }

    fn volume(&mut self, item: &Item<'a>, volume: &'a Value, mounts: &[(Container<'a>, &'a str)]) {
        let name = quoted(text(volume, "/name").unwrap_or("?"));
        let projected = items(volume, "/projected/sources")
            .filter_map(|source| Some((text(source, "/secret/name")?, source.get("secret")?)));
        let whole = text(volume, "/secret/secretName").zip(volume.get("secret"));
        for (secret, source) in projected.chain(whole) {
            let keys = || Rc::new(items(source, "/items").filter_map(|it| text(it, "/key")).collect());
            let keys = source.get("items").map(|_| keys());
            if mounts.is_empty() {
                self.note(item, secret, keys, None, &format!("volume {name}"));
                continue;
            }
            if self.count >= MAX_USES {
                self.omitted += mounts.len();
                continue;
            }
            for (container, place) in mounts {
                let how = format!("files at {} in container {}", quoted(place), quoted(container.name));
                self.note(item, secret, keys.clone(), text(container.body, "/image"), &how);
            }
        }
        // Drivers of storage get Secrets of their own.
        for (kind, source) in members(volume, "").filter(|(kind, _)| !["projected", "secret"].contains(kind))
        {
            for (secret, _) in named_in(source) {
                self.note(
                    item,
                    secret,
                    None,
                    None,
                    &format!("volume {name}, by its driver {}", quoted(kind)),
                );
            }
        }
    }

    fn pulls(&mut self, item: &Item<'a>, pod: &PodView<'a>) {
        for secret in items(pod.spec, "/imagePullSecrets").filter_map(|it| text(it, "/name")) {
            self.note(item, secret, None, None, "pulls its images with it");
        }
        let account = (item.object.namespace.clone().unwrap_or_default(), pod.account().to_owned());
        let Some(body) = self.rbac.account(&account) else { return };
        for secret in items(body, "/imagePullSecrets").filter_map(|it| text(it, "/name")) {
            let how = format!("pulls its images with it, through the service account {}", quoted(&account.1));
            self.note(item, secret, None, None, &how);
        }
    }

    fn through_the_api(&mut self, item: &Item<'a>, pod: &PodView<'a>) {
        let Some(account) = self.rbac.carried(item, pod) else { return };
        let may_read = |(namespace, name): &&Name<'a>| self.rbac.reads_secret(&account, namespace, name);
        let readable: Vec<_> = self.secrets.iter().filter(may_read).copied().collect();
        let how = format!(
            "through the API, as service account {}",
            quoted(&format!("{}/{}", account.0, account.1))
        );
        for secret in readable {
            for container in pod.containers() {
                self.add(item, secret, None, text(container.body, "/image"), &how);
            }
        }
    }

    fn certificates(&mut self, item: &Item<'a>) {
        if item.object.kind == "Ingress" {
            for secret in items(item.body, "/spec/tls").filter_map(|tls| text(tls, "/secretName")) {
                self.note(item, secret, None, None, "is its TLS certificate");
            }
        }
        if item.object.group() == "gateway.networking.k8s.io" {
            let listeners = items(item.body, "/spec/listeners");
            for reference in listeners.flat_map(|listener| items(listener, "/tls/certificateRefs")) {
                if let Some(secret) = text(reference, "/name") {
                    self.note(item, secret, None, None, "is its TLS certificate");
                }
            }
        }
    }

    /// Objects of kinds that are not Kubernetes' own, where a member says plainly that it names a Secret.
    fn mentions(&mut self, item: &Item<'a>) {
        let is_known = crate::kubernetes::resource::builtin(item.object.group(), &item.object.kind).is_some();
        let parts =
            members(item.body, "").filter(|(name, _)| !is_known && !["metadata", "status"].contains(name));
        for (part, value) in parts {
            for (secret, member) in named_in(value) {
                let how = format!("is named at {} of its `{}`", quoted(member), cut(part, 50));
                self.note(item, secret, None, None, &how);
            }
        }
    }
}

/// The containers that mount each volume, and where.
fn mounts<'a>(pod: &PodView<'a>) -> BTreeMap<&'a str, Vec<(Container<'a>, &'a str)>> {
    let mut mounts = BTreeMap::<_, Vec<_>>::new();
    for container in pod.containers() {
        for mount in items(container.body, "/volumeMounts") {
            let place = text(mount, "/mountPath").unwrap_or("?");
            mounts.entry(text(mount, "/name").unwrap_or("?")).or_default().push((container, place));
        }
    }
    mounts
}

/// The names of Secrets below a value, each with the member that names it: `secretName: X`, `…SecretRef: {name: X}` and
/// `…SecretKeyRef: {name: X}`.
fn named_in(value: &Value) -> Vec<(&str, &str)> {
    let (mut names, mut left) = (Vec::new(), vec![value]);
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(of) => {
                for (member, value) in of {
                    let lower = member.to_ascii_lowercase();
                    let is_reference = ["secretref", "secretkeyref"].iter().any(|end| lower.ends_with(end));
                    let name = if lower.ends_with("secretname") { value.as_str() } else { None };
                    let name = name.or_else(|| text(value, "/name").filter(|_| is_reference));
                    names.extend(name.map(|name| (name, member.as_str())));
                    left.push(value);
                }
            }
            _ => {}
        }
    }
    names
}
