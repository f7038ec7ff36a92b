//! The rights that manifests take which somebody applies, waits for, changes and removes: without a run, and so without
//! knowing what is there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::capability::kubernetes::KubernetesScope;
use crate::kubernetes::kinds::Kinds;
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::rbac::{ApiVerb, Rights};
use crate::plan::trace::{GuardedStep, ObjectChange, Step, Trace};
use crate::plan::waits::Waits;
use crate::targets::Change;

use super::{Circumstances, needed};

/// The rights for objects that are to be made, and later changed and removed: each by its name, and what handing on
/// rights by roles and bindings among them takes. They are judged as if nothing was there.
pub(crate) fn of_manifests(objects: &[(ObjectRef, Value)], kinds: &Kinds) -> Rights {
    let mut trace = Trace::default();
    for (object, body) in objects {
        trace.guarded.push(guarded(object, body));
        let step = Step::of(object.clone());
        trace.steps.push((step, Some(Change::Create)));
        trace
            .changes
            .insert(object, ObjectChange::bare(object.clone(), Change::Create, None, Some(body.clone())));
    }
    let readable = KubernetesScope::default();
    let beside =
        Circumstances { readable: &readable, looked_for: &[], policies: &[], waits: Waits::Everything };
    let mut rights = needed(&trace, &[], &beside, kinds);
    for (object, _) in objects {
        rights.uses(object, kinds, &[ApiVerb::Get], "is compared with what is there");
        rights.uses(object, kinds, &[ApiVerb::Patch], "is changed");
        rights.uses(object, kinds, &[ApiVerb::Delete], "is removed");
    }
    rights
}

/// The namespaces that are among the objects.
pub(crate) fn namespaces_among(objects: &[(ObjectRef, Value)]) -> BTreeSet<String> {
    let namespaces = objects.iter().filter(|(object, _)| object.is("", "Namespace"));
    namespaces.map(|(object, _)| object.name.clone()).collect()
}

fn guarded(object: &ObjectRef, body: &Value) -> GuardedStep {
    GuardedStep {
        call: 0,
        object: object.clone(),
        change: Change::Create,
        before: None,
        after: Some(body.clone()),
        in_doubt: false,
    }
}
