//! `apify-runs emulate`.

use std::pin::pin;
use std::time::Duration;

use apify_runs::emulator::Emulator;
use tokio::time::interval;

use crate::arguments::EmulateArguments;
use crate::exit::{Exit, Failure};
use crate::schedule::ChangeRule;
use crate::signals::StopSignal;
use crate::stdout::print;

/// How often the emulator's log of requests is emptied.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(arguments: EmulateArguments) -> Result<Exit, Failure> {
    let stop = StopSignal::listen();
    let (delete, insert) = (arguments.delete_every, arguments.insert_every);
    let mut builder = Emulator::builder()
        .runs(arguments.runs)
        .seed(arguments.seed)
        .port(arguments.port)
        .latency(arguments.latency)
        .before_each(move |request, store| {
            let runs = |rule: Option<ChangeRule>| rule.map_or(0, |rule| rule.runs_before(request));
            store.delete(..runs(delete));
            for number in 0..runs(insert) {
                store.start_run(&format!("new{request:07}x{number:06}"));
            }
        });
    if let Some(actor) = arguments.actor {
        builder = builder.actor(actor);
    }
    if let Some(limit) = arguments.rate_limit {
        builder = builder.rate_limit(limit);
    }
    if arguments.compress {
        builder = builder.compress();
    }
    if arguments.compact {
        builder = builder.compact();
    }
    if arguments.complete_rows {
        builder = builder.complete_rows();
    }
    for rule in arguments.fault {
        builder = builder.fault(rule.requests, rule.fault);
    }
    let started = builder.start().await;
    let emulator = started.map_err(|error| Failure::from(error).permanent())?;
    let (url, token) = (emulator.base_url(), emulator.token());
    print(format!("APIFY_API_BASE_URL={url}\nAPIFY_TOKEN={token}\n").as_bytes())?;
    let mut full = interval(LOG_INTERVAL);
    let mut stopped = pin!(stop.requested());
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(Exit::Complete),
            // Nobody reads it, and a program that runs for days may not grow.
            _ = full.tick() => drop(emulator.take_requests()),
        }
    }
}
