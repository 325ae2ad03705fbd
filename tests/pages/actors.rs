use apify_runs::{Client, ListEvent};
use futures::StreamExt;

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let actors = ["janedoe/one", "janedoe/two", "janedoe/three"];
    let mut lists = Client::from_env()?.runs_of(actors);
    let (mut count, mut failed) = (0, Vec::new());
    while let Some(item) = lists.next().await {
        let actor = actors[item.list];
        match item.event {
            ListEvent::Run(_run) => count += 1,
            ListEvent::Unreadable(error) => eprintln!("{actor}: skipped: {error}"),
            // This list has ended; the others continue. Resume it from `error.cursor()`.
            ListEvent::Failed(error) => failed.push((actor, error)),
            _ => {}
        }
    }
    println!("{count} runs");
    for (actor, error) in &failed {
        eprintln!("{actor}: {error}");
    }
    Ok(())
}
