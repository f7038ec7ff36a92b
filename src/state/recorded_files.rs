//! The operator's files as a component read them: digests, and of small ones what they held.
//!
//! They are recorded since the same files may hold something else later: an earlier revision could not be brought back
//! without what it read, and a comparison would call a changed input a change of the target.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::host::InputFiles;

/// The largest file whose content is recorded, in bytes: 64 KiB. The state keeps it with every revision.
const MAX_CONTENT: usize = 64 << 10;

/// How many bytes of content are recorded of one run: 256 KiB.
const MAX_CONTENTS: usize = 256 << 10;

/// How a private key in text form begins or goes on, whatever kind it is of.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The files of one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordedFiles(Vec<RecordedFile>);

/// A file as it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedFile {
    /// The name by which the component knows it.
    pub name: String,
    /// The digest of its bytes. None: it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its content, where that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl RecordedFiles {
    /// Files as they were read. What holds a credential (`is_secret`) is recorded by its digest alone.
    pub fn of(files: &InputFiles, is_secret: impl Fn(&str) -> bool) -> Self {
        let mut left = MAX_CONTENTS;
        let mut record = |(name, content): (&str, Option<&str>)| {
            let fits = |content: &&str| content.len() <= MAX_CONTENT.min(left);
            let kept = content.filter(fits).filter(|text| !text.contains(PRIVATE_KEY) && !is_secret(text));
            left -= kept.map_or(0, str::len);
            RecordedFile {
                name: name.to_owned(),
                digest: content.map(|content| Digest::of(content.as_bytes())),
                content: kept.map(str::to_owned),
            }
        };
        Self(files.iter().map(&mut record).collect())
    }

    /// The files.
    pub fn iter(&self) -> impl Iterator<Item = &RecordedFile> {
        self.0.iter()
    }

    /// The files whose content is known, as they were. What the record says of others is [checked](Self::check) when they are
    /// read.
    pub fn restored(&self) -> InputFiles {
        InputFiles::given(self.0.iter().filter_map(|file| Some((file.name.clone(), file.known()?))))
    }

    /// Checks that files that were read are those that are recorded.
    ///
    /// # Errors
    /// The names of those that are not.
    pub fn check(&self, read: &InputFiles) -> Result<(), Vec<String>> {
        let is_other = |file: &&RecordedFile| {
            let now = read.get(&file.name);
            now.is_some_and(|now| now.map(|content| Digest::of(content.as_bytes())) != file.digest)
        };
        let others: Vec<_> = self.0.iter().filter(is_other).map(|file| file.name.clone()).collect();
        if others.is_empty() { Ok(()) } else { Err(others) }
    }
}

impl RecordedFile {
    /// Its content: None where that is not recorded, `Some(None)` where it could not be read.
    fn known(&self) -> Option<Option<String>> {
        match (self.digest, &self.content) {
            (None, _) => Some(None),
            // Invariant: bytes are what their digest says, also when read back from the store.
            (Some(digest), Some(content)) if Digest::of(content.as_bytes()) == digest => {
                Some(Some(content.clone()))
            }
            (Some(_), _) => None,
        }
    }
}

/// Without the content.
impl fmt::Debug for RecordedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedFile")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, Option<&str>)]) -> InputFiles {
        InputFiles::given(
            files.iter().map(|(name, content)| ((*name).to_owned(), content.map(str::to_owned))),
        )
    }

    fn recorded(files: &[(&str, Option<&str>)]) -> RecordedFiles {
        RecordedFiles::of(&read(files), |text| text.contains("hunter2"))
    }

    fn restored(recorded: &RecordedFiles) -> Vec<(String, Option<String>)> {
        recorded.restored().iter().map(|(name, text)| (name.to_owned(), text.map(str::to_owned))).collect()
    }

    #[test]
    fn a_small_file_is_brought_back_and_so_is_that_there_was_none() {
        let files = recorded(&[("absent", None), ("values", Some("a: 1"))]);
        let expected = [("absent".to_owned(), None), ("values".to_owned(), Some("a: 1".to_owned()))];
        assert_eq!(restored(&files), expected);
        let read_back: RecordedFiles = serde_json::from_str(&serde_json::to_string(&files).unwrap()).unwrap();
        assert_eq!(read_back, files);
        assert!(!format!("{files:?}").contains("a: 1"));
    }

    #[test]
    fn a_large_file_and_one_that_holds_a_credential_are_known_by_their_digests_alone() {
        let large = "x".repeat(MAX_CONTENT + 1);
        let key = "-----BEGIN EC PRIVATE KEY-----";
        let files = recorded(&[("key", Some(key)), ("large", Some(&large)), ("secret", Some("p: hunter2"))]);
        assert_eq!(restored(&files), []);
        let written = serde_json::to_string(&files).unwrap();
        assert!(!written.contains("hunter2") && !written.contains("BEGIN"), "{written}");
        assert_eq!(files.check(&read(&[("large", Some(&large)), ("key", Some(key))])), Ok(()));
        let changed = files.check(&read(&[("large", Some("y")), ("key", None), ("new", Some("z"))]));
        assert_eq!(changed, Err(vec!["key".to_owned(), "large".to_owned()]));
    }

    #[test]
    fn the_contents_of_one_run_are_bounded_together() {
        let text = "x".repeat(MAX_CONTENT);
        let files: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, Some(text.as_str()))).to_vec();
        assert_eq!(restored(&recorded(&files)).len(), MAX_CONTENTS / MAX_CONTENT);
    }

    #[test]
    fn a_content_that_is_not_what_its_digest_says_is_not_used() {
        let mut written = serde_json::to_value(recorded(&[("values", Some("a: 1"))])).unwrap();
        written[0]["content"] = "a: 2".into();
        let spoiled: RecordedFiles = serde_json::from_value(written).unwrap();
        assert_eq!(restored(&spoiled), []);
    }
}
