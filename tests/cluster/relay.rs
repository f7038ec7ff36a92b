//! A way to the API server that can be cut.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "a test may fail anywhere")]

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes on to another address, until it is cut.
pub struct Relay {
    pub port: u16,
    /// Both ends of each connection; none once it is cut.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Relay {
    pub fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let connections = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut connections = connections.lock().unwrap();
                // Whoever comes after the cut finds a door that closes at once.
                let Some(connections) = connections.as_mut() else { continue };
                let far = TcpStream::connect(&address).unwrap();
                pass(&near, &far);
                pass(&far, &near);
                connections.extend([near, far]);
            }
        });
        Self { port, open }
    }

    pub fn cut(&self) {
        for end in self.open.lock().unwrap().take().unwrap_or_default() {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(Shutdown::Write));
    });
}
