//! Replaces objects whose immutable fields would change: removes them and creates them anew.
//!
//! Replacement is never a default. The operator asks for it (`--replace`), the grant has to allow removing the object
//! as well as applying it, and objects that hold data are never replaced.

use serde_json::Value;

use crate::grant::{Granted, after_delete};
use crate::host::told::CallError;
use crate::targets::{self, Awaited, Prepared, Recorded, Removed, check_replaceable};

use super::Acting;

impl Acting {
    /// Removes an object, waits until it is gone, and applies it. A run that is killed in between leaves a recorded
    /// object that does not exist; the next run creates it.
    pub(super) async fn replace(
        &mut self,
        prepared: &Prepared,
        refusal: targets::Error,
        fields: &[String],
        granted: &Granted,
    ) -> Result<Recorded, CallError> {
        let object = prepared.object();
        // An object that did not exist when the run was planned is not removed.
        let Some(seen) = self.seen.remove(&object.id()) else { return Err(refusal.into()) };
        check_replaceable(object, &seen, fields)?;
        self.remove_for_replacement(prepared, &seen, granted).await?;
        let applied = self.site.apply(prepared, None).await;
        let (_, recorded) =
            applied.map_err(|error| targets::Error::Unreplaced(object.to_string(), Box::new(error)))?;
        Ok(recorded)
    }

    async fn remove_for_replacement(
        &mut self,
        prepared: &Prepared,
        seen: &Value,
        granted: &Granted,
    ) -> Result<(), CallError> {
        let permit = granted.delete(prepared.object().clone())?;
        // The recorded UID becomes stale here: the new object will have another.
        let anew = prepared.recorded();
        self.ledger.intend(std::slice::from_ref(&anew))?;
        let removed = self.site.delete(&permit, Some(seen)).await?;
        self.site.record(std::slice::from_ref(&anew));
        let Removed::Going(uid) = removed else { return Ok(()) };
        let waiter = self.site.waiter(self.site.waiting().until);
        match waiter.settle(vec![Awaited::Gone(after_delete(&permit), uid)]).await?.first() {
            Some(late) => Err(targets::Error::held(late.row().object.to_string(), &late.row().why).into()),
            None => Ok(()),
        }
    }
}
