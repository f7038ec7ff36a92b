//! The installations that an action's bundle depends on, as far as they are there, and what is taken from their outputs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::dependencies;
use crate::bundle::parameter_sources::{self, ParameterSource};
use crate::install::{Mode, Operation};
use crate::state::{Installation, RequiredInstallation};

use super::super::{DependencyError, Error, Notice, Services};
use super::Attempt;

impl Attempt<'_> {
    /// Finds the installations of the bundle's dependencies, unless it was decided which they are. A plan says which are not
    /// there yet; one that is carried out needs all of them.
    pub(super) fn find_required(&mut self, bundle: &Bundle, services: &Services<'_>) -> Result<(), Error> {
        let installs = ["install", "upgrade"].contains(&self.action);
        if self.requires.is_some() || !installs || self.mode == Mode::Examine {
            return Ok(());
        }
        let dependencies = dependencies::of(bundle).map_err(DependencyError::Invalid)?;
        let name = &self.request.name;
        let recorded = services.state().find(name)?.map(|earlier| earlier.settings.requires);
        let (mut requires, recorded) = (Vec::new(), recorded.unwrap_or_default());
        for dependency in dependencies.order() {
            let known = recorded.iter().find(|it| it.dependency == dependency);
            let installation = match known {
                Some(known) => known.installation.clone(),
                None => self.request.installation_of(name, dependency, dependency),
            };
            if services.state().find(&installation)?.is_some_and(|it| it.is_installed()) {
                requires.push(RequiredInstallation { dependency: dependency.into(), installation });
            } else if self.mode == Mode::Plan {
                services.tell(&Notice::DependencyToCome { dependency: dependency.into(), installation });
            } else if self.rollback_to.is_none() {
                return Err(DependencyError::NotThere(dependency.into()).into());
            }
        }
        self.requires = Some(requires);
        Ok(())
    }

    /// The operation with outputs of its installation, and of those that it needs, as values of parameters that nobody
    /// gives (CNAB 810). A component chose them, so they are checked as any value, and fill no scope.
    pub(super) fn with_sources(
        &self,
        mut operation: Operation,
        bundle: &Bundle,
        services: &Services<'_>,
    ) -> Result<Operation, Error> {
        let sources = parameter_sources::of(bundle).map_err(Error::ParameterSources)?;
        // A comparison, and what corrects by it, goes by what was recorded.
        if self.mode == Mode::Examine || self.change.waits_for_changes_only {
            return Ok(operation);
        }
        let is_open = |name: &String| {
            let is_asked = bundle.parameters().get(name).is_some_and(|it| it.applies_to(self.action));
            is_asked && !operation.parameters.contains_key(name)
        };
        let mut sources: Vec<_> = sources.into_iter().filter(|(name, _)| is_open(name)).collect();
        sources.retain(|(_, sources)| !sources.is_empty());
        if sources.is_empty() || self.decided.is_some() {
            return Ok(operation);
        }
        let outputs = self.outputs(services)?;
        for (name, sources) in sources {
            let value = sources.iter().find_map(|source| match source {
                ParameterSource::Output(output) => outputs.get(&None)?.get(output),
                ParameterSource::DependencyOutput { dependency, output } => {
                    outputs.get(&Some(dependency.clone()))?.get(output)
                }
            });
            if let Some(value) = value {
                operation.doubtful.insert(name.clone());
                operation.parameters.insert(name, value.clone());
            }
        }
        Ok(operation)
    }

    /// The outputs of its installation, and of those that it needs, by the name of the dependency.
    fn outputs(
        &self,
        services: &Services<'_>,
    ) -> Result<BTreeMap<Option<String>, BTreeMap<String, Value>>, Error> {
        let (state, name) = (services.state(), &self.request.name);
        let recorded = || Ok::<_, Error>(state.find(name)?.map(of_record).unwrap_or_default());
        let requires = self.requires.clone().map_or_else(recorded, Ok)?;
        let mut outputs = BTreeMap::from([(None, state.outputs(name)?)]);
        for RequiredInstallation { dependency, installation } in requires {
            outputs.insert(Some(dependency), state.outputs(&installation)?);
        }
        Ok(outputs)
    }
}

fn of_record(installation: Installation) -> Vec<RequiredInstallation> {
    installation.settings.requires
}
