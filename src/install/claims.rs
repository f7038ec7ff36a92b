//! The claims that StatefulSets have made: nobody's objects, which stay when the set goes, with the data in them.

use serde_json::Value;

use crate::grant::recorded::RecordedObject;
use crate::host::pass::Site;
use crate::kubernetes::api::APPS;
use crate::kubernetes::object::ObjectRef;
use crate::plan::trace::Trace;
use crate::state::Installation;
use crate::targets::{Change, Protected, Target};

use super::Error;
use super::removal::PlannedRemoval;
use super::run::Run;

/// The most claims that are looked for, of one template. Without it, a set with an absurd size would be asked about for
/// hours.
const MAX_CLAIMS: u64 = 1000;

impl Run<'_> {
    /// The claims of StatefulSets that are removed, by the component or after it: as further removals if the operator
    /// has claims removed, else with their sets. What cannot be read is not named, but what is to be removed has to be
    /// known.
    pub(super) async fn claims(
        &self,
        site: &Site,
        trace: &Trace,
        removals: &[PlannedRemoval],
    ) -> Result<(Vec<PlannedRemoval>, Vec<(ObjectRef, ObjectRef)>), Error> {
        let (mut removed, mut left) = (Vec::new(), Vec::new());
        if matches!(site.target(), Target::Directory(_)) {
            return Ok((removed, left));
        }
        let is_removed = self.operation.options.delete.contains(&Protected::Pvcs);
        let by_component = self.earlier.map(Installation::recorded).unwrap_or_default().into_iter();
        let by_component = by_component.filter_map(|recorded| {
            let row = trace.changes.get(recorded.object()).filter(|row| row.change == Change::Delete)?;
            Some((recorded, row.before.clone()?))
        });
        let after = removals.iter().filter(|it| it.recorded.object().is(APPS, "StatefulSet"));
        let after = after.filter_map(|it| Some((it.recorded.clone(), it.found.clone()?)));
        for (recorded, found) in by_component.chain(after).collect::<Vec<_>>() {
            let claims = match claims_of(site, &recorded, &found).await {
                Err(error) if is_removed => return Err(error),
                claims => claims.unwrap_or_default(),
            };
            if is_removed {
                removed.extend(claims);
            } else {
                let set = recorded.object();
                left.extend(claims.iter().map(|claim| (claim.recorded.object().clone(), set.clone())));
            }
        }
        Ok((removed, left))
    }
}

/// The claims that are there of a set that is removed.
async fn claims_of(
    site: &Site,
    recorded: &RecordedObject,
    set: &Value,
) -> Result<Vec<PlannedRemoval>, Error> {
    let number = |pointer: &str| set.pointer(pointer).and_then(Value::as_u64);
    let start = number("/spec/ordinals/start").unwrap_or_default();
    let size = number("/spec/replicas").unwrap_or(1);
    let mut claims = Vec::new();
    for template in 0.. {
        if recorded.possible_claim(set, template, start).is_none() {
            return Ok(claims);
        }
        for ordinal in (start..).take(usize::try_from(MAX_CLAIMS).unwrap_or(usize::MAX)) {
            let Some(claim) = recorded.possible_claim(set, template, ordinal) else { break };
            let Some(found) = site.get(&claim.get()).await? else {
                // A set that was larger once has left more of them.
                if ordinal >= start.saturating_add(size) {
                    break;
                }
                continue;
            };
            if let Some(claim) = claim.recognized(&found)
                && site.inventory().find(claim.object()).is_none()
            {
                claims.push(PlannedRemoval::found(claim, Some(found)));
            }
        }
    }
    Ok(claims)
}
