//! A watch: how an object changes, as the server tells it, one event a line.
//!
//! Whoever watches is told what is there first, and each change after that. A watch may end at any moment, and what it did
//! not tell by then is read. So nothing that goes wrong in one is an error.

use std::fmt;

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use crate::document;

/// A watch that is under way.
pub(crate) struct Watch {
    body: Body,
    read: Vec<u8>,
    /// How much of that has no end of a line in it.
    searched: usize,
}

/// An event of a watch. No `Debug`: it may hold a Secret.
pub(crate) enum WatchEvent {
    /// It is gone; this is how it was.
    Gone(Value),
    /// It is so now.
    Now(Value),
}

impl Watch {
    pub(super) fn of(body: Body) -> Self {
        Self { body, read: Vec::new(), searched: 0 }
    }

    /// The next event. None: the watch is over.
    pub(crate) async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            let line = self.line().await?;
            let mut event = document::json(&line).ok()?;
            let object = event.get_mut("object").map(Value::take)?;
            match event.get("type").and_then(Value::as_str)? {
                "ADDED" | "MODIFIED" => return Some(WatchEvent::Now(object)),
                "DELETED" => return Some(WatchEvent::Gone(object)),
                // How far the server is, without news.
                "BOOKMARK" => {}
                _ => return None,
            }
        }
    }

    /// The next line, of which no more than a document's length is read. What came of one that is not there yet is kept, so
    /// that this may be given up and called again.
    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let end = self.read.iter().skip(self.searched).position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.read.split_off(self.searched + end + 1);
                self.searched = 0;
                return Some(std::mem::replace(&mut self.read, rest));
            }
            self.searched = self.read.len();
            if self.searched > document::MAX_BYTES {
                return None;
            }
            if let Ok(bytes) = self.body.frame().await?.ok()?.into_data() {
                self.read.extend_from_slice(&bytes);
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of a watch with this body: the names of objects, with a minus where they are gone.
    async fn told(body: impl Into<Vec<u8>>) -> Vec<String> {
        let mut watch = Watch::of(Body::from(body.into()));
        let mut told = Vec::new();
        while let Some(event) = watch.next().await {
            told.push(match event {
                WatchEvent::Now(object) => object["name"].as_str().unwrap().to_owned(),
                WatchEvent::Gone(object) => format!("-{}", object["name"].as_str().unwrap()),
            });
        }
        told
    }

    fn event(of: &str, name: &str) -> String {
        format!("{{\"type\":\"{of}\",\"object\":{{\"name\":\"{name}\"}}}}\n")
    }

    #[tokio::test]
    async fn each_line_is_an_event_and_bookmarks_are_none() {
        let body =
            [event("ADDED", "a"), event("BOOKMARK", "b"), event("MODIFIED", "c"), event("DELETED", "d")];
        assert_eq!(told(body.concat()).await, ["a", "c", "-d"]);
        assert_eq!(told("").await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_no_event_ends_the_watch() {
        for odd in [
            event("ERROR", "x"),
            "{\"type\":\"ADDED\"}\n".into(),
            "{\"object\":{}}\n".into(),
            "<html>\n".into(),
            "\n".into(),
            event("ADDED", "x").trim_end().to_owned(),
        ] {
            assert_eq!(
                told(format!("{}{odd}{}", event("ADDED", "a"), event("ADDED", "b"))).await[0],
                "a",
                "{odd}"
            );
            assert!(told(format!("{odd}{}", event("ADDED", "b"))).await.is_empty(), "{odd}");
        }
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_not_read_to_its_end() {
        let endless = vec![b' '; document::MAX_BYTES + 2];
        let body = [endless, event("ADDED", "a").into_bytes()].concat();
        assert_eq!(told(body).await, Vec::<String>::new());
    }
}
