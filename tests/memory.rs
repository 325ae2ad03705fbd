//! The most memory that a response takes that is made to take much.
//!
//! The memory is that of a whole process, so this is a program of its own, with one test.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use apify_runs::{Client, Error, ErrorKind, RetryPolicy};
use futures::TryStreamExt;

const MIB: usize = 1 << 20;
const MAX_PAGE_BYTES: usize = 16 * MIB;
/// The body, and what the JSON parser says of it: a text that is out of place is repeated in its
/// error, with up to six bytes for each.
const MOST: usize = 10 * MAX_PAGE_BYTES;

/// A body: what it begins with, what is repeated, how often, and what it ends with.
#[derive(Clone, Copy)]
struct Body(&'static str, &'static str, usize, &'static str);

impl Body {
    fn serve(self, mut connection: TcpStream) -> io::Result<()> {
        let mut request = BufReader::new(connection.try_clone()?).lines();
        while !request.next().transpose()?.unwrap_or_default().is_empty() {}
        let Self(begin, repeated, times, end) = self;
        let length = begin.len() + repeated.len() * times + end.len();
        write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{begin}"
        )?;
        let chunk = repeated.repeat(1000);
        for _ in 0..times / 1000 {
            connection.write_all(chunk.as_bytes())?;
        }
        connection.write_all(repeated.repeat(times % 1000).as_bytes())?;
        connection.write_all(end.as_bytes())
    }

    /// What reading it comes to: how many runs, or the first error.
    fn read(self) -> Result<usize, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || self.serve(listener.accept()?.0));
        let client = Client::builder()
            .token("s3cret")
            .base_url(format!("http://{address}"))
            .max_page_bytes(MAX_PAGE_BYTES)
            .timeout(Duration::from_secs(300))
            .retry(RetryPolicy::none());
        let runs = client.build()?.runs("a").stream();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let count = runs.try_fold(0, async |count, _| Ok(count + 1));
        let count = runtime.block_on(count);
        // Where the client has had enough, the rest cannot be sent.
        let _ = server.join().unwrap();
        count
    }
}

/// What Linux tells of the memory of this process, in bytes.
fn memory(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

#[test]
fn no_answer_takes_more_than_ten_times_its_limit() {
    const ALL: usize = 15 * MIB;
    let list = r#"{"data":{"total":1,"items":["#;
    let of_row = r#"{"data":{"total":1,"items":[{"id":"a","startedAt":""#;
    let cases = [
        (
            Body(list, r#"{"id":"a"},"#, 1_000_000, "5]}}"),
            Err(ErrorKind::Protocol),
        ),
        (Body(list, "5,", ALL / 2, "5]}}"), Err(ErrorKind::Protocol)),
        (Body(list, "[", ALL, ""), Err(ErrorKind::Decode)),
        (Body("", r#"{"data":"#, ALL / 8, ""), Err(ErrorKind::Decode)),
        // Each of these bytes is shown as six.
        (
            Body(of_row, "\u{7f}", ALL, r#""}]}}"#),
            Err(ErrorKind::Item),
        ),
        (
            Body(r#"{"data":{"total":""#, "\u{7f}", ALL, r#""}}"#),
            Err(ErrorKind::Decode),
        ),
        (
            Body(r#"{"data":""#, "\u{7f}", ALL, r#""}"#),
            Err(ErrorKind::Decode),
        ),
        (
            Body(r#"{"error":{"message":""#, "\u{7f}", ALL, r#""}}"#),
            Err(ErrorKind::Api),
        ),
        (
            Body(
                r#"{"data":{"total":1,"items":[{"id":""#,
                "x",
                10_000_000,
                r#""}]}}"#,
            ),
            Ok(1),
        ),
        (
            Body(
                r#"{"data":{"total":1,"items":[{"id":"a","new":""#,
                "x",
                ALL,
                r#""}]}}"#,
            ),
            Ok(1),
        ),
        (
            Body("<html>", "<p>", ALL / 3, "</html>"),
            Err(ErrorKind::Decode),
        ),
        (
            Body(list, "x", 2 * MAX_PAGE_BYTES, ""),
            Err(ErrorKind::Protocol),
        ),
    ];
    let before = memory("VmRSS:");
    for (body, expected) in cases {
        // The peak so far is forgotten, but not what is kept from one case to the next.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let result = body.read();
        let bytes = memory("VmHWM:").saturating_sub(before);
        let shown = format!("{}{}…", body.0, body.1);
        let kind = result.as_ref().copied().map_err(Error::kind);
        assert_eq!(kind, expected, "{shown}: {result:?}");
        println!("{:>4} MiB for {shown}", bytes / MIB);
        assert!(bytes < MOST, "{} MiB for {shown}", bytes / MIB);
    }
}
