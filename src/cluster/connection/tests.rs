//! Ways through proxies, with proxies of a few lines.

#![expect(clippy::disallowed_methods, reason = "the tests listen, and write kubeconfigs")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::json;

use crate::cluster::request::ApiRequest;
use crate::cluster::{ConnectOptions, Error, Server};

/// Listens on a free port, and does this with each connection.
fn listening(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    port
}

/// An API server that knows its version.
fn api_server() -> u16 {
    listening(|mut stream| {
        head(&stream);
        let body = r#"{"gitVersion":"v1.99.0"}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        drop(stream.write_all(format!("{head}{body}").as_bytes()));
    })
}

/// The lines up to an empty one.
fn head(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// Carries bytes in both directions.
fn relay(client: TcpStream, port: u16) {
    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
}

fn bytes(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn text(stream: &mut TcpStream) -> String {
    let length = bytes(stream, 1)[0];
    String::from_utf8(bytes(stream, length.into())).unwrap()
}

/// A SOCKS proxy (RFC 1928, 1929) that lets this user through, or anybody, and tells where they want to go.
fn socks(user: Option<(&'static str, &'static str)>, server: u16) -> (u16, Receiver<String>) {
    let (tell, told) = channel();
    let port = listening(move |mut stream| {
        let count = bytes(&mut stream, 2)[1];
        let offered = bytes(&mut stream, count.into());
        let wanted = if user.is_some() { 2 } else { 0 };
        if !offered.contains(&wanted) {
            return stream.write_all(&[5, 0xff]).unwrap();
        }
        stream.write_all(&[5, wanted]).unwrap();
        if let Some((name, password)) = user {
            bytes(&mut stream, 1);
            let is_known = (text(&mut stream), text(&mut stream)) == (name.into(), password.into());
            stream.write_all(&[1, u8::from(!is_known)]).unwrap();
            if !is_known {
                return;
            }
        }
        // By its name: the proxy knows names that this machine may not know.
        assert_eq!(bytes(&mut stream, 4), [5, 1, 0, 3]);
        tell.send(text(&mut stream)).unwrap();
        bytes(&mut stream, 2);
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
        relay(stream, server);
    });
    (port, told)
}

/// A proxy that speaks HTTP, and lets whoever says this through.
fn tunnel(authorization: &'static str, server: u16) -> (u16, Receiver<String>) {
    let (tell, told) = channel();
    let port = listening(move |mut stream| {
        let head = head(&stream);
        let is_known = head.iter().any(|line| line.eq_ignore_ascii_case(authorization));
        if !is_known {
            return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").unwrap();
        }
        tell.send(head[0].clone()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        relay(stream, server);
    });
    (port, told)
}

/// Asks a server that this machine does not know by name for its version, through a proxy.
async fn version(proxy: &str) -> Result<String, Error> {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{ "name": "here", "context": { "cluster": "c" } }],
        "clusters": [{ "name": "c", "cluster": { "server": "http://api.invalid:6443", "proxy-url": proxy } }],
        "users": [],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    let options = ConnectOptions { kubeconfig: Some(file.path().into()), ..ConnectOptions::default() };
    let server = Server::connect(&options).await.unwrap();
    let response = server.send(&ApiRequest::get("/version".into())).await?;
    Ok(response.text_at("/gitVersion").unwrap())
}

fn told(error: Error) -> String {
    match error {
        Error::Unavailable(why) => why.replace("http://api.invalid:6443: ", ""),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_socks_proxy_is_used_as_kubectl_does_with_and_without_a_name() {
    let server = api_server();
    let (port, asked) = socks(None, server);
    assert_eq!(version(&format!("socks5://127.0.0.1:{port}")).await.unwrap(), "v1.99.0");
    assert_eq!(asked.recv().unwrap(), "api.invalid");
    let (port, asked) = socks(Some(("me", "p@ss:word")), server);
    let proxy = |user: &str| format!("socks5://{user}127.0.0.1:{port}");
    assert_eq!(version(&proxy("me:p%40ss%3Aword@")).await.unwrap(), "v1.99.0");
    assert_eq!(asked.recv().unwrap(), "api.invalid");
    let refused = "the proxy does not accept the name and password of its URL";
    assert_eq!(told(version(&proxy("me:hunter2@")).await.unwrap_err()), refused);
    let unnamed = "the proxy does not take who asks: its URL may have a name and a password";
    assert_eq!(told(version(&proxy("")).await.unwrap_err()), unnamed);
}

#[tokio::test]
async fn a_proxy_that_speaks_http_is_told_who_asks() {
    let (port, asked) = tunnel("proxy-authorization: Basic bWU6YSBi", api_server());
    assert_eq!(version(&format!("http://me:a%20b@127.0.0.1:{port}")).await.unwrap(), "v1.99.0");
    assert_eq!(asked.recv().unwrap(), "CONNECT api.invalid:6443 HTTP/1.1");
    let error = version(&format!("http://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(told(error), "the proxy wants a name and a password, which its URL may have");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_as_the_proxy() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["socks5", "http"] {
        let error = version(&format!("{scheme}://{free}")).await.unwrap_err();
        assert_eq!(told(error), "the proxy cannot be reached", "{scheme}");
    }
}
