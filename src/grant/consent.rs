//! Consent: an operator's grant files and flags, and the grant of the last run, combined.

use crate::capability::Requests;
use crate::digest::Digest;
use crate::text::CommandLine;

use super::denial::Shortfall;
use super::spec::{GrantFile, GrantSpec};

/// The operator's consent.
#[derive(Debug, Clone, Default)]
pub struct Consent {
    /// Grant files.
    pub documents: Vec<GrantFile>,
    /// Flags, and what is kept from the installation's last run.
    pub grant: GrantSpec,
    /// A digest all of whose requests are granted.
    pub approve: Option<Digest>,
    /// Whether a bare `*` may stand in a grant.
    pub dangerous_wildcards: bool,
}

impl Consent {
    /// All files and flags together, for one bundle.
    ///
    /// # Errors
    /// [`Shortfall`] for a grant or approval of another bundle, and for a bare `*`.
    pub fn grant(&self, bundle: Digest, requests: &Requests) -> Result<GrantSpec, Shortfall> {
        let mut grant = GrantSpec::default();
        for document in &self.documents {
            let pinned = document.spec.bundle;
            if pinned != bundle {
                return Err(Shortfall::OtherBundle { name: document.metadata.name.clone(), pinned, bundle });
            }
            grant.add(document.spec.clone().into())?;
        }
        // Of one name, the flag says which file is meant.
        let is_bound = |name: &str| self.grant.files.iter().any(|bound| bound.name == name);
        grant.files.retain(|file| !is_bound(&file.name));
        grant.add(self.grant.clone())?;
        let grant = match self.approve {
            Some(approved) if approved != bundle => return Err(Shortfall::Approved { approved, bundle }),
            Some(_) => approving(grant, requests),
            None => grant,
        };
        self.check(&grant)?;
        Ok(grant)
    }

    /// Makes the checks that every grant passes, whoever wrote it: the operator, the author whose requests are
    /// approved, or an earlier run whose grant is carried over.
    ///
    /// # Errors
    /// [`Shortfall`] for a bare `*`.
    pub fn check(&self, grant: &GrantSpec) -> Result<(), Shortfall> {
        if self.dangerous_wildcards { Ok(()) } else { Ok(grant.check_bounded()?) }
    }

    /// The flag that is to be added beside those that grant what is required, where that has a bare `*`.
    pub fn unsaid_guard(&self, requests: &Requests) -> Option<CommandLine> {
        let required = requests.kubernetes.iter().filter(|request| !request.optional);
        let kubernetes = required.map(|request| request.text.clone()).collect();
        let is_refused = self.check(&GrantSpec { kubernetes, ..GrantSpec::default() }).is_err();
        is_refused.then(|| "--dangerous-wildcards".into())
    }
}

/// All that is requested. A file still has to be bound to a path by the operator.
fn approving(mut grant: GrantSpec, requests: &Requests) -> GrantSpec {
    grant.kubernetes.extend(requests.kubernetes.iter().map(|request| request.text.clone()));
    grant.credentials.extend(requests.credentials.iter().map(|request| request.text.clone()));
    grant.generate.extend(requests.generate.iter().map(|request| request.text.clone()));
    grant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::ScopeRequest;
    use crate::capability::kubernetes::RuleText;
    use crate::grant::spec::FileGrant;

    fn file(name: &str, path: &str) -> FileGrant {
        FileGrant { name: name.into(), path: path.into() }
    }

    #[test]
    fn where_a_bare_star_is_required_its_flag_is_told_with_the_rest() {
        let line = |rule: &str, optional: bool, dangerous_wildcards: bool| {
            let text = RuleText::parse(rule).unwrap();
            let request = ScopeRequest { text, reason: String::new(), optional };
            let requests = Requests { kubernetes: vec![request], ..Requests::default() };
            let consent = Consent { dangerous_wildcards, ..Consent::default() };
            consent.unsaid_guard(&requests).map(|line| line.to_string())
        };
        assert_eq!(line("get:ConfigMap:prod/*", false, false).as_deref(), Some("--dangerous-wildcards"));
        assert_eq!(line("get:ConfigMap:prod/*", true, false), None);
        assert_eq!(line("get:ConfigMap:prod/*", false, true), None);
        assert_eq!(line("get:ConfigMap:prod/web-*", false, false), None);
    }

    #[test]
    fn an_approval_is_of_one_digest_and_grants_what_that_bundle_requests() {
        let (digest, other) = (Digest::of(b""), Digest::of(b"other"));
        let request = |rule: &str| ScopeRequest {
            text: RuleText::parse(rule).unwrap(),
            reason: String::new(),
            optional: false,
        };
        let requests = |rule: &str| Requests { kubernetes: vec![request(rule)], ..Requests::default() };
        let narrow = requests("get:ConfigMap:prod/web-*");
        let consent = Consent { approve: Some(digest), ..Consent::default() };
        let granted = consent.grant(digest, &narrow).unwrap();
        assert_eq!(granted.kubernetes, [RuleText::parse("get:ConfigMap:prod/web-*").unwrap()]);
        let refused = consent.grant(other, &narrow).unwrap_err();
        assert!(
            matches!(refused, Shortfall::Approved { approved, bundle } if (approved, bundle) == (digest, other))
        );
        // Who approves does not lower the guard for wildcards.
        assert!(matches!(
            consent.grant(digest, &requests("get:ConfigMap:prod/*")),
            Err(Shortfall::InvalidGrant(crate::grant::spec::InvalidGrant::Wildcard(_)))
        ));
        let nothing = Consent::default().grant(digest, &narrow).unwrap();
        assert_eq!(nothing, GrantSpec::default());
    }

    #[test]
    fn a_grant_file_is_for_the_bundle_that_it_pins() {
        let (pinned, bundle) = (Digest::of(b""), Digest::of(b"other"));
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: x}}\nspec: {{bundle: '{pinned}'}}"
        );
        let documents = vec![GrantFile::parse(&text, std::path::Path::new("/")).unwrap()];
        let consent = Consent { documents, ..Consent::default() };
        assert_eq!(consent.grant(pinned, &Requests::default()).unwrap(), GrantSpec::default());
        let refused = consent.grant(bundle, &Requests::default()).unwrap_err();
        assert!(matches!(refused, Shortfall::OtherBundle { name, .. } if name == "x"));
    }

    #[test]
    fn of_a_file_that_a_grant_and_a_flag_bind_the_flag_counts() {
        let digest = Digest::of(b"");
        let text = format!(
            "apiVersion: carnet.dev/v1alpha1\nkind: Grant\nmetadata: {{name: x}}\nspec: {{bundle: '{digest}', \
             files: [{{name: a, path: /file/a}}, {{name: b, path: /file/b}}]}}"
        );
        let documents = vec![GrantFile::parse(&text, std::path::Path::new("/")).unwrap()];
        let grant = GrantSpec { files: vec![file("a", "/flag/a")], ..GrantSpec::default() };
        let consent = Consent { documents, grant, ..Consent::default() };
        let files = consent.grant(digest, &Requests::default()).unwrap().files;
        assert_eq!(files, [file("b", "/file/b"), file("a", "/flag/a")]);
    }
}
