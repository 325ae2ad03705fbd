//! Watches the runs of an Actor: prints each when it starts and when it has finished.
//!
//! `cargo run --example follow -- 20` watches an emulated Actor for 20
//! events. With `APIFY_TOKEN` set, `… --example follow -- 20 janedoe/my-actor` watches an
//! Actor on Apify.

use std::error::Error;
use std::time::Duration;

use apify_runs::emulator::{Emulator, Store};
use apify_runs::{Client, Emit, RunQuery};
use chrono::Utc;
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(Ok(20), |events| events.parse())?;
    if let Some(actor) = arguments.next() {
        return watch(&Client::from_env()?, &actor, events).await;
    }
    let emulator = Emulator::builder().start().await?;
    emulator.change(|store| start_runs(store, 0));
    watch(&emulator.client(), "janedoe/my-actor", events).await
}

async fn watch(client: &Client, actor: &str, events: usize) -> Result<(), Box<dyn Error>> {
    let query = RunQuery::actor(actor).started_after(Utc::now() - Duration::from_secs(3600));
    let runs = client.runs(query).emit(Emit::Changes);
    let mut runs = runs.follow(Duration::from_secs(1)).stream().take(events);
    while let Some(run) = runs.next().await {
        let run = run?;
        match run.duration() {
            Some(duration) => println!("{} {} after {duration:.1?}", run.id, run.status),
            None => println!("{} {}", run.id, run.status),
        }
    }
    println!("{:?}", runs.get_ref().stats());
    Ok(())
}

/// Lets a run start every second, and finish two seconds later.
fn start_runs(store: &mut Store, number: u64) {
    let id = format!("run{number}");
    store.start_run(&id);
    store.after(Duration::from_secs(2), move |store| {
        if let Some(place) = store.place_of(&id) {
            store.finish(place, "SUCCEEDED");
        }
    });
    store.after(Duration::from_secs(1), move |store| {
        start_runs(store, number + 1);
    });
}
