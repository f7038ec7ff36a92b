//! Takes the history of an installation from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::bundle::claim::{Claim, ClaimResult, ResultStatus};
use crate::bundle::definition::{Budget, Definition};
use crate::bundle::parameters::text_of;
use crate::bundle::{CnabKind, Fault};
use crate::digest::Digest;
use crate::document::{self, visible};
use crate::kubernetes::object::is_label;
use crate::state::{self, IMPORTED, InstallationSettings, ResultStamp, State};
use crate::targets::Place;

use super::super::{Document, Error};
use super::{ClaimEntry, ClaimList, RUN, unread};

/// How much the checking of all values in a document may take, in units of
/// [`Definition::check`](crate::bundle::definition::Definition::check). Each of its claims brings definitions of its own.
const MAX_WORK: usize = 50_000_000;

const RULE: &str = "CNAB 400";

/// The message of a claim that does not say how its action ended.
const UNSAID: &str = "the imported claim does not say how the action ended";

/// The imported claims.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ClaimsImported {
    /// The installation.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The claims that were recorded, by id; those that were there already are not among them.
    pub claims: Vec<String>,
    /// Values that were left out since they must not be stored.
    pub withheld: Vec<String>,
}

impl Document for ClaimsImported {
    const KIND: &'static str = "ClaimsImported";
}

/// A request to record claims as the history of an installation.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The claims, as JSON.
    pub text: String,
    /// Where the objects of the installation are. None: nobody says.
    pub place: Option<Place>,
    /// The namespace of the installation.
    pub namespace: String,
}

/// A claim that may be recorded.
struct Importable {
    claim: Claim,
    document: Value,
    result: Option<ClaimResult>,
    outputs: BTreeMap<String, Value>,
}

/// Records the claims of one installation as its history: those of a document of ours, a claim alone, or a list of claims
/// and results. Nothing else comes of them.
///
/// # Errors
/// [`Error::NoPlace`] where nobody says that, [`Error::Claims`] for claims that break the rules, [`Error::ClaimsThere`] where the installation has others.
pub fn import(request: &ImportRequest, state: &State) -> Result<ClaimsImported, Error> {
    let document = document::json(request.text.as_bytes()).map_err(|error| unread(&error))?;
    let entries = entries(&document)?;
    let Gathered { claims, mut faults, mut withheld } = Gathered::of(entries);
    let Some(name) = claims.values().next().map(|first| first.claim.installation.clone()) else {
        let none = || Fault::error(String::new(), "has no claim".into(), RULE);
        return Err(Error::Claims(if faults.is_empty() { vec![none()] } else { faults }));
    };
    if let Some(other) = claims.values().find(|it| it.claim.installation != name) {
        let what =
            format!("has claims of `{name}` and of `{}`: import them one by one", other.claim.installation);
        faults.push(Fault::error(String::new(), what, RULE));
    }
    if !is_label(&name) {
        let what = format!("`{}` cannot name an installation here: it must be a DNS label", visible(&name));
        faults.push(Fault::error("/claim/installation".into(), what, "carnet"));
    }
    if !faults.is_empty() {
        return Err(Error::Claims(faults));
    }
    let namespace = &request.namespace;
    let place = request.place.as_ref().ok_or(Error::NoPlace)?;
    let recorded = record(&name, namespace, place, claims.into_values().collect(), state)?;
    withheld.sort();
    withheld.dedup();
    Ok(ClaimsImported { name, namespace: namespace.clone(), claims: recorded, withheld })
}

/// The claims of a document, what is wrong with them, and what was left out of them.
#[derive(Default)]
struct Gathered {
    claims: BTreeMap<String, Importable>,
    faults: Vec<Fault>,
    withheld: Vec<String>,
}

impl Gathered {
    /// Nothing of a document is recorded while anything of it is wrong, so all of it is looked at.
    fn of(entries: Vec<ClaimEntry>) -> Self {
        let (mut gathered, mut work) = (Self::default(), MAX_WORK);
        for (index, entry) in entries.into_iter().enumerate() {
            match importable(&mut work, entry, &mut gathered.withheld) {
                Err(faults) => gathered.faults.extend(
                    faults
                        .into_iter()
                        .filter(Fault::is_error)
                        .map(|fault| Fault { pointer: format!("/items/{index}{}", fault.pointer), ..fault }),
                ),
                Ok(found) => gathered.add(index, found),
            }
        }
        gathered
    }

    fn add(&mut self, index: usize, found: Importable) {
        let (id, document) = (found.claim.id.to_uppercase(), found.document.clone());
        let other = self.claims.insert(id, found);
        if other.is_some_and(|other| other.document != document) {
            let at = format!("/items/{index}/claim/id");
            self.faults.push(Fault::error(at, "is the id of another claim too".into(), RULE));
        }
    }
}

/// The claims of a document, in whichever form it has them.
fn entries(value: &Value) -> Result<Vec<ClaimEntry>, Error> {
    let alone =
        |claim: &Value| ClaimEntry { claim: claim.clone(), results: Vec::new(), outputs: BTreeMap::new() };
    let wrong = |at: String, what: &str| Error::Claims(vec![Fault::error(at, what.into(), RULE)]);
    if let Value::Array(items) = value {
        let mut entries: Vec<_> =
            items.iter().filter(|item| CnabKind::of(item) == Some(CnabKind::Claim)).map(alone).collect();
        let mut places = BTreeMap::new();
        for (place, entry) in entries.iter().enumerate() {
            let id = entry.claim.get("id").and_then(Value::as_str).unwrap_or_default();
            places.entry(id.to_owned()).or_insert(place);
        }
        for (index, item) in items.iter().enumerate() {
            match CnabKind::of(item) {
                Some(CnabKind::Claim) => {}
                Some(CnabKind::ClaimResult) => {
                    let id = item.get("claimId").and_then(Value::as_str);
                    let of = id.and_then(|id| entries.get_mut(*places.get(id)?));
                    let of =
                        of.ok_or_else(|| wrong(format!("/{index}/claimId"), "is the id of no claim here"))?;
                    of.results.push(item.clone());
                }
                _ => return Err(wrong(format!("/{index}"), "is neither a claim nor a result")),
            }
        }
        return Ok(entries);
    }
    if CnabKind::of(value) == Some(CnabKind::Claim) {
        return Ok(vec![alone(value)]);
    }
    if value.get("kind").and_then(Value::as_str) != Some(ClaimList::KIND) {
        return Err(wrong(
            String::new(),
            "is neither a claim, a list of them, nor what `carnet claims export` writes",
        ));
    }
    let Some(Value::Array(items)) = value.get("items") else {
        return Err(wrong("/items".into(), "must be a list"));
    };
    items.iter().enumerate().map(|(index, item)| of_item(item, &format!("/items/{index}"), &wrong)).collect()
}

fn of_item(item: &Value, at: &str, wrong: &impl Fn(String, &str) -> Error) -> Result<ClaimEntry, Error> {
    let claim = item.get("claim").ok_or_else(|| wrong(format!("{at}/claim"), "is missing"))?;
    let results = match item.get("results") {
        None => Vec::new(),
        Some(Value::Array(results)) => results.clone(),
        Some(_) => return Err(wrong(format!("{at}/results"), "must be a list")),
    };
    let outputs = match item.get("outputs") {
        None => BTreeMap::new(),
        Some(Value::Object(outputs)) => outputs.clone().into_iter().collect(),
        Some(_) => return Err(wrong(format!("{at}/outputs"), "must be a mapping of names to values")),
    };
    Ok(ClaimEntry { claim: claim.clone(), results, outputs })
}

/// A claim as it is recorded, without values that must not be stored.
fn importable(
    work: &mut usize,
    entry: ClaimEntry,
    withheld: &mut Vec<String>,
) -> Result<Importable, Vec<Fault>> {
    let ClaimEntry { claim: mut document, results, mut outputs } = entry;
    let under = |at: &str, faults: Vec<Fault>| {
        let faults = faults.into_iter();
        faults.map(|fault| Fault { pointer: format!("{at}{}", fault.pointer), ..fault }).collect::<Vec<_>>()
    };
    let claim = Claim::read_within(work, &document).map_err(|faults| under("/claim", faults))?;
    let mut last: Option<ClaimResult> = None;
    for (index, result) in results.iter().enumerate() {
        let result = claim.result(result).map_err(|faults| under(&format!("/results/{index}"), faults))?;
        if last.as_ref().is_none_or(|last| last.id.to_uppercase() < result.id.to_uppercase()) {
            last = Some(result);
        }
    }
    // A run elsewhere that went on when this was written is none of ours, and how it ended is not known.
    let result = last.filter(|last| !matches!(last.status, ResultStatus::Pending | ResultStatus::Running));
    check_outputs(work, &claim, result.as_ref(), &outputs)?;
    outputs.retain(|name, _| {
        let is_shown = !claim.bundle.is_write_only_output(name);
        if !is_shown {
            withheld.push(format!("output `{name}`"));
        }
        is_shown
    });
    withhold(&mut document, &claim, withheld);
    Ok(Importable { claim, document, result, outputs })
}

/// The values are those that the last result names by their digests.
fn check_outputs(
    work: &mut usize,
    claim: &Claim,
    result: Option<&ClaimResult>,
    outputs: &BTreeMap<String, Value>,
) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for (name, value) in outputs {
        let what = match result.and_then(|result| result.outputs.get(name)) {
            None => "is no output of the claim's last result".into(),
            Some(metadata) => {
                let digest = Digest::of(text_of(Some(value)).as_bytes()).to_string();
                let definition =
                    claim.bundle.outputs().get(name).and_then(|it| claim.bundle.definition(&it.definition));
                let mut budget = Budget::of_work(*work);
                let checked = definition
                    .map(|schema| Definition::new(schema).map(|it| it.check_within(&mut budget, value)));
                *work = budget.left();
                match checked {
                    Some(Ok(Err(faults))) => faults.join("; "),
                    Some(Err(invalid)) => format!("its definition {invalid}"),
                    _ if metadata.digest.as_ref().is_some_and(|told| *told != digest) => {
                        "is not what the digest of the result says".into()
                    }
                    _ => continue,
                }
            }
        };
        let at = format!("/outputs/{}", name.replace('~', "~0").replace('/', "~1"));
        faults.push(Fault::error(at, what, "CNAB 400 #152"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Marks a claim as imported, and takes from it the values that are never stored.
fn withhold(document: &mut Value, claim: &Claim, withheld: &mut Vec<String>) {
    let secret = |name: &str| claim.bundle.is_write_only_parameter(name);
    if let Some(Value::Object(parameters)) = document.get_mut("parameters") {
        parameters.retain(|name, _| {
            if secret(name) {
                withheld.push(format!("parameter `{name}`"));
            }
            !secret(name)
        });
    }
    let Some(members) = document.as_object_mut() else { return };
    let custom = members.entry("custom").or_insert_with(|| json!({}));
    if !custom.is_object() {
        *custom = json!({ "dev.carnet.custom": custom.take() });
    }
    if let Value::Object(custom) = custom {
        custom.insert(IMPORTED.into(), true.into());
    }
    if let Value::Object(custom) = custom {
        let told = custom.remove(RUN).unwrap_or_default();
        let run = run(&told, claim);
        if !run.is_empty() {
            custom.insert(RUN.into(), run.into());
        }
    }
}

/// What is kept of how another carnet says that it ran the action: which documents it was about, and which parameters
/// have to be given again. All else would be somebody else's decision, or could have any shape.
fn run(told: &Value, claim: &Claim) -> Map<String, Value> {
    let mut kept = Map::new();
    for member in ["bundle", "component", "plan"] {
        let digest = told.get(member).and_then(Value::as_str).filter(|text| text.parse::<Digest>().is_ok());
        kept.extend(digest.map(|digest| (member.to_owned(), digest.into())));
    }
    let named = told.get("secretParameters").and_then(Value::as_array).into_iter().flatten();
    let named = named.filter_map(Value::as_str).map(str::to_owned).chain(claim.parameters.keys().cloned());
    let secret: BTreeSet<_> = named.filter(|name| claim.bundle.is_write_only_parameter(name)).collect();
    if !secret.is_empty() {
        kept.insert("secretParameters".into(), secret.into_iter().collect());
    }
    kept
}

/// Records claims, oldest first. Where importing them was cut off, it goes on.
fn record(
    name: &str,
    namespace: &str,
    place: &Place,
    claims: Vec<Importable>,
    state: &State,
) -> Result<Vec<String>, Error> {
    let _lock = state.lock(name)?;
    let there = match state.find(name)? {
        Some(_) => state.claims(name)?,
        None => Vec::new(),
    };
    let is_begun = there.len() <= claims.len()
        && there.iter().zip(&claims).all(|(there, claim)| there.document == claim.document);
    if !is_begun {
        return Err(Error::ClaimsThere(name.into()));
    }
    let settings = settings(place, &claims);
    let mut recorded = Vec::new();
    for claim in claims.iter().skip(there.len()) {
        let written = state::NewClaim {
            id: claim.claim.id.clone(),
            document: claim.document.clone(),
            modifies: claim.claim.modifies(),
        };
        state.begin(name, namespace, &settings, &written)?;
        let stamp = |it: &ClaimResult| ResultStamp { id: it.id.clone(), created: it.created.clone() };
        let result = claim.result.as_ref();
        let message = result.map_or_else(|| Some(UNSAID.to_owned()), |result| result.message.clone());
        let status = result.map_or(ResultStatus::Unknown, |result| result.status);
        let outputs = &claim.outputs;
        state.finish(&written, &state::NewResult { status, message, outputs, stamp: result.map(stamp) })?;
        recorded.push(written.id);
    }
    Ok(recorded)
}

/// The settings of an installation of which nothing is known but its history: no grant, no signers, no lowered guard, and
/// no place that its bundle is from, since trust is decided by that.
fn settings(place: &Place, claims: &[Importable]) -> InstallationSettings {
    let last = claims.iter().rev().find(|it| it.claim.modifies()).or(claims.last());
    let Some(last) = last else { return InstallationSettings::default() };
    let told = last.document.pointer("/custom").and_then(|custom| custom.get(RUN)?.get("bundle")?.as_str());
    let referred = last.claim.bundle_reference.as_deref().and_then(|text| Some(text.split_once('@')?.1));
    let digest = told.or(referred).and_then(|text| text.parse().ok());
    InstallationSettings {
        place: place.clone().into(),
        bundle: digest.unwrap_or_default(),
        bundle_name: last.claim.bundle.name().into(),
        bundle_version: last.claim.bundle.version().to_string(),
        ..InstallationSettings::default()
    }
}
