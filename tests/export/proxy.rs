//! A proxy before a server of objects, which can hold requests up and lose responses.

use std::net::TcpListener as StdListener;
use std::sync::{Mutex, OnceLock};
use std::{env, io, thread};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What happens to some requests.
#[derive(Default)]
pub(crate) struct Rule {
    /// How the request begins, such as `PUT /bucket/name`.
    pub(crate) request: String,
    /// How many such requests come before.
    pub(crate) skip: usize,
    /// To how many it happens.
    pub(crate) times: usize,
    /// What the proxy waits for before it sends the request on.
    pub(crate) before: Option<Gate>,
    /// Whether the request does not reach the server.
    pub(crate) is_kept: bool,
    /// What the proxy waits for before it responds.
    pub(crate) after: Option<Gate>,
    pub(crate) response: Response,
}

#[derive(Default, Clone)]
pub(crate) enum Response {
    /// The server's.
    #[default]
    Own,
    /// None: the connection is closed.
    Closed,
    /// None: the connection is reset.
    Reset,
    Status(u16, String),
}

/// A place where a request waits: one says that it has come, and the other lets it go on.
pub(crate) struct Gate(oneshot::Sender<()>, oneshot::Receiver<()>);

pub(crate) fn gate() -> (Gate, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (come, has_come) = oneshot::channel();
    let (open, is_open) = oneshot::channel();
    (Gate(come, is_open), has_come, open)
}

impl Gate {
    async fn pass(self) {
        let _ = self.0.send(());
        let _ = self.1.await;
    }
}

/// Rules of all tests: each test has requests of its own.
static RULES: Mutex<Vec<Rule>> = Mutex::new(Vec::new());
static STARTED: OnceLock<()> = OnceLock::new();

pub(crate) fn add(rule: Rule) {
    RULES.lock().unwrap().push(rule);
}

/// Listens where the environment says that the server is.
pub(crate) fn start() {
    STARTED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let listener = StdListener::bind(env::var("STORE_TEST_PROXY").unwrap()).unwrap();
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || runtime.block_on(serve(listener)));
    });
}

async fn serve(listener: StdListener) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        // A client that goes away is nothing to the proxy.
        tokio::spawn(async move { handle(client).await.ok() });
    }
}

/// One request, and no other on its connection.
async fn handle(mut client: TcpStream) -> io::Result<()> {
    let request = read_request(&mut client).await?;
    let rule = rule_for(&request);
    if let Some(gate) = rule.before {
        gate.pass().await;
    }
    let response = match rule.is_kept {
        true => Vec::new(),
        false => forward(&request).await?,
    };
    if let Some(gate) = rule.after {
        gate.pass().await;
    }
    match rule.response {
        Response::Own => client.write_all(&response).await,
        Response::Closed => Ok(()),
        Response::Reset => client.set_zero_linger(),
        Response::Status(status, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            client.write_all((head + &body).as_bytes()).await
        }
    }
}

impl Rule {
    /// Whether this is a request to which it happens. Counts those that come before.
    fn is_for(&mut self, request: &[u8]) -> bool {
        let is_meant = self.times > 0 && request.starts_with(self.request.as_bytes());
        if is_meant && self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        is_meant
    }
}

/// What happens to a request. A rule with gates is for one request only.
fn rule_for(request: &[u8]) -> Rule {
    let mut rules = RULES.lock().unwrap();
    let place = rules.iter_mut().position(|rule| rule.is_for(request));
    let Some(place) = place else {
        return Rule::default();
    };
    let rule = &mut rules[place];
    rule.times -= 1;
    Rule {
        before: rule.before.take(),
        after: rule.after.take(),
        is_kept: rule.is_kept,
        response: rule.response.clone(),
        ..Rule::default()
    }
}

async fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let head = loop {
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    while request.len() < head + length {
        if client.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(request)
}

async fn forward(request: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(env::var("STORE_TEST_SERVER").unwrap()).await?;
    let first_line = request.windows(2).position(|bytes| bytes == b"\r\n");
    let (first_line, rest) = request.split_at(first_line.unwrap());
    server.write_all(first_line).await?;
    server.write_all(b"\r\nConnection: close").await?;
    server.write_all(rest).await?;
    let mut response = Vec::new();
    server.read_to_end(&mut response).await?;
    Ok(response)
}
