//! Where a run writes down what it does: which revision recorded an object first, and what an action of the bundle's own
//! makes as that action's.

use crate::bundle::is_own_action;
use crate::kubernetes::object::ObjectRef;
use crate::targets::{Error, Ledger, MadeBy, Recorded};

use super::run::Run;

/// Records objects with the run that they come of.
struct MarkingLedger {
    ledger: Box<dyn Ledger>,
    /// The revision of the run.
    revision: String,
    /// The action of the bundle's own that it is.
    action: Option<String>,
}

impl Run<'_> {
    /// The record of the installation's objects, as this action writes it.
    pub(super) fn marking(&self, ledger: Box<dyn Ledger>) -> Box<dyn Ledger> {
        let action = &self.operation.action;
        let is_own = is_own_action(action);
        Box::new(MarkingLedger { ledger, revision: self.revision(), action: is_own.then(|| action.clone()) })
    }
}

impl MarkingLedger {
    fn marked(&self, objects: &[Recorded]) -> Vec<Recorded> {
        let run = |action: &String| MadeBy { action: action.clone(), revision: self.revision.clone() };
        let mark = |recorded: &Recorded| Recorded {
            made_by: self.action.as_ref().map(|action| Box::new(run(action))),
            since: Some(self.revision.as_str().into()),
            ..recorded.clone()
        };
        objects.iter().map(mark).collect()
    }
}

impl Ledger for MarkingLedger {
    fn intend(&mut self, objects: &[Recorded]) -> Result<(), Error> {
        let marked = self.marked(objects);
        self.ledger.intend(&marked)
    }

    fn applied(&mut self, objects: &[Recorded]) -> Result<(), Error> {
        let marked = self.marked(objects);
        self.ledger.applied(&marked)
    }

    fn removed(&mut self, object: &ObjectRef) -> Result<(), Error> {
        self.ledger.removed(object)
    }
}
