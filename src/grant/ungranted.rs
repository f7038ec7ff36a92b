//! The part of a bundle's requests that is not granted, and whether a run may start all the same.

use std::collections::BTreeSet;

use crate::bundle::Bundle;
use crate::bundle::component::Component;
use crate::capability::template::Names;
use crate::capability::{Capabilities, Requests};
use crate::text::CommandLine;

use super::denial::Shortfall;
use super::refused::Refused;
use super::spec::{GrantSpec, InvalidGrant};
use super::{allowed, check_imports};

/// The requests that are not granted and do not keep a run from starting, as flags that would grant them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ungranted {
    /// The rest of requests that the bundle cannot do without, and of which a part is granted.
    pub required: Vec<CommandLine>,
    /// Those that it can do without.
    pub optional: Vec<CommandLine>,
}

/// Makes the checks of [`Granted::new`](super::Granted::new) for somebody who is still deciding, about a bundle that nobody vouches for:
/// nothing may be done by it. Returns what is not granted all the same.
///
/// # Errors
/// [`Shortfall`] as for [`Granted::new`](super::Granted::new).
pub fn shortfall(
    bundle: &Bundle,
    component: &Component,
    grant: &GrantSpec,
    names: &Names,
) -> Result<Ungranted, Shortfall> {
    let requests = Requests::of(bundle)?;
    check_imports(component, &requests)?;
    let (allowed, refused) = (allowed(grant, names)?, Refused::resolve(grant, names)?);
    grant.limits.resolve().map_err(InvalidGrant::from)?;
    check_required(&requests, names, &allowed, &refused)?;
    let required = refused.missing(&allowed, &requests.required(names)?);
    let mut optional = refused.missing(&allowed, &requests.all(names)?);
    let are_required: BTreeSet<_> = required.iter().collect();
    optional.retain(|line| !are_required.contains(line));
    Ok(Ungranted { required, optional })
}

/// Checks that of each request that the bundle cannot do without something is granted.
pub(super) fn check_required(
    requests: &Requests,
    names: &Names,
    allowed: &Capabilities,
    refused: &Refused,
) -> Result<(), Shortfall> {
    let (mut missing, mut told) = (Vec::new(), BTreeSet::new());
    for wanted in requests.required_each(names)? {
        if !refused.leaves_any(&wanted.intersect(allowed)) {
            let lines = refused.missing(allowed, &wanted);
            missing.extend(lines.into_iter().filter(|line| told.insert(line.clone())));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Shortfall::Missing(missing)) }
}
