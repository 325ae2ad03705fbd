//! The emulator's HTTP server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hyper::header::{ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::body::{BodyEnding, ResponseBody};
use super::content_encoding::ContentEncoding;
use super::faults::Fault;
use super::listing::Listing;
use super::log::RequestRecord;
use super::parameters::{list_query, parameters};
use super::response::ResponseDraft;
use super::routes::Route;
use super::shared::{InFlight, PanicWitness, Shared};
use super::socket::Socket;

/// How long no connection is accepted after one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections until it is dropped, and with it all of them.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Usually there are too many open files: that takes time to pass.
            sleep(ACCEPT_PAUSE).await;
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
    let socket = Socket::new(stream, Arc::clone(&reset));
    let service = service_fn(|request| {
        let (shared, reset) = (shared.clone(), reset.clone());
        async move {
            let response = respond(&shared, &request).await;
            if response.is_none() {
                reset.store(true, Relaxed);
            }
            response.ok_or_else(|| io::Error::other("the connection is to be reset"))
        }
    });
    // How the connection ends is the client's business.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// A request, as it was on arrival.
struct ReceivedRequest {
    /// Counted from 1.
    number: u64,
    /// Whether it exceeds the rate limit, and has no fault.
    is_refused: bool,
    /// How the response is to be compressed.
    encoding: Option<ContentEncoding>,
    in_flight: InFlight,
}

/// The response to a request, or `None` for a reset.
async fn respond<B>(
    shared: &Arc<Shared>,
    request: &Request<B>,
) -> Option<Response<ResponseBody<InFlight>>> {
    let received = receive(shared, request);
    let (settings, number, encoding) = (&shared.settings, received.number, received.encoding);
    if !settings.latency.is_zero() {
        // Even a sleep of no length waits for the next millisecond.
        sleep(settings.latency).await;
    }
    if let Some(change) = &settings.before_each {
        shared.change(|store| change(number, store));
    }
    let good = |total| {
        let good = requested(shared, request, &received, total);
        good.unwrap_or_else(|refusal| refusal.finished(settings, encoding))
    };
    let draft = match settings.fault(number) {
        Some(Fault::Reset) => return None,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Total(total)) => good(Some(total)),
        Some(Fault::Truncate) => good(None).truncated(BodyEnding::Flush),
        Some(Fault::Stall) => good(None).truncated(BodyEnding::Stall),
        Some(fault) => ResponseDraft::fault(fault).finished(settings, encoding),
        None if received.is_refused => {
            ResponseDraft::standard_error(429).finished(settings, encoding)
        }
        None => good(None),
    };
    Some(draft.into_response(settings, shared.clock.now(), received.in_flight))
}

fn receive<B>(shared: &Arc<Shared>, request: &Request<B>) -> ReceivedRequest {
    let (settings, record) = (&shared.settings, record(request));
    let mut log = shared.log();
    // Read while the log is locked, so that the log is in the order of these times.
    let at = shared.clock.elapsed();
    let is_admitted = settings.rate_limit.is_none_or(|limit| {
        let last_second = log.last_seconds.entry(record.path.clone());
        last_second.or_default().admit(at, limit)
    });
    log.requests.push(RequestRecord { at, ..record });
    log.in_flight += 1;
    log.received += 1;
    let number = log.received;
    let is_refused = !is_admitted && settings.fault(number).is_none();
    log.refused += u64::from(is_refused);
    let encoding = settings
        .compresses
        .then(|| ContentEncoding::accepted(request.headers()));
    ReceivedRequest {
        number,
        is_refused,
        encoding: encoding.flatten(),
        in_flight: InFlight::of(shared),
    }
}

/// A request for the log, except for its time.
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

/// What was requested, with another `total` if one is given.
///
/// # Errors
///
/// The response to a request that is refused.
fn requested<B>(
    shared: &Shared,
    request: &Request<B>,
    received: &ReceivedRequest,
    total: Option<u64>,
) -> Result<ResponseDraft, ResponseDraft> {
    let settings = &shared.settings;
    let draft = match Route::of(request, &shared.actors, &settings.token)? {
        Route::Runs { takes_deployment } => {
            return runs(shared, request, received, takes_deployment, total);
        }
        Route::Actors => {
            let mut parameters = parameters(request);
            parameters.retain(|(name, _)| matches!(name.as_str(), "offset" | "limit" | "desc"));
            let query = list_query(parameters, settings)?;
            let listing = match query.offset {
                0 => Listing {
                    total: 1,
                    count: 1,
                    items: shared.actors.listed().item(&shared.store()),
                },
                _ => Listing::empty(1),
            };
            ResponseDraft::page(&query, &listing, total)
        }
        Route::Actor(name) => {
            let actor = shared.actors.find(name);
            let actor = actor.ok_or_else(ResponseDraft::no_actor)?;
            let data = actor.detail(&shared.store());
            ResponseDraft::json(200, format!(r#"{{"data":{data}}}"#))
        }
    };
    Ok(draft.finished(settings, received.encoding))
}

/// A page of runs.
fn runs<B>(
    shared: &Shared,
    request: &Request<B>,
    received: &ReceivedRequest,
    takes_deployment: bool,
    total: Option<u64>,
) -> Result<ResponseDraft, ResponseDraft> {
    let settings = &shared.settings;
    // Locked until the page is kept, so that no page outlives a change of the list.
    let mut store = shared.store();
    let (encoding, query) = (received.encoding, request.uri().query().unwrap_or_default());
    // The same query with a deployment means different things on different lists.
    let is_kept = settings.keeps_pages
        && settings.during_each.is_none()
        && total.is_none()
        && !query.contains("deployment");
    if let Some(page) = shared.pages.get(encoding, query).filter(|_| is_kept) {
        return Ok(page);
    }
    let mut parameters = parameters(request);
    if !takes_deployment {
        parameters.retain(|(name, _)| name != "deployment");
    }
    let list_query = list_query(parameters, settings)?;
    let listing = match &settings.during_each {
        Some(change) => store.list_during(&list_query, |store| change(received.number, store)),
        None => store.list(&list_query),
    };
    let page = ResponseDraft::page(&list_query, &listing, total).finished(settings, encoding);
    if is_kept {
        shared.pages.insert(encoding, query, page.clone());
    }
    Ok(page)
}
