//! `apify-runs watch`.

mod alert;
mod attempt;
mod command;
mod delivery;
mod digest;
mod exec;
mod facts;
mod outbox;
mod printer;
mod reader;
mod saver;
mod setup;
mod state;
mod webhook;

use std::pin::pin;
use std::sync::Once;

use chrono::{TimeDelta, Utc};
use futures_util::future::{join_all, try_join_all};
use serde_json::json;
use tokio::sync::watch;

use crate::arguments::WatchArguments;
use crate::console::{Console, Level};
use crate::counts::counted;
use crate::exit::{Exit, Failure};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::signals::StopSignal;

pub(crate) use command::adapted;
use delivery::{Delivery, Sink};
use outbox::Outbox;
use reader::{List, Reader};
use saver::save_changes;
use setup::{begin, check_times, lists, sinks, statuses};
use state::StateFile;

/// The result of each list: how many of its rows could not be read, or why the list failed.
type Results = Vec<Result<u64, Failure>>;

pub(crate) async fn run(
    arguments: Box<WatchArguments>,
    console: &Console,
) -> Result<Exit, Failure> {
    check_times(&arguments)?;
    let statuses = statuses(&arguments)?;
    let sinks = sinks(&arguments)?;
    let lists = lists(&arguments)?;
    let (file, mut state) = StateFile::open(&arguments.state)?;
    begin(&mut state, &lists, &arguments)?;
    let metrics = Metrics::start(&arguments.metrics, console).await?;
    let service = Service::open(&arguments.source, console).await?;
    let stop = StopSignal::listen();
    let names = sinks.iter().map(Sink::name).collect();
    let is_summary = arguments.summary.is_some();
    let outbox = Outbox::new(state, names, is_summary, metrics.clone());
    // Later starts begin at the same time, even if this one fails now.
    file.replace(&outbox.stored()?)?;
    say_left_over(&outbox, console);
    let reader = Reader {
        arguments: &arguments,
        statuses: &statuses,
        client: &service.client,
        outbox: &outbox,
        metrics: &metrics,
        stop: &stop,
        console,
        is_full: Once::new(),
    };
    let work = Watch {
        reader,
        lists: &lists,
        sinks: &sinks,
    };
    let is_done = watch::Sender::new(false);
    let mut saving = pin!(save_changes(&outbox, &file, is_done.subscribe()));
    let ended = tokio::select! {
        ended = work.run() => ended,
        result = &mut saving => return result.map(|()| Exit::Complete),
    };
    is_done.send_replace(true);
    saving.await?;
    match ended {
        Ok(results) => work.end(results),
        Err(end) => end,
    }
}

fn say_left_over(outbox: &Outbox, console: &Console) {
    for (sink, alerts) in outbox.left_over() {
        let alerts = counted(alerts as u64, "alert");
        let text = format!("{alerts} of an earlier start wait for --{sink}, which is not given");
        console.log(Level::Warning, &text, json!({}));
    }
}

/// The lists and the sinks of one start.
struct Watch<'a> {
    reader: Reader<'a>,
    lists: &'a [List],
    sinks: &'a [Sink],
}

impl Watch<'_> {
    /// Reads and delivers until the program is to stop, or until all lists have ended and each alert
    /// is delivered or given up.
    ///
    /// # Errors
    ///
    /// How the program ends, if it cannot continue.
    async fn run(&self) -> Result<Results, Result<Exit, Failure>> {
        let Reader {
            arguments,
            outbox,
            stop,
            console,
            ..
        } = self.reader;
        let is_closed = watch::Sender::new(false);
        let read = async {
            let lists = self.lists.iter().map(|list| self.read(list));
            let results = join_all(lists).await;
            self.summarize_if_due();
            is_closed.send_replace(true);
            results
        };
        let deliveries: Vec<_> = self
            .sinks
            .iter()
            .map(|sink| Delivery {
                sink,
                outbox,
                stop,
                console,
                once: arguments.once,
                is_closed: is_closed.clone(),
            })
            .collect();
        let deliver = try_join_all(deliveries.iter().map(|delivery| delivery.run()));
        let both = async {
            let read = async { Ok(read.await) };
            let (results, _) = futures_util::try_join!(read, deliver)?;
            Ok(results)
        };
        tokio::select! {
            ended = both => ended,
            () = self.summarize() => Ok(Vec::new()),
        }
    }

    /// Reads one list. A list that fails does not end the others.
    async fn read(&self, list: &List) -> Result<u64, Failure> {
        let reader = &self.reader;
        let both = async {
            let (unreadable, of_running) =
                futures_util::try_join!(reader.read(list), reader.check_running(list))?;
            Ok(unreadable + of_running)
        };
        let result = both.await;
        if let Err(failure) = &result
            && self.lists.len() > 1
        {
            let failure: &Failure = failure;
            let text = format!("{}: {}", list.name, failure.message);
            let fields = json!({"list": list.name});
            reader.console.log(Level::Warning, &text, fields);
        }
        result
    }

    /// Sends each summary when it is due, except with `--once`.
    async fn summarize(&self) {
        let arguments = self.reader.arguments;
        let every = arguments.summary.filter(|_| !arguments.once);
        let Some(every) = every.and_then(|every| TimeDelta::from_std(every).ok()) else {
            return std::future::pending().await;
        };
        loop {
            let now = Utc::now();
            let due = self.reader.outbox.summarize(every, now);
            tokio::time::sleep((due - now).to_std().unwrap_or_default()).await;
        }
    }

    /// Sends the summary if it is due, at the end of `--once`.
    fn summarize_if_due(&self) {
        let every = self.reader.arguments.summary;
        if let Some(every) = every.and_then(|every| TimeDelta::from_std(every).ok()) {
            self.reader.outbox.summarize(every, Utc::now());
        }
    }

    /// Reports how the watch has ended.
    fn end(&self, results: Results) -> Result<Exit, Failure> {
        let Reader {
            arguments,
            outbox,
            stop,
            console,
            ..
        } = self.reader;
        let kept = |sink: &Sink| outbox.len(sink.name()) as u64;
        let kept: u64 = self.sinks.iter().map(kept).sum();
        let state = arguments.state.display();
        let kept_text = format!("{} not delivered, kept in {state}", counted(kept, "alert"));
        let lists = results.len();
        let unreadable: u64 = results.iter().flatten().sum();
        let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        let failed = failures.len();
        if stop.signal() != 0 {
            let summed = outbox.summed();
            let mut text = match kept {
                0 if summed == 0 => "all alerts are delivered".into(),
                0 => format!("{} kept for the next summary", counted(summed, "alert")),
                _ => kept_text,
            };
            if failed > 0 {
                text += &format!("; {failed} of {} failed", counted(lists as u64, "list"));
            }
            let fields = json!({
                "kept_alerts": kept,
                "alerts_of_next_summary": summed,
                "failed_lists": failed,
            });
            console.result(&format!("interrupted: {text}"), fields);
            return Ok(Exit::Interrupted(stop.signal()));
        }
        if let Some(failure) = failures.into_iter().next() {
            let is_one = lists == 1 || failure.exit == Exit::Auth;
            let message = format!("{failed} of {} failed", counted(lists as u64, "list"));
            return Err(match is_one {
                true => failure,
                false => Failure::new(Exit::SomeFailed, message),
            });
        }
        let kept_text = format!("{kept_text}: the next start delivers them");
        let rows = counted(unreadable, "row");
        let unread_text = format!("no alert for {rows} that could not be read");
        match (unreadable, kept) {
            (0, 0) => Ok(Exit::Complete),
            (0, _) => Err(Failure::new(Exit::Incomplete, kept_text)),
            (_, 0) => Err(Failure::new(Exit::Failed, unread_text)),
            // The next start does not meet these rows again.
            _ => Err(Failure::new(
                Exit::Failed,
                format!("{unread_text}; {kept_text}"),
            )),
        }
    }
}
