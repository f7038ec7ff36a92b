//! What a registry said of a tag or of a list, for those who ask no registry: the last answer to each question.
//!
//! Only an answer is kept, and no failure to give one: that there is nothing has to be what a registry said.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ANSWERS, Store, found};
use crate::digest::Digest;
use crate::document;
use crate::oci::MAX_DOCUMENT;
use crate::oci::file::{self, blocking};

impl Store {
    /// Keeps an answer in the place of an earlier one. Of a store that cannot be written, nothing is asked later.
    pub(in crate::oci) async fn note(&self, question: &str, answer: Value) {
        let (directory, name) = (Arc::clone(&self.directory), name(question));
        let text = json!({ "question": question, "answer": answer }).to_string();
        // What a power cut leaves of it cannot be read, and is no answer.
        let written = blocking(move || file::write_unsynced(&directory, &name, text.as_bytes()));
        drop(written.await);
    }

    /// The last answer to a question; none where it was not asked, or nothing of that can be read.
    pub(in crate::oci) async fn answer(&self, question: &str) -> Option<Value> {
        let (directory, name) = (Arc::clone(&self.directory), name(question));
        let read = blocking(move || found(file::read(&directory, &name, 2 * MAX_DOCUMENT)));
        let bytes = read.await.ok()??;
        let document = document::json(&bytes).ok()?;
        let is_this = document.get("question").and_then(Value::as_str) == Some(question);
        document.get("answer").filter(|_| is_this).cloned()
    }
}

fn name(question: &str) -> String {
    format!("{ANSWERS}/{}", Digest::of(question.as_bytes()).hex())
}
