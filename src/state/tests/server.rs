//! An API server in memory, as far as the state asks one: Secrets and Leases by server-side apply, with UIDs, versions,
//! field managers, selectors by label, and a clock of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cluster::ConnectOptions;
use crate::sync::Mutex;

/// A server that runs until the test ends.
pub(in crate::state) struct Server {
    memory: Arc<Mutex<Memory>>,
    folder: tempfile::TempDir,
}

#[derive(Default)]
struct Memory {
    /// By path, such as `/api/v1/namespaces/prod/secrets/a`.
    objects: BTreeMap<String, Stored>,
    /// How often anything was written.
    writes: u64,
    /// How far the server's clock is ahead.
    ahead: SignedDuration,
    /// The request: the method and the path, without its query.
    requests: Vec<String>,
    /// After how many requests more an answer is odd.
    odd: Option<(usize, OddAnswer)>,
}

/// How the answer to a request that was carried out is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::state) enum OddAnswer {
    /// Half of it comes.
    Cut,
    /// It never comes.
    Lost,
    /// It is `null`.
    Null,
    /// It is about another object.
    Other,
}

struct Stored {
    value: Value,
    manager: String,
}

struct Call {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    /// Whether only names are asked for.
    is_brief: bool,
    body: Value,
}

impl Server {
    pub(in crate::state) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (memory, folder) = (Arc::new(Mutex::new(Memory::default())), tempfile::tempdir().unwrap());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{ "name": "a", "cluster": { "server": format!("http://{address}") } }],
            "users": [{ "name": "a", "user": { "token": "t" } }],
            "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a", "namespace": "prod" } }],
        });
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        let shared = Arc::clone(&memory);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let memory = Arc::clone(&shared);
                std::thread::spawn(move || answer(&mut stream.unwrap(), &memory));
            }
        });
        Self { memory, folder }
    }

    pub(in crate::state) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: Some(self.folder.path().join("kubeconfig")),
            ..ConnectOptions::default()
        }
    }

    /// Sets the clock ahead by so many seconds.
    pub(in crate::state) fn later(&self, seconds: i64) {
        self.memory.lock().ahead += SignedDuration::from_secs(seconds);
    }

    /// The names of the objects of a kind, in order.
    pub(in crate::state) fn names(&self, plural: &str) -> Vec<String> {
        let memory = self.memory.lock();
        let part = format!("/{plural}/");
        memory.objects.keys().filter_map(|path| Some(path.split_once(&part)?.1.to_owned())).collect()
    }

    /// An object of the namespace `prod`.
    pub(in crate::state) fn get(&self, plural: &str, name: &str) -> Value {
        self.memory.lock().objects[&path_of(plural, name)].value.clone()
    }

    /// Changes an object as somebody would who may write anything.
    pub(in crate::state) fn tamper(&self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut memory = self.memory.lock();
        let version = memory.next_version();
        let stored = memory.objects.get_mut(&path_of(plural, name)).unwrap();
        change(&mut stored.value);
        stored.value["metadata"]["resourceVersion"] = version.into();
        stored.manager = "somebody".into();
    }

    /// Puts a copy of an object under another name.
    pub(in crate::state) fn copy(&self, plural: &str, from: &str, to: &str) {
        let mut memory = self.memory.lock();
        let mut value = memory.objects[&path_of(plural, from)].value.clone();
        value["metadata"]["name"] = to.into();
        memory.objects.insert(path_of(plural, to), Stored { value, manager: "somebody".into() });
    }

    pub(in crate::state) fn remove(&self, plural: &str, name: &str) {
        self.memory.lock().objects.remove(&path_of(plural, name)).unwrap();
    }

    /// Makes the answer odd to one of the next requests.
    pub(in crate::state) fn spoil(&self, after: usize, how: OddAnswer) {
        self.memory.lock().odd = Some((after, how));
    }

    /// Whether that is still to come.
    pub(in crate::state) fn will_spoil(&self) -> bool {
        self.memory.lock().odd.is_some()
    }

    /// The requests since the last time.
    pub(in crate::state) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.memory.lock().requests)
    }
}

fn path_of(plural: &str, name: &str) -> String {
    let root = if plural == "leases" { "/apis/coordination.k8s.io/v1" } else { "/api/v1" };
    format!("{root}/namespaces/prod/{plural}/{name}")
}

fn answer(stream: &mut TcpStream, memory: &Mutex<Memory>) {
    let Some(call) = Call::read(stream) else { return };
    let (code, body, date, odd) = {
        let mut memory = memory.lock();
        let odd = memory.next_odd();
        memory.requests.push(format!("{} {}", call.method, call.path));
        let now = Timestamp::now().checked_add(memory.ahead).unwrap();
        let (code, mut body) = memory.answer(call);
        match odd {
            Some(OddAnswer::Null) => body = Value::Null,
            Some(OddAnswer::Other) => body["metadata"]["name"] = "another".into(),
            _ => {}
        }
        (
            code,
            body.to_string(),
            rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap(),
            odd,
        )
    };
    if odd == Some(OddAnswer::Lost) {
        return;
    }
    let head = format!(
        "HTTP/1.1 {code} x\r\ndate: {date}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let sent = if odd == Some(OddAnswer::Cut) { body.len() / 2 } else { body.len() };
    // A client that has had enough hangs up.
    drop(stream.write_all(&[head.as_bytes(), &body.as_bytes()[..sent]].concat()));
}

impl Call {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Some(Self {
            method,
            path: decoded(path),
            is_brief: head.contains("PartialObjectMetadataList"),
            query: pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        decoded.push(u8::from_str_radix(&part[..2], 16).unwrap());
        decoded.extend(part[2..].bytes());
    }
    String::from_utf8(decoded).unwrap()
}

impl Memory {
    fn answer(&mut self, call: Call) -> (u16, Value) {
        let is_list = call.path.ends_with("/secrets");
        match (call.method.as_str(), self.objects.get(&call.path)) {
            ("GET", _) if is_list => (200, self.list(&call)),
            ("GET", Some(stored)) => (200, stored.value.clone()),
            ("PATCH", _) => self.apply(call),
            ("DELETE", Some(stored)) => match refuses(&stored.value, &call.body["preconditions"]) {
                true => (409, status("Conflict", &json!({}))),
                false => {
                    self.objects.remove(&call.path);
                    (200, json!({ "kind": "Status", "status": "Success" }))
                }
            },
            _ => (404, status("NotFound", &json!({ "name": call.path.rsplit('/').next() }))),
        }
    }

    fn list(&self, call: &Call) -> Value {
        let wanted = &call.query["labelSelector"];
        let wanted: Vec<_> = wanted.split(',').filter_map(|pair| pair.split_once('=')).collect();
        let is_in = |path: &str| {
            let namespaces = call.path.strip_suffix("secrets").unwrap();
            path.starts_with(namespaces) && path.contains("/secrets/")
        };
        let has_all = |value: &Value| {
            wanted.iter().all(|(label, text)| value["metadata"]["labels"][*label].as_str() == Some(text))
        };
        let items = self.objects.iter().filter(|(path, stored)| is_in(path) && has_all(&stored.value));
        let shown = |value: &Value| match call.is_brief {
            true => json!({ "metadata": value["metadata"] }),
            false => value.clone(),
        };
        let items: Vec<_> = items.map(|(_, it)| shown(&it.value)).collect();
        let limit: usize = call.query["limit"].parse().unwrap();
        let start = call.query.get("continue").map_or(0, |token| token.parse().unwrap());
        let next = (start + limit < items.len()).then(|| (start + limit).to_string());
        let page: Vec<_> = items.into_iter().skip(start).take(limit).collect();
        json!({ "kind": "List", "metadata": { "continue": next }, "items": page })
    }

    fn apply(&mut self, call: Call) -> (u16, Value) {
        let (manager, mut value) = (call.query["fieldManager"].clone(), call.body);
        let version = self.next_version();
        let mut code = 201;
        let uid = match self.objects.get(&call.path) {
            None if !value["metadata"]["uid"].is_null() => return (409, status("Conflict", &json!({}))),
            None => format!("uid-{version}"),
            Some(stored) if refuses(&stored.value, &value["metadata"]) => {
                return (409, status("Conflict", &json!({})));
            }
            Some(stored) if stored.manager != manager && call.query["force"] != "true" => {
                let message = format!("conflict with {:?}", stored.manager);
                let cause = json!({ "reason": "FieldManagerConflict", "message": message, "field": ".spec.holderIdentity" });
                return (409, status("Conflict", &json!({ "causes": [cause] })));
            }
            Some(stored) => {
                code = 200;
                stored.value["metadata"]["uid"].as_str().unwrap().to_owned()
            }
        };
        value["metadata"]["uid"] = uid.into();
        value["metadata"]["resourceVersion"] = version.into();
        self.objects.insert(call.path, Stored { value: value.clone(), manager });
        (code, value)
    }

    fn next_odd(&mut self) -> Option<OddAnswer> {
        let (after, how) = self.odd.take()?;
        if after == 0 {
            return Some(how);
        }
        self.odd = Some((after - 1, how));
        None
    }

    fn next_version(&mut self) -> String {
        self.writes += 1;
        self.writes.to_string()
    }
}

/// Whether an object is not the one that these preconditions name.
fn refuses(stored: &Value, preconditions: &Value) -> bool {
    ["uid", "resourceVersion"]
        .iter()
        .any(|name| !preconditions[name].is_null() && preconditions[name] != stored["metadata"][name])
}

fn status(reason: &str, details: &Value) -> Value {
    json!({ "kind": "Status", "status": "Failure", "reason": reason, "message": reason, "details": details })
}
