use std::error::Error;
use std::{fs, io};

use apify_runs::{Client, Cursor, Emit, ErrorKind, RunSummary};
use futures::StreamExt;

/// The file with the cursor.
const CURSOR: &str = "runs.cursor";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cursor = if fs::exists(CURSOR)? {
        fs::read_to_string(CURSOR)?.parse()?
    } else {
        Cursor::default()
    };
    catch_up(&Client::from_env()?, cursor, |run, cursor| {
        if let Some(run) = run {
            println!("{} {}", run.id, run.status);
        }
        // The new file replaces the old one as a whole, or not at all.
        fs::write("runs.cursor.new", cursor.to_string())?;
        fs::rename("runs.cursor.new", CURSOR)
    })
    .await
}

/// Hands runs that have finished since the last time to `store`, with the cursor.
async fn catch_up(
    client: &Client,
    cursor: Cursor,
    mut store: impl FnMut(Option<RunSummary>, &Cursor) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let runs = client.runs("janedoe/my-actor").emit(Emit::Finished);
    let mut runs = runs.resume(cursor).stream();
    while let Some(run) = runs.next().await {
        match run {
            Ok(run) => store(Some(run), runs.cursor())?,
            // One row could not be read. The cursor is after it, and the walk continues.
            Err(error) if error.kind() == ErrorKind::Item => eprintln!("skipped: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    // The cursor has also passed runs that were not returned.
    store(None, runs.cursor())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use apify_runs::emulator::Emulator;

    use super::*;

    #[tokio::test]
    async fn each_start_resumes_where_the_one_before_ended() {
        let emulator = Emulator::builder().runs(500).start().await.unwrap();
        let (mut ids, mut cursor) = (HashSet::new(), Cursor::default());
        for _ in 0..2 {
            let start = cursor.clone();
            let store = |run: Option<RunSummary>, next: &Cursor| {
                assert!(run.is_none_or(|run| ids.insert(run.id)));
                cursor = next.clone();
                Ok(())
            };
            catch_up(&emulator.client(), start, store).await.unwrap();
        }
        assert!(ids.len() > 400);
    }
}
