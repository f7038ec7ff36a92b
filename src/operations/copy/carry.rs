//! Takes along what a bundle depends on: into the same layout or archive, each under its whole name at its registry, which is how
//! it is found there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bundle::dependencies::{self, Dependency};
use crate::bundle::index::tag_of;
use crate::digest::Digest;
use crate::fetch::{FetchError, Fetched, Located, locate};
use crate::oci::registry::RegistryClient;
use crate::oci::{Absent, CopyObserver, Repository, copy_graph};
use crate::operations::dependencies::{MAX_BUNDLES, MAX_DEPTH, find, repository};
use crate::operations::{DependencyError, Error};
use crate::reference::Reference;

use super::Carries;

/// A bundle that another depends on, and where it is after a copy of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CarriedDependency {
    /// The place that its author gives it.
    pub bundle: String,
    /// The version that went along. None: it stays where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A dependency that is to go along, and where the bundle is that needs it.
type Wanted = (String, Dependency, Reference);

/// Copies what a bundle depends on, and what those depend on, into the place where its copy is.
pub(super) async fn carry(
    fetched: &Fetched,
    target: &mut Repository,
    carries: Carries,
    registries: &Arc<RegistryClient>,
    observer: &Arc<dyn CopyObserver>,
) -> Result<Vec<CarriedDependency>, Error> {
    let mut left = wanted_by(fetched)?;
    if carries == Carries::Alone || matches!(target, Repository::Registry(_)) {
        let stays = |(_, dependency, _): Wanted| CarriedDependency {
            bundle: dependency.bundle,
            version: None,
            digest: None,
        };
        return Ok(left.into_iter().map(stays).collect());
    }
    let (mut carried, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some((name, dependency, beside)) = left.pop_front() {
        let failed = |error| Error::OfDependency {
            dependency: name.clone(),
            installation: None,
            source: Box::new(error),
        };
        let reference = find(&name, &dependency, &beside, registries).await.map_err(failed)?;
        let located = locate(&reference, registries).await.map_err(|error| failed(error.into()))?;
        if !seen.insert(located.index.digest) {
            continue;
        }
        // Bundles that depend on each other in a circle come by once.
        if seen.len() > MAX_BUNDLES {
            return Err(DependencyError::TooMany { bundles: MAX_BUNDLES, depth: MAX_DEPTH }.into());
        }
        let needed = located.fetched().await.map_err(|error| failed(error.into()))?;
        let Located { repository: from, index, .. } = located;
        copy_graph(&index, &from, target, Absent::LeftOut, observer).await.map_err(FetchError::from)?;
        let version = needed.bundle().version().to_string();
        let whole = format!("{}:{}", repository(&dependency), tag_of(&version));
        target.tag(&whole, &index).await.map_err(FetchError::from)?;
        left.extend(wanted_by(&needed)?);
        let (bundle, digest) = (repository(&dependency).to_owned(), Some(index.digest));
        carried.push(CarriedDependency { bundle, version: Some(version), digest });
    }
    Ok(carried)
}

fn wanted_by(fetched: &Fetched) -> Result<VecDeque<Wanted>, Error> {
    let mut dependencies = dependencies::of(fetched.bundle()).map_err(DependencyError::Invalid)?;
    let order: Vec<_> = dependencies.order().into_iter().map(str::to_owned).collect();
    let wanted = |name: String| {
        let dependency = dependencies.requires.remove(&name)?;
        Some((name, dependency, fetched.reference().clone()))
    };
    Ok(order.into_iter().filter_map(wanted).collect())
}
