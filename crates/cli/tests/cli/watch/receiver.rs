//! A receiver of webhooks that fails as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;

/// What the receiver does with a request.
pub(super) enum Reply {
    Status(u16),
    /// A status, and how many seconds to wait.
    RetryAfter(u16, u32),
    /// It closes the connection.
    Close,
    /// It never responds.
    Hang,
}

/// A request that was accepted.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) target: String,
    pub(super) key: Option<String>,
    pub(super) body: Value,
}

enum Request {
    Post(Post),
    Other,
    Broken,
}

#[derive(Default)]
struct Log {
    /// When requests have come.
    times: Vec<Instant>,
    accepted: Vec<Post>,
    /// Connections that get no response.
    hanging: Vec<TcpStream>,
}

pub(super) struct Receiver {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
}

impl Receiver {
    /// Starts a receiver that decides by the number of a request, from 0.
    pub(super) fn start(reply: impl Fn(usize) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let post = match read(&stream) {
                    Request::Post(post) => post,
                    // As a page does, which a redirect may lead to.
                    Request::Other => {
                        respond(stream, 200, "");
                        continue;
                    }
                    Request::Broken => continue,
                };
                let mut log = shared.lock().unwrap();
                log.times.push(Instant::now());
                let reply = reply(log.times.len() - 1);
                match reply {
                    Reply::Status(status) => {
                        // Before the response: who has that may look here.
                        if (200..300).contains(&status) {
                            log.accepted.push(post);
                        }
                        respond(stream, status, "location: /elsewhere\r\n");
                    }
                    Reply::RetryAfter(status, seconds) => {
                        respond(stream, status, &format!("retry-after: {seconds}\r\n"));
                    }
                    Reply::Close => drop(stream),
                    Reply::Hang => log.hanging.push(stream),
                }
            }
        });
        Self { address, log }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// How many requests have come.
    pub(super) fn count(&self) -> usize {
        self.times().len()
    }

    /// When requests have come.
    pub(super) fn times(&self) -> Vec<Instant> {
        self.log.lock().unwrap().times.clone()
    }

    pub(super) fn accepted(&self) -> Vec<Post> {
        self.log.lock().unwrap().accepted.clone()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return Request::Broken;
    }
    match line
        .strip_prefix("POST ")
        .and_then(|rest| rest.split_once(' '))
    {
        Some((target, _)) => post(reader, target).map_or(Request::Broken, Request::Post),
        None => Request::Other,
    }
}

/// Reads what comes behind the first line.
fn post(mut reader: BufReader<&TcpStream>, target: &str) -> Option<Post> {
    let mut line = String::new();
    let (mut key, mut length) = (None, 0);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "idempotency-key" => key = Some(value.to_owned()),
            "content-type" => assert_eq!(value, "application/json"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap();
    let target = target.to_owned();
    Some(Post { target, key, body })
}

fn respond(mut stream: TcpStream, status: u16, header: &str) {
    let head =
        format!("HTTP/1.1 {status} \r\n{header}connection: close\r\ncontent-length: 0\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
}
