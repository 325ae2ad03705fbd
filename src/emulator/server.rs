//! The emulator's HTTP: connections, routes, parameters, answers.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE,
    HeaderMap, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT, VARY,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::clock::http_date;
use super::encoding::Encoding;
use super::faults::{AnswerBody, Fault, Then};
use super::indent::indented;
use super::selection::{Selected, Selection};
use super::{Plan, RequestRecord, Shared};
use crate::timestamp;

/// The requests that are let through in a second.
const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");

/// What every answer tells where no limit was set: more than anybody sends.
const NO_RATE_LIMIT: u64 = 1_000_000;

/// The fields of a page that are repeated in its headers.
const PAGINATION: [HeaderName; 4] = [
    HeaderName::from_static("x-apify-pagination-offset"),
    HeaderName::from_static("x-apify-pagination-limit"),
    HeaderName::from_static("x-apify-pagination-count"),
    HeaderName::from_static("x-apify-pagination-total"),
];

/// How Actors in Standby mode are deployed.
const DEPLOYMENTS: [&str; 4] = [
    "SINGLE_TENANT",
    "MULTI_TENANT_FREE_USERS",
    "MULTI_TENANT_PAYING_USERS",
    "MULTI_TENANT_OWNER_PAID",
];

/// The statuses that go with a deployment.
const UNFINISHED: [&str; 4] = ["READY", "RUNNING", "TIMING-OUT", "ABORTING"];

/// How long no connection is accepted after one could not be.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until it is dropped, and with it all of them.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Usually there are too many open files: that takes time to pass.
            sleep(PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        connections.spawn(connection(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _witness = PanicWitness(Arc::clone(&shared));
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        reset: Arc::clone(&reset),
    };
    let service = service_fn(|request| {
        let (shared, reset) = (shared.clone(), reset.clone());
        async move {
            let answer = answer(&shared, &request).await;
            if answer.is_none() {
                reset.store(true, Relaxed);
            }
            answer.ok_or_else(|| io::Error::other("told to reset the connection"))
        }
    });
    // What becomes of the connection is the client's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// Notes that a connection's task panicked: the test it belongs to is to fail.
struct PanicWitness(Arc<Shared>);

impl Drop for PanicWitness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.log().has_panicked = true;
        }
    }
}

/// A connection that can be made to end with a reset.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Counts a request as in flight until it is dropped.
struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.log().in_flight -= 1;
    }
}

type Answer = Response<AnswerBody<InFlight>>;

/// What an answer is before it is sent.
#[derive(Clone)]
struct Draft {
    status: u16,
    content_type: &'static str,
    /// How the body is compressed.
    encoding: Option<Encoding>,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// Whether the body is JSON of the emulator's own, which is indented unless told otherwise.
    is_own_json: bool,
    then: Then,
}

/// A request, as it was on arrival.
struct Received {
    /// Counted from 1.
    number: u64,
    /// Whether it is one more than are let through, and no fault takes its place.
    is_refused: bool,
    /// How the answer is to be compressed.
    encoding: Option<Encoding>,
    in_flight: InFlight,
}

/// The answer to a request, or `None` for a reset.
async fn answer<B>(shared: &Arc<Shared>, request: &Request<B>) -> Option<Answer> {
    let received = receive(shared, request);
    let (plan, number, encoding) = (&shared.plan, received.number, received.encoding);
    if !plan.latency.is_zero() {
        // Even a sleep of no length waits for the next millisecond.
        sleep(plan.latency).await;
    }
    if let Some(change) = &plan.before_each {
        shared.change(|store| change(number, store));
    }
    let good = |total| {
        let page = good(shared, request, &received, total);
        page.unwrap_or_else(|refusal| refusal.finished(plan, encoding))
    };
    let draft = match plan.fault(number) {
        Some(Fault::Reset) => return None,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Total(total)) => good(Some(total)),
        Some(Fault::Truncate) => good(None).cut_in_half(Then::Flush),
        Some(Fault::Stall) => good(None).cut_in_half(Then::Stall),
        Some(fault) => faulty(&fault).finished(plan, encoding),
        None if received.is_refused => Draft::standard_error(429).finished(plan, encoding),
        None => good(None),
    };
    Some(draft.into_answer(shared, received.in_flight))
}

fn receive<B>(shared: &Arc<Shared>, request: &Request<B>) -> Received {
    let (plan, record) = (&shared.plan, record(request));
    let mut log = shared.log();
    // With the log in hand, so that it is in the order of these times.
    let at = shared.clock.elapsed();
    log.requests.push(RequestRecord { at, ..record });
    log.in_flight += 1;
    let has_room = |limit| log.last_second.lets_through(at, limit);
    let has_room = plan.rate_limit.is_none_or(has_room);
    log.received += 1;
    let number = log.received;
    let is_refused = !has_room && plan.fault(number).is_none();
    log.refused += u64::from(is_refused);
    Received {
        number,
        is_refused,
        encoding: plan.encoding(request.headers()),
        in_flight: InFlight(Arc::clone(shared)),
    }
}

/// A request for the log, but not when it arrived.
fn record<B>(request: &Request<B>) -> RequestRecord {
    let header = |name| {
        let value = request.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    RequestRecord {
        path: request.uri().path().into(),
        query: parameters(request),
        has_token: request.headers().contains_key(AUTHORIZATION),
        user_agent: header(USER_AGENT),
        accept_encoding: header(ACCEPT_ENCODING),
        at: Duration::ZERO,
    }
}

impl Plan {
    /// What goes wrong with the request of this number, counted from 1.
    fn fault(&self, number: u64) -> Option<Fault> {
        use std::ops::RangeBounds;
        let hit = self
            .faults
            .iter()
            .find(|(from, to, _)| (*from, *to).contains(&number));
        let choose = self.choose_fault.as_ref();
        match hit {
            Some((_, _, fault)) => Some(fault.clone()),
            None => choose.and_then(|choose| choose(number)),
        }
    }

    /// How the answer to a request with these headers is compressed.
    fn encoding(&self, headers: &HeaderMap) -> Option<Encoding> {
        if !self.compresses {
            return None;
        }
        Encoding::accepted(headers)
    }

    fn told_rate_limit(&self) -> Option<u64> {
        let limit = self.rate_limit.unwrap_or(NO_RATE_LIMIT);
        self.tells_rate_limit.then_some(limit)
    }
}

fn faulty(fault: &Fault) -> Draft {
    match fault {
        Fault::Status {
            status,
            retry_after,
        } => {
            let mut draft = Draft::standard_error(*status);
            let retry_after = retry_after.clone();
            draft.headers = retry_after
                .map(|value| (RETRY_AFTER, value))
                .into_iter()
                .collect();
            draft
        }
        Fault::Html { status } => Draft {
            content_type: "text/html",
            ..Draft::new(*status, "<html><body><h1>Bad Gateway</h1></body></html>")
        },
        Fault::BrokenJson => Draft::new(200, r#"{"data":{"total":1,"items":[{"id":"#),
        Fault::ErrorInOk => Draft::error(200, "operation-canceled", "The operation was canceled"),
        Fault::Redirect(to) => Draft {
            headers: vec![(LOCATION, to.clone())],
            ..Draft::new(302, "")
        },
        Fault::Answer { status, body } => Draft::new(*status, body.clone()),
        // The others are not answers of their own.
        _ => Draft::new(200, ""),
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
enum Route<'a> {
    /// The runs of an Actor, a task or the account.
    Runs { takes_deployment: bool },
    /// The Actors of the account.
    Actors,
    /// One Actor, by its ID or name.
    Actor(&'a str),
}

/// What was asked for, with this `total` or with the one there is, unless the request is
/// refused.
fn good<B>(
    shared: &Shared,
    request: &Request<B>,
    received: &Received,
    total: Option<u64>,
) -> Result<Draft, Draft> {
    let (plan, encoding) = (&shared.plan, received.encoding);
    let draft = match admit(shared, request)? {
        Route::Runs { takes_deployment } => {
            return runs(shared, request, received, takes_deployment, total);
        }
        Route::Actors => {
            let mut parameters = parameters(request);
            parameters.retain(|(name, _)| matches!(name.as_str(), "offset" | "limit" | "desc"));
            let selection = selection(parameters, plan)?;
            let item = shared.actors.listed().item(&shared.store());
            let is_on_page = selection.offset == 0;
            let selected = Selected {
                total: 1,
                count: is_on_page.into(),
                items: if is_on_page { item } else { String::new() },
            };
            Draft::page(&selection, &selected, total)
        }
        Route::Actor(asked) => {
            let actor = shared.actors.find(asked).ok_or_else(Draft::no_actor)?;
            let data = actor.detail(&shared.store());
            Draft::json(200, format!(r#"{{"data":{data}}}"#))
        }
    };
    Ok(draft.finished(plan, encoding))
}

/// A page of runs.
fn runs<B>(
    shared: &Shared,
    request: &Request<B>,
    received: &Received,
    takes_deployment: bool,
    total: Option<u64>,
) -> Result<Draft, Draft> {
    let plan = &shared.plan;
    // Held until the page is kept, so that no page outlives a change of the list.
    let mut store = shared.store();
    let (encoding, query) = (received.encoding, request.uri().query().unwrap_or_default());
    // The same query with a deployment means different things on different lists.
    let is_kept = plan.keeps_pages
        && plan.during_each.is_none()
        && total.is_none()
        && !query.contains("deployment");
    if let Some(page) = shared.pages.get(encoding, query).filter(|_| is_kept) {
        return Ok(page);
    }
    let mut parameters = parameters(request);
    if !takes_deployment {
        parameters.retain(|(name, _)| name != "deployment");
    }
    let selection = selection(parameters, plan)?;
    let selected = match &plan.during_each {
        Some(change) => store.select_during(&selection, |store| change(received.number, store)),
        None => store.select(&selection),
    };
    let page = Draft::page(&selection, &selected, total).finished(plan, encoding);
    if is_kept {
        shared.pages.keep(encoding, query, &page);
    }
    Ok(page)
}

/// Checks path, method, token and Actor.
fn admit<'a, B>(shared: &Shared, request: &'a Request<B>) -> Result<Route<'a>, Draft> {
    let segments: Vec<_> = request.uri().path().split('/').skip(1).collect();
    let takes_deployment = true;
    let (route, actor) = match segments.as_slice() {
        ["v2", "acts" | "actors"] => (Route::Actors, None),
        ["v2", "acts" | "actors", actor] => (Route::Actor(actor), Some(*actor)),
        ["v2", "acts" | "actors", actor, "runs"] => {
            (Route::Runs { takes_deployment }, Some(*actor))
        }
        ["v2", "actor-runs"] => (Route::Runs { takes_deployment }, None),
        ["v2", "actor-tasks", _, "runs"] => {
            let takes_deployment = false;
            (Route::Runs { takes_deployment }, None)
        }
        _ => return Err(Draft::error(404, "page-not-found", "There is no such page")),
    };
    if request.method() != Method::GET {
        let message = "This API end-point can only be read";
        return Err(Draft::error(405, "method-not-allowed", message));
    }
    match bearer(request.headers()) {
        None => {
            let message = "Authentication token was not provided";
            return Err(Draft::error(401, "token-not-provided", message));
        }
        Some(token) if token != shared.plan.token => {
            let message = "User was not found or authentication token is not valid";
            return Err(Draft::error(401, "user-or-token-not-found", message));
        }
        Some(_) => {}
    }
    match actor {
        Some(actor) if !shared.actors.has(actor) => Err(Draft::no_actor()),
        _ => Ok(route),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn parameters<B>(request: &Request<B>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    let url = Url::parse(&format!("http://emulator/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect())
        .unwrap_or_default()
}

/// The rows a request asks for, unless a parameter makes no sense.
fn selection(parameters: Vec<(String, String)>, plan: &Plan) -> Result<Selection, Draft> {
    let mut selection = Selection::default();
    let mut deployment = None;
    for (name, value) in parameters {
        let invalid = || {
            let message = format!("Parameter \"{name}\" has a value that is not valid");
            Draft::error(400, "invalid-value", &message)
        };
        let number = || whole_number(&value).ok_or_else(invalid);
        let time = || timestamp::parse(&value).map(Some).ok_or_else(invalid);
        match name.as_str() {
            "offset" => selection.offset = number()?,
            "limit" => selection.limit = number()?,
            "desc" => selection.descending = matches!(value.as_str(), "1" | "true"),
            "status" => selection.statuses = value.split(',').map(str::to_owned).collect(),
            "startedAfter" | "startedBefore" if plan.ignores_time_filters => {}
            "startedAfter" => selection.started_after = time()?,
            "startedBefore" => selection.started_before = time()?,
            "deployment" => deployment = Some(value),
            _ => {}
        }
    }
    if let Some(deployment) = deployment {
        let are_known = deployment
            .split(',')
            .all(|name| DEPLOYMENTS.contains(&name));
        let is_unfinished = |status: &String| UNFINISHED.contains(&status.as_str());
        let are_unfinished = selection.statuses.iter().all(is_unfinished);
        if !are_known || !are_unfinished || selection.statuses.is_empty() {
            let message = "A deployment goes only with statuses of unfinished runs";
            return Err(Draft::error(400, "standby-deployment-invalid", message));
        }
        // No Actor is deployed in such a way.
        selection.is_empty = true;
    }
    // 0 means that no limit was given, and more than the maximum means the maximum.
    let maximum = u64::from(crate::limits::MAX_PAGE_SIZE);
    let asked = match selection.limit {
        0 => maximum,
        limit => limit.min(maximum),
    };
    selection.limit = asked.min(plan.max_page_size);
    selection.told_limit = if plan.tells_max_page_size {
        selection.limit
    } else {
        asked
    };
    Ok(selection)
}

/// A whole number from 0 on, in any form that a floating-point number has.
fn whole_number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    let is_whole = number.is_finite() && number >= 0.0 && number.fract() == 0.0;
    // One that is too large becomes the largest there is.
    is_whole.then_some(number as u64)
}

impl Draft {
    fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            encoding: None,
            headers: Vec::new(),
            body: body.into(),
            is_own_json: false,
            then: Then::End,
        }
    }

    /// The emulator's own JSON.
    fn json(status: u16, compact: String) -> Self {
        Self {
            is_own_json: true,
            ..Self::new(status, compact)
        }
    }

    /// A page with the `total` there is if none other is to be told.
    fn page(selection: &Selection, selected: &Selected, total: Option<u64>) -> Self {
        let total = total.unwrap_or(selected.total);
        let (offset, limit, count) = (selection.offset, selection.told_limit, selected.count);
        let body = format!(
            r#"{{"data":{{"total":{total},"offset":{offset},"limit":{limit},"desc":{},"count":{count},"items":[{}]}}}}"#,
            selection.descending, selected.items,
        );
        let values = [offset, limit, count, total].map(|value| value.to_string());
        Self {
            headers: PAGINATION.into_iter().zip(values).collect(),
            ..Self::json(200, body)
        }
    }

    fn error(status: u16, api_type: &str, message: &str) -> Self {
        let (api_type, message) = (Value::from(api_type), Value::from(message));
        let error = format!(r#"{{"error":{{"type":{api_type},"message":{message}}}}}"#);
        Self::json(status, error)
    }

    fn no_actor() -> Self {
        Self::error(404, "record-not-found", "Actor was not found")
    }

    /// The error object Apify sends with a status.
    fn standard_error(status: u16) -> Self {
        let (api_type, message) = match status {
            400 => ("invalid-value", "A parameter has a value that is not valid"),
            401 => ("user-or-token-not-found", "User was not found"),
            403 => ("insufficient-permissions", "Insufficient permissions"),
            404 => ("record-not-found", "Record was not found"),
            408 => ("request-timeout", "The request took too long"),
            429 => ("rate-limit-exceeded", "You have exceeded the rate limit"),
            503 => ("query-timeout", "The query took too long"),
            _ => ("internal-server-error", "Something went wrong on our side"),
        };
        Self::error(status, api_type, message)
    }

    /// With its body as it is sent: indented if it is the emulator's own JSON, and compressed.
    fn finished(self, plan: &Plan, encoding: Option<Encoding>) -> Self {
        self.indented(plan.is_compact).encoded(encoding)
    }

    fn indented(mut self, is_compact: bool) -> Self {
        if self.is_own_json
            && !is_compact
            && let Ok(json) = str::from_utf8(&self.body)
        {
            self.body = indented(json).into();
        }
        self
    }

    /// With its body compressed, if there is any.
    fn encoded(mut self, encoding: Option<Encoding>) -> Self {
        let Some(encoding) = encoding.filter(|_| !self.body.is_empty()) else {
            return self;
        };
        // What cannot be compressed is sent as it is.
        if let Ok(body) = encoding.encode(&self.body) {
            self.body = body.into();
            self.encoding = Some(encoding);
        }
        self
    }

    fn cut_in_half(mut self, then: Then) -> Self {
        self.headers
            .push((CONTENT_LENGTH, self.body.len().to_string()));
        self.body.truncate(self.body.len() / 2);
        self.then = then;
        self
    }

    fn into_answer(self, shared: &Shared, in_flight: InFlight) -> Answer {
        let mut answer = Response::new(AnswerBody::new(self.body, self.then, in_flight));
        // One below 200 would not be an answer, but an announcement of one.
        let status = StatusCode::from_u16(self.status).ok();
        let status = status.filter(|status| !status.is_informational());
        *answer.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut set = |name, value: &str| {
            if let Ok(value) = value.parse() {
                answer.headers_mut().insert(name, value);
            }
        };
        set(CONTENT_TYPE, self.content_type);
        if let Some(encoding) = self.encoding {
            set(CONTENT_ENCODING, encoding.name());
        }
        if shared.plan.compresses {
            set(VARY, "Accept-Encoding");
        }
        set(DATE, &http_date(shared.clock.now()));
        if let Some(limit) = shared.plan.told_rate_limit() {
            set(RATE_LIMIT, &limit.to_string());
        }
        for (name, value) in self.headers {
            set(name, &value);
        }
        answer
    }
}

/// Pages that were rendered before, by the encoding that was asked for, and by their query.
#[derive(Default)]
pub(super) struct PageCache(Mutex<KeptPages>);

type KeptPages = HashMap<Option<Encoding>, HashMap<String, Draft>>;

impl PageCache {
    fn get(&self, encoding: Option<Encoding>, query: &str) -> Option<Draft> {
        self.pages().get(&encoding)?.get(query).cloned()
    }

    fn keep(&self, encoding: Option<Encoding>, query: &str, page: &Draft) {
        let mut pages = self.pages();
        let encoded = pages.entry(encoding).or_default();
        encoded.insert(query.into(), page.clone());
    }

    pub(super) fn clear(&self) {
        self.pages().clear();
    }

    fn pages(&self) -> MutexGuard<'_, KeptPages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
