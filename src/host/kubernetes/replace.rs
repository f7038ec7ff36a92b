//! Replaces objects whose change touches fields that stay as they were created: removed, and made anew.
//!
//! Nobody gets this by accident. The operator asks for it (`--replace`), the grant has to allow removing the object as well
//! as applying it, and what holds data is never replaced.

use serde_json::Value;

use crate::host::wait::{Awaited, Waiter};
use crate::host::work::{Pass, Work};
use crate::targets::{self, Change, Prepared, Preview, Recorded, Removed, check_replaceable};

use super::{Kubernetes, Stop};

impl Kubernetes<'_> {
    /// Decides about a preview that is a replacement. One that this run has removed before is made anew anyway.
    pub(super) fn check_replacement(&self, prepared: &Prepared, preview: &mut Preview) -> Result<(), Stop> {
        let (object, Some(before)) = (prepared.object(), &preview.before) else { return Ok(()) };
        if preview.change != Change::Replace {
            return Ok(());
        }
        if self.work.overlaid(object) == Some(None) {
            preview.change = Change::Update;
            return Ok(());
        }
        check_replaceable(object, before, &preview.immutable)?;
        if self.work.overrides.replace {
            self.granted.delete(object.clone())?;
        }
        Ok(())
    }

    /// Removes an object, waits until it is gone, and applies it. A run that is killed in between leaves an object that is
    /// recorded and not there: the next one makes it.
    pub(super) async fn replace(
        &mut self,
        prepared: &Prepared,
        refusal: targets::Error,
        fields: &[String],
    ) -> Result<(Change, Recorded), Stop> {
        let object = prepared.object();
        // What nobody saw when this was planned is not removed.
        let Some(seen) = self.work.seen.remove(&object.to_string()) else { return Err(refusal.into()) };
        check_replaceable(object, &seen, fields)?;
        self.remove_for_replacement(prepared, &seen).await?;
        let Work { target, inventory, kinds, overrides, .. } = &mut *self.work;
        let applied = target.apply(prepared, None, inventory, kinds, *overrides).await;
        let (_, recorded) =
            applied.map_err(|error| targets::Error::Unreplaced(object.to_string(), Box::new(error)))?;
        Ok((Change::Replace, recorded))
    }

    async fn remove_for_replacement(&mut self, prepared: &Prepared, seen: &Value) -> Result<(), Stop> {
        let permit = self.granted.delete(prepared.object().clone())?;
        let Work { target, inventory, kinds, overrides, pass, watcher, waiting, .. } = &mut *self.work;
        // From here on the recorded identity would be that of another object.
        let anew = prepared.recorded();
        if let Pass::Acting { ledger, .. } = pass {
            ledger.intend(std::slice::from_ref(&anew))?;
        }
        let removed = target.delete(&permit, Some(seen), inventory, kinds, *overrides).await?;
        inventory.record(std::slice::from_ref(&anew));
        let Removed::Going(uid) = removed else { return Ok(()) };
        let waiter = Waiter { target, kinds, watcher: &**watcher, until: waiting.until };
        let late = waiter.settle(vec![Awaited::Gone(permit, uid)]).await?;
        match late.first() {
            Some(late) => Err(targets::Error::held(late.row().object.to_string(), &late.row().why).into()),
            None => Ok(()),
        }
    }
}
