//! Tests a source directory by the cases beside it: each is installed into a directory of its own, and compared with what its
//! author expects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use crate::author::{self, AuthorError, Case};
use crate::capability::kubernetes::RuleText;
use crate::document::chain;
use crate::grant::spec::{Deny, FileGrant, GrantSpec};
use crate::grant::{Consent, Shortfall};
use crate::host::progress::{LogEntry, Observer, RunEvent, Unready};
use crate::install::{self, Answer, Approver, Decision, Environment, Outcome, Unattended};
use crate::oci::registry::RegistryClient;
use crate::plan::Plan;
use crate::reference::Reference;
use crate::state::State;
use crate::targets::Place;
use crate::verify::TrustPolicy;

use super::install::install;
use super::{
    Bundles, CredentialSource, Document, Error, InstallRequest, Listener, Notice, Parameters, Services,
    TrustMode,
};

/// The results of the cases of a source directory.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TestReport {
    /// The cases, in the order of the file.
    pub cases: Vec<CaseResult>,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// The difference from what was expected. None: it passed.
    pub differences: Vec<String>,
}

/// The environment of the cases.
pub struct Bench {
    /// Where directories of cases are made, which are gone afterwards.
    pub scratch: PathBuf,
    /// The time.
    pub now: Timestamp,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
    /// The program that compiles components.
    pub compiler: Option<PathBuf>,
    /// Who is told that something takes a while.
    pub listener: Arc<dyn Listener>,
}

impl Document for TestReport {
    const KIND: &'static str = "TestReport";
}

impl TestReport {
    /// How many cases did not pass.
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.differences.is_empty()).count()
    }
}

/// Every credential has a value that nobody keeps secret.
#[derive(Debug)]
struct MadeUp;

impl CredentialSource for MadeUp {
    fn values(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(names.iter().map(|name| ((*name).to_owned(), format!("of-a-test-{name}").into())).collect())
    }
}

/// Confirms whatever a case does, and passes on that a component is compiled. All else is the result of the case.
struct Quiet(Arc<dyn Listener>);

impl Observer for Quiet {
    fn waiting(&self, _: &[Unready]) {}

    fn logged(&self, _: &LogEntry) {}

    fn noted(&self, event: &RunEvent) {
        if let RunEvent::Compiling = event {
            self.0.told(&Notice::Compiling);
        }
    }
}

impl Approver for Quiet {
    fn confirm<'a>(&'a self, _: &'a Plan, _: &'a Decision) -> Answer<'a> {
        Box::pin(std::future::ready(true))
    }
}

/// Runs the cases of a source directory.
///
/// # Errors
/// [`Error::Author`] when there are none that can be read. What a case fails with is its result.
pub async fn test(directory: &Path, bench: &Bench) -> Result<TestReport, Error> {
    let mut results = Vec::new();
    for case in author::cases(directory)? {
        let ended = run(directory, &case, bench).await;
        results.push(CaseResult { differences: differences(&case, ended), name: case.name });
    }
    Ok(TestReport { cases: results })
}

async fn run(directory: &Path, case: &Case, bench: &Bench) -> Result<Outcome, Error> {
    #[expect(clippy::disallowed_methods, reason = "the place was handed in")]
    let home = tempfile::tempdir_in(&bench.scratch).map_err(Error::Scratch)?;
    let state = State::open(&home.path().join("state"))?;
    let environment = Environment {
        cache: bench.cache.clone(),
        compiler: bench.compiler.clone(),
        approver: Arc::new(Quiet(Arc::clone(&bench.listener))),
        ..Environment::new(&state)
    };
    let bundles = Bundles {
        policy: Ok(TrustPolicy::none()),
        machine: Ok(None),
        now: bench.now,
        scratch: bench.scratch.clone(),
        registries: RegistryClient::anonymous(),
        listener: Arc::new(Unattended),
    };
    let services = Services { bundles, environment };
    let reference = Reference::Path(directory.to_owned());
    let mut request = InstallRequest::new("test", reference, Place::directory(home.path().join("out")));
    request.for_development = case.allow.is_none();
    let installation = &mut request.installation;
    installation.trust = TrustMode::DangerouslyUnsigned;
    installation.namespace = Some("default".into());
    installation.consent = consent(directory, case)?.into();
    let parameters = Parameters { values: case.parameters.clone(), ..Parameters::default() };
    installation.inputs.parameters = parameters.into();
    installation.inputs.credentials = Some(Arc::new(MadeUp));
    installation.change.confirmed = true;
    install(&request, &services).await
}

fn consent(directory: &Path, case: &Case) -> Result<Consent, Error> {
    let rules = |texts: &[String]| -> Result<Vec<RuleText>, Error> {
        let rule = |text: &String| RuleText::parse(text).map_err(|error| Error::Input(Arc::new(error)));
        texts.iter().map(rule).collect()
    };
    let file =
        |(name, path): (&String, &PathBuf)| FileGrant { name: name.clone(), path: directory.join(path) };
    let grant = GrantSpec {
        kubernetes: rules(case.allow.as_deref().unwrap_or_default())?,
        files: case.files.iter().map(file).collect(),
        deny: Deny { kubernetes: rules(&case.deny)?, ..Deny::default() },
        ..GrantSpec::default()
    };
    Ok(Consent { grant, ..Consent::default() })
}

fn differences(case: &Case, ended: Result<Outcome, Error>) -> Vec<String> {
    match (ended, &case.expect.error) {
        (Ok(outcome), None) => {
            let changes = &outcome.plan().changes;
            let objects: Vec<Value> = changes.iter().filter_map(|change| change.manifest.clone()).collect();
            case.expect.differences(&objects, &outcome.outputs)
        }
        (Ok(_), Some(expected)) => vec![format!("it succeeds, and does not fail with `{expected}`")],
        (Err(error), Some(expected)) if told(&error).contains(expected) => Vec::new(),
        (Err(error), _) => vec![format!("it fails: {}", told(&error))],
    }
}

/// An error with all that an author may want to know of it.
fn told(error: &Error) -> String {
    let mut texts = vec![chain(error)];
    if let Error::Author(AuthorError::Faults(faults)) = error {
        texts.extend(faults.iter().map(|fault| crate::document::visible(&fault.to_string())));
    }
    if let Error::Install(install::Error::Run { refusal, denials, log, .. }) = error {
        texts.extend(refusal.as_ref().map(|refusal| chain(&**refusal)));
        texts.extend(denials.iter().cloned());
        texts.extend(log.iter().map(|entry| crate::document::visible(&entry.text)));
    }
    if let Error::Install(error) = error
        && let install::Error::Shortfall(Shortfall::Exceeded(lines) | Shortfall::Missing(lines)) =
            error.deciding()
    {
        texts.extend(lines.iter().map(ToString::to_string));
    }
    texts.join("; ")
}
