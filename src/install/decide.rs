//! Decides, before anything runs, who does what in an action and what the run may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::bundle::parameters;
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::grant::terms::Terms;
use crate::grant::{Granted, Shortfall};
use crate::host::{Context, Supplied};
use crate::kubernetes::object::is_label;
use crate::run::{Compiled, Engine};
use crate::state::{Installation, StateError, ulid};
use crate::targets;
use crate::verify::{TrustDecision, Verified};

use super::{Decision, Error, Mode, Order, Tools};

/// Who does what: the component, the runtime, or both.
pub(super) struct Part {
    /// What the component is called with; none where the runtime acts alone.
    pub(super) component: Option<String>,
    /// Whether the runtime then removes what this run did not apply.
    pub(super) prune: bool,
    /// Whether it removes everything.
    pub(super) remove: bool,
    /// Whether the action may change anything.
    pub(super) modifies: bool,
    /// Whether it leaves no record.
    pub(super) stateless: bool,
}

impl Part {
    /// Design §3: what a component does not handle itself, the runtime does as usual.
    pub(super) fn of(verified: Option<&Verified>, order: &Order) -> Result<Self, Error> {
        let part = |component: Option<&str>, prune, remove| Self {
            component: component.map(str::to_owned),
            prune,
            remove,
            modifies: true,
            stateless: false,
        };
        let requests = verified.map(|verified| Requests::of(verified.bundle())).transpose()?;
        let handles = |action| requests.as_ref().is_some_and(|requests| requests.handle(action));
        Ok(match (order.action.as_str(), verified) {
            ("install", Some(_)) => part(Some("install"), true, false),
            ("upgrade", Some(_)) if handles("upgrade") => part(Some("upgrade"), false, false),
            ("upgrade", Some(_)) => part(Some("install"), true, false),
            ("uninstall", Some(_)) if handles("uninstall") => part(Some("uninstall"), false, true),
            ("uninstall", _) => part(None, false, true),
            (action, Some(verified)) => {
                let known = verified.bundle().actions().get(action);
                let action = known.ok_or_else(|| Error::UnknownAction(order.action.clone()))?;
                Self {
                    modifies: action.modifies,
                    stateless: action.stateless,
                    ..part(Some(&order.action), false, false)
                }
            }
            _ => return Err(Error::UnknownAction(order.action.clone())),
        })
    }
}

impl Order {
    pub(super) fn check(&self, earlier: Option<&Installation>, mode: Mode) -> Result<(), Error> {
        if !is_label(&self.name) {
            return Err(Error::Name(self.name.clone()));
        }
        match (self.action.as_str(), earlier) {
            ("install", Some(earlier)) if mode != Mode::Examine => self.check_new(earlier),
            ("install", None) => Ok(()),
            (_, Some(earlier)) if !earlier.is_deleted() => self.check_same(earlier),
            _ => Err(StateError::Missing(self.name.clone()).into()),
        }
    }

    /// An installation that failed, was cut off or is gone may be installed; one that succeeded is upgraded.
    fn check_new(&self, earlier: &Installation) -> Result<(), Error> {
        if earlier.is_installed() {
            return Err(Error::Exists(self.name.clone()));
        }
        if earlier.inventory.is_empty() { Ok(()) } else { self.check_same(earlier) }
    }

    /// What stands in the way of a plan that was made earlier stood there not when it was made.
    pub(super) fn stale(&self, error: Error) -> Error {
        let is_in_the_way = |refusal: &targets::Error| {
            use crate::cluster::Error as Refusal;
            matches!(
                refusal,
                targets::Error::Cluster(Refusal::Conflict { .. } | Refusal::Immutable { .. })
                    | targets::Error::Edited { .. }
                    | targets::Error::Foreign { .. }
            )
        };
        match error {
            Error::Run { refusal: Some(refusal), .. } if self.plan.is_some() && is_in_the_way(&refusal) => {
                Error::Stale(vec![refusal.to_string()])
            }
            error => error,
        }
    }

    fn check_same(&self, earlier: &Installation) -> Result<(), Error> {
        let same = (&self.place.target, &self.namespace) == (&earlier.settings.target, &earlier.namespace);
        if same { Ok(()) } else { Err(self.elsewhere(earlier)) }
    }

    /// The installation is in another place than the one that is asked for.
    pub(super) fn elsewhere(&self, earlier: &Installation) -> Error {
        let settings = &earlier.settings;
        let place = |target: &str, server: &Option<String>, namespace: &str| match server {
            Some(server) => format!("{target} at {server} (namespace {namespace})"),
            None => format!("{target} (namespace {namespace})"),
        };
        Error::Place {
            name: self.name.clone(),
            recorded: place(&settings.target, &settings.server, &earlier.namespace),
            asked: place(&self.place.target, &self.place.server, &self.namespace),
        }
    }
}

/// A bundle whose run was decided about.
pub(super) struct Decided {
    pub(super) granted: Option<Arc<Granted>>,
    pub(super) terms: Terms,
    pub(super) context: Context,
    pub(super) credentials: Supplied,
    pub(super) decision: Decision,
}

pub(super) fn decide(
    verified: Option<Verified>,
    order: &Order,
    earlier: Option<&Installation>,
    part: &Part,
    mode: Mode,
) -> Result<Decided, Error> {
    let Some(verified) = verified else { return Ok(Decided::by_the_runtime(earlier)) };
    let earlier = earlier.filter(|_| !order.complete);
    let previous = earlier.and_then(|earlier| earlier.last.as_ref()).map(|last| last.parameters.clone());
    let resolved = parameters::resolve(
        verified.bundle(),
        &order.action,
        &order.parameters,
        &previous.unwrap_or_default(),
    )
    .map_err(Error::Parameters)?;
    let credentials = if mode == Mode::Examine {
        stand_ins(verified.bundle(), order)
    } else {
        check_credentials(verified.bundle(), order, part)?;
        order.credentials.clone()
    };

    let requests = Requests::of(verified.bundle())?;
    let mut terms = order.consent.terms(verified.digest(), &requests)?;
    let kept = earlier
        .filter(|earlier| continues(earlier, order, mode))
        .and_then(|earlier| kept(&verified, order, earlier));
    let carried_over = kept.as_ref().is_some_and(|(_, is_new)| *is_new);
    if let Some((kept, _)) = kept {
        terms.add(kept).map_err(Shortfall::from)?;
    }
    let names = Names {
        installation: order.name.clone(),
        namespace: order.namespace.clone(),
        parameters: resolved.values.clone(),
    };
    let context = context(verified.bundle(), order, resolved.values);
    let trust = Some(verified.decision().clone());
    let granted = if part.modifies {
        Granted::new(verified, &terms, names)?
    } else {
        Granted::new(verified, &terms, names)?.reading_only()
    };
    let decision =
        Decision { trust, granted: granted.explained(), carried_over, warnings: resolved.warnings };
    Ok(Decided { granted: Some(Arc::new(granted)), terms, context, credentials, decision })
}

/// Whether what was decided about the installation still counts: not for one that is installed anew.
fn continues(earlier: &Installation, order: &Order, mode: Mode) -> bool {
    mode == Mode::Examine || (order.action != "install" && !earlier.is_deleted())
}

/// The grant of the last run, for the same bundle, or for a new one that the same rule admitted (Design §4). An explicit
/// grant file or approval is a decision of its own.
fn kept(verified: &Verified, order: &Order, earlier: &Installation) -> Option<(Terms, bool)> {
    let is_new = verified.digest() != earlier.settings.bundle;
    let same_rule = match verified.decision() {
        TrustDecision::Signed { rule, .. } => earlier.settings.rule.as_ref() == Some(rule),
        TrustDecision::Unsigned => false,
    };
    let decided_anew = !order.consent.documents.is_empty() || order.consent.approve.is_some();
    (!decided_anew && (!is_new || same_rule)).then(|| (earlier.settings.terms.clone(), is_new))
}

/// CNAB 101: a required credential must be there, for a tracked action that it applies to.
fn check_credentials(bundle: &Bundle, order: &Order, part: &Part) -> Result<(), Error> {
    if part.stateless {
        return Ok(());
    }
    let missing = bundle.credentials().iter().find(|(name, credential)| {
        credential.required
            && credential.applies_to(&order.action)
            && !order.credentials.names().any(|given| given == *name)
    });
    missing.map_or(Ok(()), |(name, _)| Err(Error::Credential(name.clone())))
}

/// Credentials whose values do not matter, because nothing that holds one is compared.
fn stand_ins(bundle: &Bundle, order: &Order) -> Supplied {
    let wanted = bundle.credentials().iter().filter(|(_, credential)| credential.applies_to(&order.action));
    Supplied::new(wanted.map(|(name, _)| (name.clone(), "unknown".into())).collect())
}

fn context(bundle: &Bundle, order: &Order, parameters: BTreeMap<String, Value>) -> Context {
    let outputs = bundle.outputs().iter().filter(|(_, output)| output.applies_to(&order.action));
    let schema = |definition: &str| bundle.definition(definition).cloned().unwrap_or_default();
    Context {
        action: order.action.clone(),
        name: order.name.clone(),
        namespace: order.namespace.clone(),
        revision: ulid(),
        bundle_name: bundle.name().to_owned(),
        bundle_version: bundle.version().to_string(),
        parameters,
        images: bundle
            .images()
            .iter()
            .map(|(name, image)| (name.clone(), pinned(&image.image, image.digest)))
            .collect(),
        outputs: outputs.map(|(name, output)| (name.clone(), schema(&output.definition))).collect(),
    }
}

/// A reference without its tag, by digest.
fn pinned(image: &str, digest: Digest) -> String {
    let repository = image.split_once('@').map_or(image, |(repository, _)| repository);
    let repository = match repository.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => repository,
    };
    format!("{repository}@{digest}")
}

impl Decided {
    fn by_the_runtime(earlier: Option<&Installation>) -> Self {
        Self {
            granted: None,
            terms: earlier.map(|earlier| earlier.settings.terms.clone()).unwrap_or_default(),
            context: Context { revision: ulid(), ..Context::default() },
            credentials: Supplied::default(),
            decision: Decision {
                trust: None,
                granted: Vec::new(),
                carried_over: false,
                warnings: Vec::new(),
            },
        }
    }

    pub(super) fn compile(&self, tools: &Tools<'_>, part: &Part) -> Result<Option<Compiled>, Error> {
        let (Some(granted), Some(_)) = (&self.granted, &part.component) else { return Ok(None) };
        let engine = Engine::new(tools.cache.as_deref()).map_err(Error::SetUp)?;
        engine.compile(granted).map(Some).map_err(Error::SetUp)
    }
}
