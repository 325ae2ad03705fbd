//! The emulator as a program.

use std::ops::Bound;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use apify_runs::emulator::{Emulator, Fault};
use tokio::time::interval;

use crate::arguments::EmulateArguments;
use crate::exit::{Exit, Failure};
use crate::generated::print;
use crate::signals::Stop;

/// How often the requests so far are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// Requests that are answered wrongly, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FaultRule {
    requests: (Bound<u64>, Bound<u64>),
    fault: Fault,
}

/// Before which requests the list changes, and by how many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    every: u64,
    runs: u64,
}

pub(crate) async fn run(arguments: EmulateArguments) -> Result<Exit, Failure> {
    let stop = Stop::listen();
    let (delete, insert) = (arguments.delete_every, arguments.insert_every);
    let mut builder = Emulator::builder()
        .runs(arguments.runs)
        .seed(arguments.seed)
        .port(arguments.port)
        .latency(arguments.latency)
        .before_each(move |request, store| {
            if let Some(delete) = delete.filter(|change| request % change.every == 0) {
                store.delete(..delete.runs);
            }
            if let Some(insert) = insert.filter(|change| request % change.every == 0) {
                for number in 0..insert.runs {
                    store.start_run(&format!("new{request:07}x{number:06}"));
                }
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
    let emulator = started.map_err(|error| Failure::from(error).for_good())?;
    let (url, token) = (emulator.base_url(), emulator.token());
    print(format!("APIFY_API_BASE_URL={url}\nAPIFY_TOKEN={token}\n").as_bytes())?;
    let mut forget = interval(FORGET_INTERVAL);
    let mut asked = pin!(stop.asked());
    loop {
        tokio::select! {
            _ = &mut asked => return Ok(Exit::Complete),
            // Nobody asks for them, and a program that runs for days may not grow.
            _ = forget.tick() => drop(emulator.take_requests()),
        }
    }
}

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "it must be like 3=503, 2..=4=429, 7=hang or 9..=reset";
        // The range may have an = of its own.
        let (requests, fault) = text.rsplit_once('=').ok_or(expected)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| expected);
        let requests = match requests.split_once("..") {
            None => (
                Bound::Included(number(requests)?),
                Bound::Included(number(requests)?),
            ),
            Some((from, "")) => (Bound::Included(number(from)?), Bound::Unbounded),
            Some((from, to)) => {
                let from = Bound::Included(number(from)?);
                match to.strip_prefix('=') {
                    Some(to) => (from, Bound::Included(number(to)?)),
                    None => (from, Bound::Excluded(number(to)?)),
                }
            }
        };
        let fault = match fault {
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "truncate" => Fault::Truncate,
            "stall" => Fault::Stall,
            "html" => Fault::Html { status: 502 },
            "broken-json" => Fault::BrokenJson,
            "empty" => Fault::Empty,
            "error-in-ok" => Fault::ErrorInOk,
            status => Fault::status(status.parse().map_err(|_| expected)?),
        };
        Ok(Self { requests, fault })
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (every, runs) = text.split_once(':').unwrap_or((text, "1"));
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        match (number(every), number(runs)) {
            (Some(every), Some(runs)) => Ok(Self { every, runs }),
            _ => Err("it must be N or N:K, whole numbers from 1".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_requests_and_a_fault() {
        let rule = |text: &str| {
            text.parse::<FaultRule>()
                .map(|rule| (rule.requests, rule.fault))
        };
        let (included, excluded) = (Bound::Included, Bound::Excluded);
        assert_eq!(
            rule("3=503"),
            Ok(((included(3), included(3)), Fault::status(503)))
        );
        assert_eq!(
            rule("3..5=hang"),
            Ok(((included(3), excluded(5)), Fault::Hang))
        );
        assert_eq!(
            rule("3..=5=hang"),
            Ok(((included(3), included(5)), Fault::Hang))
        );
        assert_eq!(
            rule("3..=reset"),
            Ok(((included(3), Bound::Unbounded), Fault::Reset))
        );
        for text in ["", "3", "503", "x=503", "3=often", "3..x=503"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }
}
