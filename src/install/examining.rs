//! Looks at what the plan of a comparison does not show: objects that no step is about, fields of others, readiness, inputs.

use std::borrow::Cow;

use serde_json::Value;

use crate::cluster::concurrent;
use crate::digest::Digest;
use crate::grant::recorded::RecordedObject;
use crate::host::pass::Site;
use crate::host::{InputFiles, current};
use crate::kubernetes::object::ObjectRef;
use crate::kubernetes::objects::Objects;
use crate::kubernetes::readiness::Readiness;
use crate::plan::foreign::Foreign;
use crate::plan::trace::Trace;
use crate::state::{Installation, RecordedFile};
use crate::targets::{self, Sight, Target};

use super::removal::PlannedRemoval;
use super::run::Run;
use super::{ChangedInput, Error, Examined, ObjectReason};

impl Run<'_> {
    /// Looks at what the plan of a comparison does not show.
    pub(super) async fn examined(
        &self,
        site: &mut Site,
        (trace, files): (&Trace, &InputFiles),
        removals: &[PlannedRemoval],
    ) -> Result<Examined, Error> {
        let mut found = Found::default();
        let mut examined = Examined { inputs: self.changed_inputs(files), ..Examined::default() };
        for row in trace.changes.iter() {
            found.note(&row.object, row.before.as_ref().map(Cow::Borrowed));
        }
        for removal in removals {
            found.note(removal.recorded.object(), removal.found.as_ref().map(Cow::Borrowed));
            if let Some(left) = removal.left() {
                examined.unknown.push(ObjectReason { object: left.object, reason: left.why });
            }
        }
        let recorded = self.earlier.map(Installation::recorded).unwrap_or_default();
        let rest: Vec<_> = recorded.into_iter().filter(|it| !found.knows(it.object())).collect();
        examined.look_at_rest(site, rest, !trace.refused.is_empty(), &mut found).await?;
        let there = found.there();
        // What is another's by now is compared with nothing: whoever reads a difference would put it right.
        if let Some(lost) = there.iter().find_map(|(object, live)| site.lost(object, live)) {
            return Err(lost.into());
        }
        examined.looked_at = found.looked_at();
        examined.unready = unready(site, &there).await?;
        if let Target::Cluster(cluster) = site.target() {
            examined.foreign = Foreign::of(&there, cluster.manager());
        }
        Ok(examined)
    }

    /// The operator's files that are not what they were when the component read them. Each is read behind a permit, as it was
    /// then.
    fn changed_inputs(&self, files: &InputFiles) -> Vec<ChangedInput> {
        let Some(granted) = self.actor.granted() else { return Vec::new() };
        let now = |file: &RecordedFile| {
            let content =
                granted.read(&file.name).ok().and_then(|permit| current(&permit, granted.limits().bytes));
            content.map(|content| Digest::of(content.as_bytes()))
        };
        let changed = |file: &RecordedFile| {
            let is = now(file);
            let compared = files.get(&file.name).flatten().map(|content| Digest::of(content.as_bytes()));
            let is_recorded = file.digest.is_none() || compared == file.digest;
            let (name, was) = (file.name.clone(), file.digest);
            (is != was).then_some(ChangedInput { name, was, is, is_recorded })
        };
        self.operation.files.iter().filter_map(changed).collect()
    }
}

impl Examined {
    /// Looks at objects on record that no step of the plan is about.
    async fn look_at_rest(
        &mut self,
        site: &mut Site,
        rest: Vec<RecordedObject>,
        has_refusals: bool,
        found: &mut Found<'_>,
    ) -> Result<(), Error> {
        for looked in site.look_all(rest).await? {
            let object = looked.recorded.object();
            let reason = match looked.sight {
                Ok(Sight::There(live)) => {
                    found.note(object, Some(Cow::Owned(live)));
                    if has_refusals {
                        self.not_compared.push(object.clone());
                    }
                    continue;
                }
                Ok(Sight::Absent) => {
                    found.note(object, None);
                    // An object that its controller removes is gone because it is done.
                    let is_done = site.inventory().find(object).is_some_and(|it| it.passing);
                    self.missing.extend((!is_done).then(|| object.clone()));
                    continue;
                }
                Ok(Sight::Unknown(why)) => format!("it may be there: {why}"),
                Err(error) => error.to_string(),
            };
            self.unknown.push(ObjectReason { object: object.clone(), reason });
        }
        Ok(())
    }
}

/// Objects as they were found. They may be long, so none of them is copied.
#[derive(Default)]
struct Found<'a>(Objects<(ObjectRef, Option<Cow<'a, Value>>)>);

impl<'a> Found<'a> {
    fn note(&mut self, object: &ObjectRef, live: Option<Cow<'a, Value>>) {
        self.0.insert(object, (object.clone(), live));
    }

    fn knows(&self, object: &ObjectRef) -> bool {
        self.0.get(object).is_some()
    }

    fn looked_at(&self) -> usize {
        self.0.iter().count()
    }

    fn there(&self) -> Vec<(&ObjectRef, &Value)> {
        self.0.iter().filter_map(|(object, live)| Some((object, live.as_deref()?))).collect()
    }
}

async fn unready(site: &Site, there: &[(&ObjectRef, &Value)]) -> Result<Vec<ObjectReason>, Error> {
    let mut judged = Vec::new();
    for (object, live) in there.iter().copied() {
        judged.push(async move {
            let reason = match site.target().judged(object, live, site.kinds()).await? {
                Readiness::Idle(_) | Readiness::Ready => None,
                Readiness::NotReady(why) | Readiness::Failed(why) => Some(why),
            };
            Ok::<_, targets::Error>(reason.map(|reason| ObjectReason { object: object.clone(), reason }))
        });
    }
    let judged = concurrent::collect(judged).await?;
    Ok(judged.into_iter().flatten().collect())
}
