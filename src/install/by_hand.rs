//! Commands that remove an object which an uninstall leaves in place: nothing of ours removes it afterwards.

use std::collections::BTreeMap;

use crate::kubernetes::object::ObjectRef;
use crate::targets::{Place, Protected};
use crate::text::CommandLine;

/// The commands that remove these objects from a cluster, one for each kind and namespace. In a directory everybody knows how
/// to remove a file.
pub(super) fn removing(objects: &[ObjectRef], place: &Place) -> Vec<CommandLine> {
    let Place::Cluster { kubeconfig, context, .. } = place else { return Vec::new() };
    let mut lines: BTreeMap<(Protected, Option<&str>), CommandLine> = BTreeMap::new();
    for object in objects {
        let Some(kind) = Protected::of(object) else { continue };
        let begun = lines.remove(&(kind, object.namespace.as_deref()));
        let line = begun.unwrap_or_else(|| CommandLine::of(command(kind))).word(&object.name);
        lines.insert((kind, object.namespace.as_deref()), line);
    }
    let whole = |((_, namespace), line): ((Protected, Option<&str>), CommandLine)| {
        let line = with(line, "--kubeconfig", kubeconfig.as_ref().map(|file| file.display()));
        let line = with(line, "--context", context.as_ref());
        with(line, "-n", namespace)
    };
    lines.into_iter().map(whole).collect()
}

fn command(kind: Protected) -> &'static str {
    match kind {
        Protected::Crds => "kubectl delete crd",
        Protected::Namespaces => "kubectl delete namespace",
        Protected::Pvcs => "kubectl delete pvc",
    }
}

fn with(line: CommandLine, flag: &'static str, value: Option<impl std::fmt::Display>) -> CommandLine {
    match value {
        Some(value) => line.own(flag).word(value),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_can_be_removed_by_a_line_that_is_pasted() {
        let claim = |namespace: &str, name: &str| {
            ObjectRef::new("v1", "PersistentVolumeClaim", Some(namespace), name)
        };
        let crd = "CustomResourceDefinition";
        let definition = ObjectRef::new("apiextensions.k8s.io/v1", crd, None, "things.example.com");
        let secret = ObjectRef::new("v1", "Secret", Some("prod"), "kept");
        let objects =
            [claim("prod", "data-0"), secret, claim("dev", "x"), claim("prod", "data-1"), definition];
        let place = Place::cluster().reached_by(Some("/k y".into()), Some("it's".into()));
        assert_eq!(
            removing(&objects, &place),
            [
                r"kubectl delete crd things.example.com --kubeconfig '/k y' --context 'it'\''s'",
                r"kubectl delete pvc x --kubeconfig '/k y' --context 'it'\''s' -n dev",
                r"kubectl delete pvc data-0 data-1 --kubeconfig '/k y' --context 'it'\''s' -n prod",
            ]
        );
        assert_eq!(removing(&[claim("a", "b")], &Place::cluster()), ["kubectl delete pvc b -n a"]);
        assert!(removing(&objects, &Place::directory("/rendered")).is_empty());
    }
}
