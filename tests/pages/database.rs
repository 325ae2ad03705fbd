use std::collections::BTreeMap;

use apify_runs::{Client, Cursor, Emit, ErrorKind, RunSummary};
use futures::StreamExt;

/// Stands for a transaction of your database.
#[derive(Default)]
struct Transaction {
    runs: BTreeMap<String, RunSummary>,
    cursors: BTreeMap<String, String>,
}

impl Transaction {
    /// `SELECT cursor FROM sync WHERE actor = $1`
    fn cursor(&self, actor: &str) -> Option<String> {
        self.cursors.get(actor).cloned()
    }

    /// `INSERT INTO run … ON CONFLICT (id) DO UPDATE SET status = excluded.status, …`
    fn upsert(&mut self, run: RunSummary) {
        self.runs.insert(run.id.to_string(), run);
    }

    /// `INSERT INTO sync … ON CONFLICT (actor) DO UPDATE SET cursor = excluded.cursor`
    fn store(&mut self, actor: &str, cursor: &Cursor) {
        self.cursors.insert(actor.to_owned(), cursor.to_string());
    }

    /// `COMMIT; BEGIN`
    fn commit_and_begin(&mut self) {}
}

#[tokio::main]
async fn main() -> apify_runs::Result<()> {
    let mut db = Transaction::default();
    sync(&Client::from_env()?, "janedoe/my-actor", &mut db).await?;
    println!("{} runs", db.runs.len());
    Ok(())
}

/// Brings the database up to date.
async fn sync(client: &Client, actor: &str, db: &mut Transaction) -> apify_runs::Result<()> {
    let cursor = db
        .cursor(actor)
        .map_or_else(|| Ok(Cursor::default()), |text| text.parse())?;
    let runs = client.runs(actor).emit(Emit::Changes).resume(cursor);
    let mut runs = runs.stream();
    let mut rows = 0;
    while let Some(run) = runs.next().await {
        match run {
            Ok(run) => db.upsert(run),
            Err(error) if error.kind() == ErrorKind::Item => eprintln!("left out: {error}"),
            // What is committed stays; the next start goes on from its cursor.
            Err(error) => return Err(error),
        }
        rows += 1;
        if rows % 1000 == 0 {
            db.store(actor, runs.cursor());
            db.commit_and_begin();
        }
    }
    db.store(actor, runs.cursor());
    db.commit_and_begin();
    Ok(())
}

#[cfg(test)]
mod tests {
    use apify_runs::emulator::Emulator;

    use super::*;

    #[tokio::test]
    async fn the_second_time_finds_what_is_new() {
        let emulator = Emulator::builder().runs(1500).start().await.unwrap();
        let mut db = Transaction::default();
        sync(&emulator.client(), "a", &mut db).await.unwrap();
        assert_eq!(db.runs.len(), 1500);
        emulator.change(|store| store.start_run("later"));
        sync(&emulator.client(), "a", &mut db).await.unwrap();
        assert_eq!(db.runs.len(), 1501);
    }
}
