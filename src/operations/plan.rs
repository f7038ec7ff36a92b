//! Makes the plan of an install or an upgrade, without carrying it out.

use crate::install::{Mode, Outcome};
use crate::plan::Plan;

use super::act::on_bundle;
use super::{Document, Error, InstallRequest, Services};

impl Document for Plan {
    const KIND: &'static str = "Plan";
}

/// Plans, and changes nothing. It is the plan of an upgrade where there is an installation of this name, else of an
/// install.
///
/// # Errors
/// [`Error`], by stage. A plan that is refused for what it installs is in
/// [`install::Error::Powers`](crate::install::Error::Powers).
pub async fn plan(request: &InstallRequest, services: &Services<'_>) -> Result<Outcome, Error> {
    on_bundle(None, request, Mode::Plan, services).await?.run(services).await
}
