//! A registry in this process: a real socket, and answers as a test wants them.
//!
//! It keeps blobs, documents and tags like one, and a test can put its own answer before any of them. Each request is
//! noted, so a test can tell what was not asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request that came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// How much of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    All,
    /// So many bytes of the body, and then the end of the connection.
    Cut(usize),
    /// Nothing at all, and the connection stays open.
    Nothing,
    /// So many bytes of the body, and then nothing more.
    Stops(usize),
    /// One byte after the other, for ever.
    Drips,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) sends: Sends,
}

pub(crate) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply { status, headers: Vec::new(), body: body.into(), sends: Sends::All }
}

impl Reply {
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn sends(mut self, sends: Sends) -> Self {
        self.sends = sends;
        self
    }
}

type Hook = Box<dyn FnMut(&Seen) -> Option<Reply> + Send>;

/// The contents of the registry.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// By digest: type and bytes.
    pub(crate) documents: BTreeMap<String, (String, Vec<u8>)>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether it has an API for referrers.
    pub(crate) lists_referrers: bool,
    log: Vec<Seen>,
    hook: Option<Hook>,
}

/// A server that lives as long as the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    contents: Arc<Mutex<Contents>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let contents = Arc::new(Mutex::new(Contents::default()));
        let shared = Arc::clone(&contents);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, contents, task }
    }

    /// Host and port, as references name them.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap()
    }

    /// Answers requests before the registry does, where it has an answer.
    pub(crate) fn answer(&self, hook: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) {
        self.contents().hook = Some(Box::new(hook));
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> String {
        self.contents().blobs.insert(digest(bytes), bytes.to_vec());
        digest(bytes)
    }

    pub(crate) fn document(&self, media_type: &str, bytes: &[u8]) -> String {
        self.contents().documents.insert(digest(bytes), (media_type.into(), bytes.to_vec()));
        digest(bytes)
    }

    pub(crate) fn tag(&self, tag: &str, digest: &str) {
        self.contents().tags.insert(tag.into(), digest.into());
    }

    /// All requests so far, which are then forgotten.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.contents().log)
    }
}

async fn serve(stream: TcpStream, contents: Arc<Mutex<Contents>>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = request(&mut stream).await {
        let reply = {
            let mut contents = contents.lock().unwrap();
            contents.log.push(seen.clone());
            let hooked = contents.hook.as_mut().and_then(|hook| hook(&seen));
            hooked.unwrap_or_else(|| contents.reply(&seen))
        };
        if !send(stream.get_mut(), &seen, reply).await {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ');
    let mut seen = Seen { method: words.next()?.into(), path: words.next()?.into(), ..Seen::default() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().into());
    }
    let length = seen.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    seen.body = vec![0; length];
    stream.read_exact(&mut seen.body).await.ok()?;
    Some(seen)
}

/// Whether the connection can be used again.
async fn send(stream: &mut TcpStream, seen: &Seen, reply: Reply) -> bool {
    let has_body = seen.method != "HEAD";
    let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let count = match reply.sends {
        Sends::All => reply.body.len(),
        Sends::Cut(count) | Sends::Stops(count) => count.min(reply.body.len()),
        Sends::Nothing => return std::future::pending().await,
        Sends::Drips => 0,
    };
    if stream.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    if has_body && stream.write_all(&reply.body[..count]).await.is_err() {
        return false;
    }
    match reply.sends {
        Sends::Stops(_) => std::future::pending().await,
        Sends::Drips => loop {
            if stream.write_all(b" ").await.is_err() {
                return false;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        },
        sends => sends == Sends::All,
    }
}

fn refusal(status: u16, code: &str) -> Reply {
    let body = json!({"errors": [{"code": code, "message": "as asked"}]});
    reply(status, body.to_string()).with("Content-Type", "application/json")
}

impl Contents {
    fn reply(&mut self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let Some(rest) = path.strip_prefix("/v2/") else { return refusal(404, "NOT_FOUND") };
        if let Some((_, at)) = rest.split_once("/manifests/") {
            return self.manifests(seen, at);
        }
        if rest.contains("/blobs/uploads/") {
            return self.uploads(seen, path, query);
        }
        if let Some((_, at)) = rest.split_once("/blobs/") {
            return self.blob(seen, at);
        }
        if rest.ends_with("/tags/list") {
            let tags: Vec<_> = self.tags.keys().collect();
            return reply(200, json!({"name": "x", "tags": tags}).to_string());
        }
        match rest.split_once("/referrers/") {
            Some((_, subject)) if self.lists_referrers => self.referrers(subject),
            _ => refusal(404, "NOT_FOUND"),
        }
    }

    fn manifests(&mut self, seen: &Seen, at: &str) -> Reply {
        if seen.method == "PUT" {
            let digest = digest(&seen.body);
            let media_type = seen.headers.get("content-type").cloned().unwrap_or_default();
            self.documents.insert(digest.clone(), (media_type, seen.body.clone()));
            if at.starts_with("sha256:") {
                assert_eq!(at, digest, "a document under a digest that it does not have");
            } else {
                self.tags.insert(at.into(), digest.clone());
            }
            let document: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
            let made = reply(201, "").with("Docker-Content-Digest", digest);
            return match document.pointer("/subject/digest").and_then(Value::as_str) {
                Some(subject) if self.lists_referrers => made.with("OCI-Subject", subject),
                _ => made,
            };
        }
        let digest = self.tags.get(at).map_or(at, String::as_str);
        match self.documents.get(digest) {
            Some((media_type, bytes)) => reply(200, bytes.clone())
                .with("Content-Type", media_type.as_str())
                .with("Docker-Content-Digest", digest),
            None => refusal(404, "MANIFEST_UNKNOWN"),
        }
    }

    fn blob(&self, seen: &Seen, at: &str) -> Reply {
        let Some(bytes) = self.blobs.get(at) else { return refusal(404, "BLOB_UNKNOWN") };
        let range = seen
            .headers
            .get("range")
            .and_then(|it| it.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        match range {
            Some(start) if start < bytes.len() => reply(206, &bytes[start..])
                .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
            _ => reply(200, bytes.clone()),
        }
    }

    fn uploads(&mut self, seen: &Seen, path: &str, query: &str) -> Reply {
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        match (&*seen.method, value("mount"), value("digest")) {
            ("POST", Some(mount), _) if self.blobs.contains_key(&mount) => reply(201, ""),
            ("POST", ..) => reply(202, "").with("Location", format!("{path}1?state=x%2Fy")),
            ("PUT", _, Some(named)) if named == digest(&seen.body) => {
                self.blobs.insert(named, seen.body.clone());
                reply(201, "")
            }
            _ => refusal(400, "DIGEST_INVALID"),
        }
    }

    fn referrers(&self, subject: &str) -> Reply {
        let refers = |bytes: &[u8]| {
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            document.pointer("/subject/digest").and_then(Value::as_str) == Some(subject)
        };
        let entries: Vec<Value> = self
            .documents
            .iter()
            .filter(|(_, (_, bytes))| refers(bytes))
            .map(|(digest, (media_type, bytes))| json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": super::OCI_INDEX, "manifests": entries});
        reply(200, index.to_string()).with("Content-Type", super::OCI_INDEX)
    }
}
