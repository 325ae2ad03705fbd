//! The life of a run: it starts, finishes, and is resurrected.

use std::time::Duration;

use chrono::SubsecRound;
use serde_json::Value;

use super::generated;
use super::store::{Store, StoredRow};
use crate::timestamp;

/// How long after the end of a run its usage is added up.
const SETTLING: Duration = Duration::from_secs(10);

impl Store {
    /// Starts a run with this ID: RUNNING since [`now`](Self::now), and otherwise like the
    /// generated runs. It always has a `usageTotalUsd`, which [`finish`](Self::finish) settles.
    ///
    /// It is the last of the list, unless runs on the list start later than the clock shows.
    pub fn start_run(&mut self, id: &str) {
        // Listed by the same milliseconds that its JSON shows.
        let now = self.now().trunc_subsecs(3);
        let json = generated::running(self.seed(), self.next_number, self.shape, id, now);
        self.add(StoredRow {
            json,
            id: id.into(),
            started_at: Some(now),
            status: "RUNNING".into(),
        });
    }

    /// Ends the run at this place with this status, [`now`](Self::now). `false` if there is
    /// no run.
    ///
    /// As on the service, its usage is not added up yet: for 10 seconds, `usageTotalUsd` is
    /// half of what it was and will be. A run without `usageTotalUsd` does not get one.
    ///
    /// ```
    /// # use apify_runs::emulator::Emulator;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> apify_runs::Result<()> {
    /// let emulator = Emulator::builder().start().await?;
    /// emulator.change(|store| store.start_run("one"));
    /// tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    /// emulator.change(|store| store.finish(0, "SUCCEEDED"));
    /// assert_eq!(emulator.run(0).unwrap()["status"], "SUCCEEDED");
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(&mut self, place: u64, status: &str) -> bool {
        let Some(Value::Object(mut run)) = self.run(place) else {
            return false;
        };
        run.insert("status".into(), status.into());
        let end = timestamp::to_query(self.now());
        run.insert("finishedAt".into(), end.into());

        let number = self.number_at(place);
        // A run that ends again soon has half of its usage on the list.
        let unsettled = self.unsettled.remove(&number).map(|(_, usd)| usd);
        if let Some(usd) = unsettled.or_else(|| run.get("usageTotalUsd")?.as_f64()) {
            run.insert("usageTotalUsd".into(), (usd / 2.0).into());
            let settle = move |store: &mut Self| store.settle(number);
            let due = self.schedule.add(SETTLING, settle);
            self.unsettled.insert(number, (due, usd));
        }
        self.replace(place, &Value::Object(run));
        true
    }

    /// Makes the run at this place RUNNING again, as `resurrect` does on the service: ID,
    /// start and place stay, `finishedAt` goes. `false` if there is no run.
    pub fn resurrect(&mut self, place: u64) -> bool {
        let Some(Value::Object(mut run)) = self.run(place) else {
            return false;
        };
        run.insert("status".into(), "RUNNING".into());
        run.remove("finishedAt");
        self.replace(place, &Value::Object(run));
        true
    }

    /// Sets the usage of a run to its final value, unless the run has ended again since.
    fn settle(&mut self, number: u64) {
        let Some((due, usd)) = self.unsettled.get(&number).copied() else {
            return;
        };
        if due > self.now() {
            return;
        }
        self.unsettled.remove(&number);
        let Some(place) = self.place_of_number(number) else {
            return;
        };
        if let Some(Value::Object(mut run)) = self.run(place) {
            run.insert("usageTotalUsd".into(), usd.into());
            self.replace(place, &Value::Object(run));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::emulator::clock::Clock;
    use crate::emulator::generated::GeneratedRuns;

    fn store() -> Store {
        let runs = GeneratedRuns { length: 9, seed: 1 };
        let start = timestamp::parse("2025-03-01T00:00:00Z").unwrap();
        Store::generated(runs, Clock::showing(start))
    }

    async fn pass(store: &mut Store, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
        store.catch_up();
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_starts_finishes_and_is_resurrected() {
        let mut store = store();
        pass(&mut store, 5).await;
        store.start_run("mine");
        let place = store.place_of("mine").unwrap();
        assert_eq!(place, 9);
        let run = store.run(place).unwrap();
        assert_eq!(run["status"], "RUNNING");
        assert_eq!(run["startedAt"], "2025-03-01T00:00:05.000Z");
        assert!(store.has_status(place, &["RUNNING".into()]));

        pass(&mut store, 60).await;
        assert!(store.finish(place, "FAILED"));
        let finished = store.run(place).unwrap();
        assert_eq!(finished["status"], "FAILED");
        assert_eq!(finished["finishedAt"], "2025-03-01T00:01:05.000Z");
        assert!(store.has_status(place, &["FAILED".into()]));

        assert!(store.resurrect(place));
        pass(&mut store, 60).await;
        assert_eq!(store.run(place), Some(run));
        assert_eq!(store.place_of("mine"), Some(place));

        assert!(!store.finish(10, "FAILED"));
        assert!(!store.resurrect(10));
    }

    #[tokio::test(start_paused = true)]
    async fn usage_settles_ten_seconds_after_the_end() {
        let mut store = store();
        let usd = |store: &Store| {
            store
                .run(8)
                .map(|run| run["usageTotalUsd"].as_f64().unwrap())
        };
        let all = usd(&store).unwrap();
        let half = Some(all / 2.0);
        store.finish(8, "SUCCEEDED");
        pass(&mut store, 9).await;
        assert_eq!(usd(&store), half);

        // The end that counts is the last one.
        store.resurrect(8);
        store.finish(8, "SUCCEEDED");
        pass(&mut store, 9).await;
        assert_eq!(usd(&store), half);
        pass(&mut store, 1).await;
        assert_eq!(usd(&store), Some(all));
        assert!(store.unsettled.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_usage_or_off_the_list_does_not_settle() {
        let mut store = store();
        store.update(7, |run| {
            run.as_object_mut().unwrap().remove("usageTotalUsd");
        });
        store.finish(7, "SUCCEEDED");
        store.finish(8, "SUCCEEDED");
        store.delete(8..);
        pass(&mut store, 10).await;
        assert_eq!(store.run(7).unwrap().get("usageTotalUsd"), None);
        assert_eq!(store.len(), 8);
    }
}
