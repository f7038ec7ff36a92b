//! Asks a registry for its lists, page by page: the referrers of a document, the tags of a repository.

use http::header::{CONTENT_TYPE, LINK};
use http::{Method, StatusCode};
use serde_json::Value;

use super::Registry;
use super::ask::Ask;
use super::response::{Answer, Unread};
use crate::digest::Digest;
use crate::document;
use crate::oci::index::list;
use crate::oci::media_type::OCI_INDEX;
use crate::oci::{MAX_DOCUMENT, MAX_ENTRIES, OciError};

const MAX_PAGES: usize = 20;

/// The most tags that are looked through for a version, and the most pages of them: a registry chooses how long a page is.
const MAX_TAGS: usize = 20_000;
const MAX_TAG_PAGES: usize = 200;

const TAGS: &str = "a list of tags";

impl Registry {
    /// The entries that the registry itself lists as referrers of a document; none where it has no list of that kind. That it
    /// does not show us the list is an error, and never an empty one.
    pub(super) async fn own_referrers(
        &self,
        subject: Digest,
        name: &'static str,
    ) -> Result<Option<Vec<Value>>, OciError> {
        let mut ask = self.ask(Method::GET, &format!("referrers/{subject}")).accepting(OCI_INDEX);
        let mut found = Vec::new();
        for page in 0..MAX_PAGES {
            let answer = self.host.expect(&ask, &[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
            if answer.status == StatusCode::NOT_FOUND && page == 0 {
                return Ok(None);
            }
            if answer.status == StatusCode::NOT_FOUND {
                return Err(self.host.broken("a page of a list of referrers is not there").into());
            }
            let next = self.next_page(&answer, &ask)?;
            found.extend(self.page(answer, name).await?);
            if found.len() > MAX_ENTRIES {
                return Err(OciError::TooMany(name));
            }
            match next {
                Some(next) => ask.url = next,
                None => return Ok(Some(found)),
            }
        }
        Err(OciError::TooMany(name))
    }

    /// The tags that the registry itself has of the repository. None: it has no such repository.
    pub(super) async fn own_tags(&self) -> Result<Option<Vec<String>>, OciError> {
        let mut ask = self.ask(Method::GET, "tags/list?n=1000").accepting("application/json");
        let mut found = Vec::new();
        for _ in 0..MAX_TAG_PAGES {
            let answer = self.host.expect(&ask, &[StatusCode::OK, StatusCode::NOT_FOUND]).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let next = self.next_page(&answer, &ask)?;
            found.extend(self.tags_in(answer).await?);
            if found.len() > MAX_TAGS {
                return Err(OciError::TooMany(TAGS));
            }
            match next {
                Some(next) => ask.url = next,
                None => return Ok(Some(found)),
            }
        }
        Err(OciError::TooMany(TAGS))
    }

    async fn tags_in(&self, answer: Answer) -> Result<Vec<String>, OciError> {
        let bytes = answer.read(MAX_DOCUMENT).await.map_err(|unread| match unread {
            Unread::TooLong => OciError::TooMany(TAGS),
            Unread::Failed(error) => error.into(),
        })?;
        let list = document::json(&bytes)
            .map_err(|source| self.host.hushed_document(OciError::Document { name: TAGS, source }))?;
        match list.get("tags") {
            // A repository whose last tag was removed.
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(tags)) => Ok(tags.iter().filter_map(Value::as_str).map(Into::into).collect()),
            Some(_) => Err(OciError::Form(TAGS)),
        }
    }

    async fn page(&self, answer: Answer, name: &'static str) -> Result<Vec<Value>, OciError> {
        let declared = answer.header(&CONTENT_TYPE).unwrap_or_default();
        if declared.split(';').next().map(str::trim) != Some(OCI_INDEX) {
            return Err(self.host.broken("its list of referrers is no OCI index").into());
        }
        let bytes = answer.read(MAX_DOCUMENT).await.map_err(|unread| match unread {
            Unread::TooLong => OciError::TooMany(name),
            Unread::Failed(error) => error.into(),
        })?;
        list(&bytes, name).map_err(|error| self.host.hushed_document(error))
    }

    /// The address of the next page (RFC 8288), which has to be another page of the same list.
    fn next_page(&self, answer: &Answer, ask: &Ask) -> Result<Option<String>, OciError> {
        let links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let Some(place) = links.flat_map(|line| line.split(',')).find_map(next_in) else { return Ok(None) };
        let url = self.host.own_place(&ask.url, place)?;
        let path = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        if path(&url) == path(&ask.url) && url != ask.url {
            Ok(Some(url))
        } else {
            Err(self.host.broken("the next page of a list is not one of it").into())
        }
    }
}

fn next_in(link: &str) -> Option<&str> {
    let (place, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|parameter| {
        let text = parameter.trim().to_ascii_lowercase();
        text == "rel=next" || text == "rel=\"next\""
    });
    is_next.then_some(place)
}
