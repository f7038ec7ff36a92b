//! Installs the signed guestbook into a directory, as a program does that uses carnet as a library:
//!
//!     cargo run --example embed -- HOME
//!
//! It has no command line of carnet's: what is trusted, what is granted, where things go and who is asked are values.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own reads files and prints"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carnet::grant::Consent;
use carnet::grant::spec::GrantFile;
use carnet::install::{Environment, Unattended};
use carnet::oci::registry::RegistryClient;
use carnet::operations::install::install;
use carnet::operations::{Bundles, InstallRequest, Services};
use carnet::state::State;
use carnet::targets::Place;
use carnet::verify::TrustPolicy;
use secrecy::SecretString;

fn main() -> Result<(), Box<dyn Error>> {
    let home = PathBuf::from(std::env::args_os().nth(1).ok_or("say where to install it")?);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest-examples");
    let text = |name: &str| std::fs::read_to_string(examples.join(name));

    let bundles = Bundles {
        machine: Ok(None),
        policy: Ok(TrustPolicy::parse(&text("trust.yaml")?)?),
        now: jiff::Timestamp::now(),
        scratch: std::env::temp_dir(),
        registries: RegistryClient::anonymous(),
        listener: Arc::new(Unattended),
    };
    let state = State::open(&home.join("state"))?;
    let services = Services { bundles, environment: Environment::new(&state) };

    let reference = format!("layout:{}", examples.join("bundles/guestbook").display()).parse()?;
    let mut request = InstallRequest::new("guestbook", reference, Place::directory(home.join("rendered")));
    let grant = GrantFile::parse(&text("guestbook/grants.yaml")?, &examples.join("guestbook"))?;
    request.installation.namespace = Some("prod".into());
    request.installation.consent = Consent { documents: vec![grant], ..Consent::default() }.into();
    let password = SecretString::from("of an example");
    let credentials = BTreeMap::from([("db-password".to_owned(), password)]);
    request.installation.inputs.credentials = Some(Arc::new(credentials));
    request.installation.change.confirmed = true;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(install(&request, &services))?;
    println!("{} objects, {}", outcome.plan().changes.len(), outcome.outputs["url"]);
    Ok(())
}
