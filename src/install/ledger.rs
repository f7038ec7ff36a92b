//! Where a run writes down what it does: what an action of the bundle's own makes is recorded as that action's.

use crate::kubernetes::object::ObjectRef;
use crate::targets::{Error, Ledger, MadeBy, Recorded};

use super::run::Run;

/// Records objects as those of an action.
struct ActionLedger {
    ledger: Box<dyn Ledger>,
    made_by: MadeBy,
}

impl Run<'_> {
    /// The record of the installation's objects, as this action writes it.
    pub(super) fn marking(&self, ledger: Box<dyn Ledger>) -> Box<dyn Ledger> {
        let action = self.operation.action.clone();
        if ["install", "upgrade", "uninstall"].contains(&action.as_str()) {
            return ledger;
        }
        Box::new(ActionLedger { ledger, made_by: MadeBy { action, revision: self.revision() } })
    }
}

impl ActionLedger {
    fn marked(&self, objects: &[Recorded]) -> Vec<Recorded> {
        let made_by = || Some(Box::new(self.made_by.clone()));
        objects.iter().map(|recorded| Recorded { made_by: made_by(), ..recorded.clone() }).collect()
    }
}

impl Ledger for ActionLedger {
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
