//! The guestbook's installer: a web server, its database, and the order in which they come up.
//!
//! It shows what a list of manifests cannot say: the web server starts only when the database has been migrated, an
//! upgrade looks at what is there before it changes anything, and the database's password gets to where it is needed
//! without this component ever seeing it.
#![cfg_attr(target_arch = "wasm32", no_std)]
extern crate alloc;

#[rustfmt::skip]
mod bindings;
mod json;
mod manifest;
mod size;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use bindings::{
    carnet::{
        credentials::{handles::Encoding, lend},
        files::read,
        installation::{
            context,
            log::{self, Level},
            outputs,
        },
        kubernetes::{apply, get, wait},
        types::types::{Error, ObjectRef},
    },
    exports::carnet::bundle::installer::Guest,
};
use manifest::{Unset, Values};

/// The version of the bundle that this component belongs to.
const VERSION: &str = if cfg!(feature = "cleanup") { "1.1.0" } else { "1.0.0" };

/// The bundle's own action.
const BACKUP: &str = "dev.carnet.guestbook.backup";

/// How long the database may take to come up, and the web server to roll out, in seconds.
const START: u32 = 300;

/// How long a migration may take, in seconds: as long as the Job itself allows.
const MIGRATION: u32 = 600;

struct Guestbook;

impl Guest for Guestbook {
    fn run(action: String) -> Result<(), Error> {
        let mut app = App::new()?;
        match action.as_str() {
            "install" => app.install(&parameter("storage")?),
            "upgrade" => app.upgrade(&parameter("storage")?),
            BACKUP => app.backup(),
            _ => Err(Error::Failed(format!("there is no action `{action}`"))),
        }
    }
}

/// One guestbook in one namespace.
struct App {
    name: String,
    namespace: String,
    values: Values,
}

impl App {
    fn new() -> Result<Self, Error> {
        let (name, namespace) = (context::name(), context::namespace());
        let mut values = Values::new(&name, &namespace, VERSION)?;
        values.set("image-web", &image("web")?);
        values.set("image-db", &image("db")?);
        Ok(Self { name, namespace, values })
    }

    /// Brings everything up, each part when what it needs is ready.
    fn install(&mut self, storage: &str) -> Result<(), Error> {
        self.settings(storage)?;

        self.apply(&manifest::DATABASE)?;
        self.wait("apps/v1", "StatefulSet", "db", START)?;

        self.apply(&manifest::MIGRATION)?;
        self.wait("batch/v1", "Job", &format!("migrate-{}", VERSION.replace('.', "-")), MIGRATION)?;

        self.apply(&manifest::WEB)?;
        self.wait("apps/v1", "Deployment", "web", START)?;

        outputs::set("url", &format!("https://{}/", parameter("host")?))
    }

    /// The same, over what is there.
    fn upgrade(&mut self, storage: &str) -> Result<(), Error> {
        match get::get(&self.object("apps/v1", "StatefulSet", "db")) {
            Ok(database) => self.install(&storage_kept(&database, storage)?),
            Err(Error::NotFound(_)) => self.install(storage),
            Err(error) => Err(error),
        }
    }

    /// Starts a backup, and does not wait for its end: that may take an hour.
    fn backup(&mut self) -> Result<(), Error> {
        self.values.set("backup-name", &parameter("backup-name")?);
        self.apply(&manifest::BACKUP)
    }

    /// Reads what the operator decides: parameters, the file, the password's place.
    fn settings(&mut self, storage: &str) -> Result<(), Error> {
        let site = read::read("site.conf")?;
        self.values.set("site", &site);
        self.values.set("site-checksum", &checksum(&site));

        let password = lend::lend("db-password")?;
        self.values.set("password", &password.placeholder(Encoding::Raw));
        self.values.set("password-in-url", &password.placeholder(Encoding::Url));

        self.values.set("storage", storage);
        for name in ["host", "replicas", "ingress-class", "cluster-issuer"] {
            self.values.set(name, &parameter(name)?);
        }
        #[cfg(feature = "cleanup")]
        self.values.set("keep-days", &parameter("keep-days")?);
        Ok(())
    }

    fn apply(&self, templates: &[&str]) -> Result<(), Error> {
        let mut manifests = Vec::new();
        for template in templates {
            manifests.push(self.values.fill(template)?);
        }
        apply::apply(&manifests)?;
        Ok(())
    }

    fn wait(&self, api_version: &str, kind: &str, part: &str, seconds: u32) -> Result<(), Error> {
        let object = self.object(api_version, kind, part);
        log::log(Level::Info, &format!("waiting for {} {}", object.kind, object.name));
        wait::wait(&[object], seconds)
    }

    fn object(&self, api_version: &str, kind: &str, part: &str) -> ObjectRef {
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some(self.namespace.clone()),
            name: format!("{}-{part}", self.name),
        }
    }
}

impl From<Unset> for Error {
    fn from(Unset(name): Unset) -> Self {
        Self::Failed(format!("a manifest needs the value `{name}`, which is not set"))
    }
}

/// The size to ask for where a database of some size is there already: a volume cannot shrink, and a StatefulSet's
/// claim cannot be changed at all.
fn storage_kept(database: &str, wanted: &str) -> Result<String, Error> {
    const SIZE: [&str; 7] = ["spec", "volumeClaimTemplates", "0", "spec", "resources", "requests", "storage"];
    let held = json::text_at(database, &SIZE).ok_or_else(|| {
        Error::Failed("the database that is there has no volume of its own: it is not ours".into())
    })?;
    let (Some(held_bytes), Some(wanted_bytes)) = (size::bytes(held), size::bytes(wanted)) else {
        return Err(Error::Failed(format!("the volume's size `{held}` cannot be compared with `{wanted}`")));
    };
    if wanted_bytes < held_bytes {
        return Err(Error::Failed(format!(
            "the database's volume has {held} and cannot shrink to {wanted}: set `storage` to {held} or more"
        )));
    }
    if wanted_bytes > held_bytes {
        let advice =
            format!("the database's volume stays at {held}: to get {wanted}, enlarge its claim by hand");
        log::log(Level::Warn, &advice);
    }
    Ok(held.to_string())
}

/// The value of a parameter that the bundle gives a default.
fn parameter(name: &str) -> Result<String, Error> {
    context::parameter(name).ok_or_else(|| Error::Failed(format!("the parameter `{name}` has no value")))
}

/// The reference of an image of the bundle.
fn image(name: &str) -> Result<String, Error> {
    context::image(name).ok_or_else(|| Error::Failed(format!("the bundle has no image `{name}`")))
}

/// FNV-1a over 64 bits: enough to tell a changed file, and nothing that anyone has to trust.
fn checksum(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(target_arch = "wasm32")]
mod runtime {
    use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

    // SAFETY: a component has one thread.
    #[global_allocator]
    static ALLOCATOR: AssumeSingleThreaded<FreeListAllocator> =
        unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}

bindings::export!(Guestbook with_types_in bindings);

#[cfg(test)]
mod tests;
