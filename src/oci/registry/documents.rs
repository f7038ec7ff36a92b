//! Reads and writes manifests and indexes of a repository in a registry.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, StatusCode};

use super::Registry;
use super::response::{Answer, Unread};
use crate::digest::Digest;
use crate::document;
use crate::oci::descriptor::size_of;
use crate::oci::media_type::{is_index, is_manifest};
use crate::oci::{Descriptor, DocumentMembers, MAX_DOCUMENT, Malformed, OciError};

/// The types of documents that are understood.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// Whether something is found among the manifests of a registry, and not among its blobs.
pub(super) fn is_document(media_type: &str) -> bool {
    is_manifest(media_type) || is_index(media_type)
}

/// Checks that a document is of the type under which another one named it: readers of the two would disagree otherwise
/// about what it is.
pub(super) fn same_type(named: &Descriptor, found: &Descriptor) -> Result<(), Malformed> {
    if named.media_type == found.media_type {
        Ok(())
    } else {
        Err(Malformed::MediaType(found.media_type.clone()))
    }
}

impl Registry {
    /// The document that the registry itself has at a tag or digest.
    pub(super) async fn own_document_at(
        &self,
        reference: &str,
        expected: Option<Digest>,
    ) -> Result<Option<(Descriptor, Bytes)>, OciError> {
        let ask = self.ask(Method::GET, &format!("manifests/{reference}")).accepting(ACCEPTED);
        let answer = self.host.expect(&ask, &[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // Whoever stands in between may say 404 to everything, and knows nothing of signatures that there are.
            let why = "it says 404, and not that it is the document that is unknown";
            return if answer.names_unknown().await { Ok(None) } else { Err(self.host.broken(why).into()) };
        }
        let (declared, promised) = (content_type(&answer), promised(&answer));
        let bytes = answer.read(MAX_DOCUMENT).await.map_err(|unread| match unread {
            Unread::TooLong => {
                OciError::TooLong { what: "a document of the registry".into(), limit: MAX_DOCUMENT }
            }
            Unread::Failed(error) => error.into(),
        })?;
        let digest = Digest::of(&bytes);
        for promised in [expected, promised].into_iter().flatten() {
            promised.check(&bytes)?;
        }
        let media_type = type_of(declared, &bytes).map_err(|error| self.host.hushed_document(error))?;
        let size = size_of(&bytes);
        let descriptor =
            Descriptor { media_type, digest, size, annotations: Default::default(), artifact_type: None };
        Ok(Some((descriptor, Bytes::from(bytes))))
    }

    /// Writes a document under its digest. What it names must be there before.
    pub(super) async fn put_document(&self, document: &Descriptor, bytes: Bytes) -> Result<(), OciError> {
        self.put(&document.digest.to_string(), &document.media_type, bytes.clone(), document.digest).await?;
        self.keep(document, &bytes);
        Ok(())
    }

    /// Points a tag at a document that is there.
    pub(in crate::oci) async fn tag(&self, tag: &str, document: &Descriptor) -> Result<(), OciError> {
        let bytes = self.stream(document).await?.read(MAX_DOCUMENT).await?;
        self.put(tag, &document.media_type, bytes.into(), document.digest).await
    }

    async fn put(&self, at: &str, media_type: &str, bytes: Bytes, digest: Digest) -> Result<(), OciError> {
        let mut ask = self.ask(Method::PUT, &format!("manifests/{at}"));
        let unusable = |_| OciError::Malformed(Malformed::MediaType(media_type.to_owned()));
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_str(media_type).map_err(unusable)?);
        ask.body = bytes;
        let answer =
            self.host.expect(&ask, &[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED]).await?;
        if let Some(promised) = promised(&answer) {
            promised.check(&ask.body)?;
        }
        if answer.headers.contains_key(SUBJECT) {
            self.noted.lock().insert(digest);
        }
        Ok(())
    }
}

/// The digest that a registry says its answer has. It is a hint, which must be right; one of another algorithm is none.
fn promised(answer: &Answer) -> Option<Digest> {
    answer.header(&CONTENT_DIGEST)?.parse().ok()
}

fn content_type(answer: &Answer) -> Option<String> {
    let text = answer.header(&CONTENT_TYPE)?;
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The one type of a document. It may leave it out itself only where it is an index: those of other tools for CNAB do.
pub(super) fn type_of(declared: Option<String>, bytes: &[u8]) -> Result<String, OciError> {
    let members = DocumentMembers::parse(bytes)?;
    let own = members.optional_text("mediaType")?;
    let media_type = match (declared, own) {
        (Some(declared), Some(own)) if declared != own => return Err(Malformed::MediaType(declared).into()),
        (_, Some(own)) => own,
        (Some(declared), None) if is_index(&declared) || is_manifest(&declared) => declared,
        (declared, None) => {
            return Err(Malformed::MediaType(document::visible(&declared.unwrap_or_default())).into());
        }
    };
    if is_index(&media_type) {
        members.check_index()?;
    } else if is_manifest(&media_type) {
        members.check_manifest()?;
    } else {
        return Err(Malformed::MediaType(media_type).into());
    }
    Ok(media_type)
}
