//! From an installation, or one of its revisions, to an action on the bundle that is kept of it.

use crate::bundle::parameters;
use crate::capability::Requests;
use crate::capability::template::Names;
use crate::digest::Digest;
use crate::fetch::Fetched;
use crate::grant::{Shortfall, shortfall};
use crate::reference::Reference;
use crate::state::{Installation, Revision, StateError};
use crate::text::CommandLine;
use crate::verify::Verified;

use super::super::decided::EarlierDecisions;
use super::super::places::{Located, installation, unsaid_place};
use super::super::revisions::undone;
use super::super::{Error, InstallationRequest, Services};
use super::{Attempt, Ready};

/// A bundle as a record names it.
struct KeptBundle<'a> {
    digest: Digest,
    reference: &'a str,
}

impl KeptBundle<'_> {
    /// The reference with its digest, as one word of a shell. What a record says stands there only if it is a plain
    /// one: others may have written it.
    fn as_word(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@+".contains(c);
        match self.reference.parse::<Reference>() {
            Ok(reference) if self.reference.chars().all(is_plain) => {
                reference.pinned(self.digest).to_string()
            }
            _ => format!("REF@{}", self.digest),
        }
    }
}

impl<'a> Attempt<'a> {
    /// The action on an installation, with the bundle that is kept of it where the action needs one.
    pub(in crate::operations) async fn on_installation(
        self,
        services: &Services<'_>,
    ) -> Result<Ready<'a>, Error> {
        let InstallationRequest { name, namespace, access, .. } = self.request;
        let installation = installation(services.state(), name, namespace.as_deref())?;
        let verified = self.kept(&installation, services).await?;
        let located = Located::of(&installation, access, self.own_word.place.get()?.as_ref())?;
        let reference = self.reference_of(&installation.settings.reference);
        Ok(Ready { attempt: Self { reference, ..self }, verified, located })
    }

    /// The action that brings an installation back to one of its revisions, with the bundle that is kept of it.
    pub(in crate::operations) async fn on_revision(
        self,
        revision: &Revision,
        services: &Services<'_>,
    ) -> Result<Ready<'a>, Error> {
        let InstallationRequest { name, namespace, access, trust, .. } = self.request;
        let installation = installation(services.state(), name, namespace.as_deref())?;
        let kept = KeptBundle { digest: revision.digest, reference: &revision.reference };
        let fetched = self.fetched(&installation, kept, services).await?;
        let verified = Some(services.bundles.admitted(fetched, *trust)?);
        let located = Located::of(&installation, access, self.own_word.place.get()?.as_ref())?;
        let consent = self.consent.get()?;
        let decided = if installation.is_shared() {
            EarlierDecisions::by_shared_revision(revision, consent, &self.change)
        } else {
            EarlierDecisions::by_revision(revision, consent, &self.change)
        };
        let reference = self.reference_of(&revision.reference);
        let rollback_to = Some(revision.revision.clone());
        let undone = undone(&services.state().history(name)?, &revision.revision, None);
        let attempt = Self { reference, rollback_to, undone, decided: Some(decided), ..self };
        Ok(Ready { attempt, verified, located })
    }

    /// The bundle that is kept of an installation, verified again. An uninstall that the component does not handle
    /// needs none, so neither a lost trust policy nor a damaged copy can keep it from happening.
    async fn kept(
        &self,
        installation: &Installation,
        services: &Services<'_>,
    ) -> Result<Option<Verified>, Error> {
        let settings = &installation.settings;
        if self.action == "uninstall" {
            let fetched = services.state().load(settings.bundle, &settings.reference).await;
            let requests = fetched.as_ref().ok().and_then(|fetched| Requests::of(fetched.bundle()).ok());
            if !requests.is_some_and(|requests| requests.handle("uninstall")) {
                return Ok(None);
            }
        }
        let kept = KeptBundle { digest: settings.bundle, reference: &settings.reference };
        let fetched = self.fetched(installation, kept, services).await?;
        services.bundles.admitted(fetched, self.request.trust).map(Some)
    }

    /// The bundle that a record names. Where others can write the record, the operator says where the bundle is from:
    /// that decides which rule of the trust policy it is admitted by.
    async fn fetched(
        &self,
        installation: &Installation,
        kept: KeptBundle<'_>,
        services: &Services<'_>,
    ) -> Result<Fetched, Error> {
        let Some(named) = &self.own_word.bundle else {
            let mut lines = self.unsaid(installation, &kept)?;
            let found = services.state().load(kept.digest, kept.reference).await;
            if lines.is_empty() {
                return Ok(found?);
            }
            lines.extend(
                found.ok().and_then(|found| self.ungranted(installation, &found)).unwrap_or_default(),
            );
            return Err(Error::Shared { name: installation.name.clone(), lines });
        };
        let found = match named.digest() {
            Some(digest) if digest == kept.digest => {
                return match services.state().load(digest, &named.to_string()).await {
                    // What was imported, or was too large to be kept, is had from where it is said to be.
                    Err(StateError::NoBundle(_)) => services.bundles.fetched(named).await,
                    found => Ok(found?),
                };
            }
            Some(digest) => digest,
            None => {
                let fetched = services.bundles.fetched(named).await?;
                if fetched.digest() == kept.digest {
                    return Ok(fetched);
                }
                fetched.digest()
            }
        };
        Err(Error::OtherBundle { name: installation.name.clone(), recorded: kept.digest, found })
    }

    /// Flags that only the operator can give for an installation whose record others can write.
    fn unsaid(&self, installation: &Installation, kept: &KeptBundle<'_>) -> Result<Vec<CommandLine>, Error> {
        if !installation.is_shared() {
            return Ok(Vec::new());
        }
        let mut lines = vec![CommandLine::of(self.bundle_flag).word(kept.as_word())];
        lines.extend(unsaid_place(installation, self.own_word.place.get()?.as_ref()));
        Ok(lines)
    }

    /// What the action would lack then, as flags, so that all is asked for at once. Nothing of the bundle is believed or run:
    /// whoever asks decides from what they know themselves. None: it cannot be told yet.
    fn ungranted(&self, installation: &Installation, found: &Fetched) -> Option<Vec<CommandLine>> {
        let (bundle, component) = (found.bundle(), found.component().ok()?);
        let requests = Requests::of(bundle).ok()?;
        let grant = self.consent.get().ok()?.grant(found.digest(), &requests).ok()?;
        let given = self.request.inputs.parameters.get().ok()?.read(bundle).ok()?;
        let recorded = installation.last_parameters();
        let resolved = parameters::resolve(bundle, self.action, &given, recorded).ok()?;
        let names = Names::of(&installation.name, &installation.namespace, &resolved);
        match shortfall(bundle, component, &grant, &names) {
            Err(Shortfall::Missing(missing)) => Some(missing),
            _ => None,
        }
    }

    /// Where the bundle is from, to be recorded: as the operator says, else as it is recorded.
    fn reference_of(&self, recorded: &str) -> String {
        self.own_word.bundle.as_ref().map_or_else(|| recorded.to_owned(), Reference::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::places::tests::ended;

    #[test]
    fn what_a_record_says_is_copied_into_a_line_only_if_it_is_plain() {
        let digest = Digest::of(b"");
        let word = |reference: &str| KeptBundle { digest, reference }.as_word();
        assert_eq!(word("registry.example/web:1"), format!("registry.example/web:1@{digest}"));
        assert_eq!(word("layout:/a/b"), format!("layout:/a/b@{digest}"));
        for odd in ["layout:/a;touch x", "layout:/a b", "layout:/$(x)", "layout:/a'b", "", "no reference"] {
            assert_eq!(word(odd), format!("REF@{digest}"), "{odd}");
        }
    }

    #[test]
    fn where_others_can_write_the_record_the_operator_says_what_it_is_about() {
        let request = InstallationRequest::new("web");
        let attempt = Attempt::new("dev.carnet.test.look", &request);
        let digest = Digest::of(b"");
        let kept = || KeptBundle { digest, reference: "layout:/a" };
        let own = ended("install", "succeeded");
        assert_eq!(attempt.unsaid(&own, &kept()).unwrap(), Vec::<&str>::new());
        let lines = attempt.unsaid(&own.shared(), &kept()).unwrap();
        assert_eq!(lines, [format!("--bundle layout:/a@{digest}"), "--target dir:PATH".into()]);
    }
}
