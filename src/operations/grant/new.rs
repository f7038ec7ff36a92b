//! A grant of everything that a bundle requests, to be cut down.

use std::path::Path;

use crate::capability::Requests;
use crate::grant::spec::GrantFile;
use crate::operations::{Bundles, Error};
use crate::reference::Reference;
use crate::text::YamlText;

use super::write;

/// A grant that was written, and reads as it was meant.
#[derive(Debug)]
pub struct WrittenGrant {
    /// The text, with the author's reason beside each line.
    pub text: YamlText,
    /// The grant as a run parses it.
    pub grant: GrantFile,
    requests: Requests,
}

/// Writes a grant of everything that a bundle requests, for its digest and no other.
///
/// # Errors
/// [`Error`] when the bundle cannot be fetched, or its requests have no text that grants just them.
pub async fn new(reference: &Reference, bundles: &Bundles) -> Result<WrittenGrant, Error> {
    let fetched = bundles.fetched(reference).await?;
    let requests = Requests::of(fetched.bundle())?;
    let text = write::grant(fetched.bundle().name(), fetched.digest(), &requests);
    // A text that would not parse back to the same grant must not be returned as one.
    let grant = write::read_back(text.as_str(), &requests, Path::new(""))?;
    Ok(WrittenGrant { text, grant, requests })
}

impl WrittenGrant {
    /// Whether another text, such as that of a file that was written, still grants just what is requested.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    pub fn check(&self, text: &str) -> Result<(), Error> {
        write::read_back(text, &self.requests, Path::new("")).map(drop)
    }
}
