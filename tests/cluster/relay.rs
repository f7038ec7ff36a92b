//! A way to the API server that can be cut, or held up.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "a test may fail anywhere")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Passes bytes on to another address, until it is cut.
pub struct Relay {
    pub port: u16,
    /// Both ends of each connection; none once it is cut.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    gate: Arc<Gate>,
}

/// Whether bytes wait.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Relay {
    pub fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let (connections, gate) = (Arc::clone(&open), Arc::new(Gate::default()));
        let shared = Arc::clone(&gate);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut connections = connections.lock().unwrap();
                // Whoever comes after the cut finds a door that closes at once.
                let Some(connections) = connections.as_mut() else { continue };
                let far = TcpStream::connect(&address).unwrap();
                pass(&near, &far, &shared);
                pass(&far, &near, &shared);
                connections.extend([near, far]);
            }
        });
        Self { port, open, gate }
    }

    /// From here on bytes arrive, and wait.
    pub fn hold(&self) {
        *self.gate.is_shut.lock().unwrap() = true;
    }

    /// Requests that were held go on.
    pub fn release(&self) {
        *self.gate.is_shut.lock().unwrap() = false;
        self.gate.opened.notify_all();
    }

    pub fn cut(&self) {
        for end in self.open.lock().unwrap().take().unwrap_or_default() {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream, gate: &Arc<Gate>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        let mut bytes = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            drop(gate.opened.wait_while(gate.is_shut.lock().unwrap(), |is_shut| *is_shut).unwrap());
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
}
