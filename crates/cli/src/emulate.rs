//! `apify-runs emulate`.

use std::pin::pin;
use std::time::Duration;

use apify_runs::emulator::Emulator;
use clap::Args;
use tokio::time::interval;

use crate::exit::{Exit, Failure};
use crate::schedule::{ChangeRule, FaultRule};
use crate::signals::StopSignal;
use crate::stdout::print;
use crate::times::duration;

/// How often the emulator's log of requests is emptied.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct EmulateArguments {
    /// How many runs there are
    #[arg(long, value_name = "N", default_value = "100000")]
    pub(crate) runs: u64,
    /// What they are made from: the same seed makes the same runs
    #[arg(long, value_name = "S", default_value = "0")]
    pub(crate) seed: u64,
    /// The port on 127.0.0.1; 0 is any free one
    #[arg(long, value_name = "P", default_value = "0")]
    pub(crate) port: u16,
    /// The only Actor there is; any, if it is not given
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// How long each response takes
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(crate) latency: Duration,
    /// Refuse what is more than N requests for one list in a second
    #[arg(long, value_name = "N")]
    pub(crate) rate_limit: Option<u64>,
    /// Compress responses
    #[arg(long)]
    pub(crate) compress: bool,
    /// Send compact JSON; it is indented by default, as the service's is
    #[arg(long)]
    pub(crate) compact: bool,
    /// Give every run the same fields
    ///
    /// By default, some lack fields, and some have fields that the API reference does not list,
    /// as the service's do.
    #[arg(long)]
    pub(crate) complete_rows: bool,
    /// Let some requests fail, such as 3=503, 5..=7=hang or 9..=reset; may be repeated
    ///
    /// A request or a range of them, counted from 1, and what goes wrong: a status, hang,
    /// reset, truncate, stall, html, broken-json, empty or error-in-ok.
    #[arg(long, value_name = "RULE")]
    pub(crate) fault: Vec<FaultRule>,
    /// Delete the K oldest runs before every N-th request: N or N:K
    #[arg(long, value_name = "N[:K]")]
    pub(crate) delete_every: Option<ChangeRule>,
    /// Start K new runs before every N-th request: N or N:K
    #[arg(long, value_name = "N[:K]")]
    pub(crate) insert_every: Option<ChangeRule>,
}

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
