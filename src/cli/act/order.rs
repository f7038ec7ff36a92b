//! From what was typed, or decided before, to an operation that the library carries out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bundle::Bundle;
use crate::cli::acquire::UnsignedArgs;
use crate::cli::exit::Usage;
use crate::cli::inputs::consent::ConsentArgs;
use crate::grant::Consent;
use crate::grant::spec::GrantSpec;
use crate::host::Supplied;
use crate::install::{Mode, Operation};
use crate::plan::Plan;
use crate::targets::{Overrides, Place, Protected};

use super::args::{ChangeArgs, HomeArgs, InputArgs};

/// What an acting verb was asked for, before the target is known.
pub(in crate::cli) struct Asked<'a> {
    pub(in crate::cli) action: &'a str,
    pub(in crate::cli) name: &'a str,
    pub(in crate::cli) home: &'a HomeArgs,
    pub(in crate::cli) reference: String,
    pub(in crate::cli) consent: &'a ConsentArgs,
    pub(in crate::cli) inputs: &'a InputArgs,
    pub(in crate::cli) unsigned: UnsignedArgs,
    pub(in crate::cli) change: &'a ChangeArgs,
    pub(in crate::cli) mode: Mode,
    /// What was decided before, in the place of grants, parameters and overrides that are typed now.
    pub(in crate::cli) settled: Option<Settled>,
}

/// What a plan or an earlier revision settles.
pub(in crate::cli) struct Settled {
    pub(in crate::cli) parameters: BTreeMap<String, Value>,
    /// Parameters that have to be given again.
    pub(in crate::cli) secret_parameters: Vec<String>,
    pub(in crate::cli) terms: GrantSpec,
    pub(in crate::cli) overrides: Overrides,
    pub(in crate::cli) delete: BTreeSet<Protected>,
    pub(in crate::cli) dangers: Vec<String>,
    pub(in crate::cli) plan: Option<Box<Plan>>,
}

pub(super) fn operation(
    asked: &Asked<'_>,
    bundle: Option<&Bundle>,
    place: Place,
    namespace: String,
) -> anyhow::Result<Operation> {
    let change = asked.change;
    let settled = asked.settled.as_ref();
    let parameters = bundle.map(|bundle| parameters(asked, bundle)).transpose()?.unwrap_or_default();
    let credentials = bundle.filter(|_| asked.mode != Mode::Examine);
    let credentials =
        credentials.map(|bundle| asked.inputs.credentials.read(bundle, asked.action)).transpose()?;
    Ok(Operation {
        dangers: dangers(asked, &place),
        consent: settled.map_or_else(|| asked.consent.read(), |settled| Ok(settled.consent()))?,
        parameters,
        complete: settled.is_some(),
        confirmed: change.yes,
        plan: settled.and_then(|settled| settled.plan.clone()),
        credentials: Supplied::new(credentials.unwrap_or_default()),
        overrides: settled.map_or_else(|| change.overrides(), |settled| settled.overrides),
        wait: change.wait || !change.no_wait,
        timeout: change.timeout,
        refuse_powers: change.powers.refuse_powers,
        delete: settled.map_or_else(|| change.delete(), |settled| settled.delete.clone()),
        reference: asked.reference.clone(),
        identity: change.identity.identity(),
        ..Operation::new(asked.action, asked.name, &namespace, place)
    })
}

/// The parameters that are typed, or those that are settled and, typed again, the ones that are recorded nowhere.
fn parameters(asked: &Asked<'_>, bundle: &Bundle) -> anyhow::Result<BTreeMap<String, Value>> {
    let Some(settled) = &asked.settled else { return asked.inputs.parameters.read(bundle) };
    let is_secret = |name: &str| settled.secret_parameters.iter().any(|secret| secret == name);
    let secret = asked.inputs.parameters.read_those(bundle, is_secret)?;
    if let Some(missing) = settled.secret_parameters.iter().find(|name| !secret.contains_key(*name)) {
        let text = format!("the value of the parameter `{missing}` is recorded nowhere");
        return Err(Usage::new(text, format!("give it again: --param {missing}=…")).into());
    }
    Ok(settled.parameters.clone().into_iter().chain(secret).collect())
}

/// Whoever types a parameter that is settled expects it to count.
pub(in crate::cli) fn check_parameters(inputs: &InputArgs, secret: &[String]) -> anyhow::Result<()> {
    let given = inputs.parameters.names()?;
    match given.into_iter().find(|name| !secret.iter().any(|secret| secret == name)) {
        Some(name) => {
            let text = format!("the parameter `{name}` is settled already");
            Err(Usage::new(text, "leave it out, or use `carnet upgrade`").into())
        }
        None => Ok(()),
    }
}

fn dangers(asked: &Asked<'_>, place: &Place) -> Vec<String> {
    [
        (asked.unsigned.dangerous_unsigned, "--dangerous-unsigned"),
        (asked.consent.is_dangerous() || asked.settled.as_ref().is_some_and(Settled::is_wild), WILD),
        (place.has_plain_secrets(), PLAIN),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, flag)| flag.to_owned())
    .collect()
}

/// The flag that writes credentials into a directory.
pub(super) const PLAIN: &str = "--secrets plain";

/// The flag that accepts a bare `*` in a grant.
const WILD: &str = "--dangerous-wildcards";

impl Settled {
    fn consent(&self) -> Consent {
        Consent { terms: self.terms.clone(), dangerous_wildcards: self.is_wild(), ..Consent::default() }
    }

    fn is_wild(&self) -> bool {
        self.dangers.iter().any(|danger| danger == WILD)
    }
}
