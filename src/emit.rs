//! When a run is handed out.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::run::RunSummary;

/// How long after its finish a run's `usageTotalUsd` may still change.
const SETTLING: TimeDelta = TimeDelta::seconds(10);

/// When a walk hands a run out, and how often: [`Runs::emit`](crate::Runs::emit).
///
/// A row of a run that is not [finished](RunSummary::is_finished) is a snapshot: it will
/// change later, at its old place in the list. `Finished` and `Changes` remember such runs
/// in the [`Cursor`](crate::Cursor) and read them again: before and after a walk, and on each
/// poll of one that [follows](crate::Runs::follow) the list.
///
/// A run counts as finished ten seconds after its `finishedAt`, by the service's own clock (the
/// answer's `Date`; if there is none, by this machine's): only then has its cost settled. There
/// is nothing to wait for, and it counts at once, if it has a finished status and no `finishedAt`,
/// or one that is more than ten seconds ahead of that clock.
///
/// ```
/// use apify_runs::Emit;
///
/// assert_eq!(Emit::default(), Emit::Snapshot);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Emit {
    /// Each run once, as it is when the walk comes to it. The default.
    #[default]
    Snapshot,
    /// Each run once, when it has finished. Runs that have not by the end of the walk are in
    /// the cursor: a walk that resumes from it hands them out when they have.
    ///
    /// A run that is resurrected inside the lookback comes again when it finishes again.
    Finished,
    /// Each run when the walk comes to it, and once more when it has finished, unless it had
    /// before. One that finished less than ten seconds before comes now, and again when its
    /// cost has settled.
    ///
    /// A run that is resurrected inside the lookback comes again when it finishes again.
    Changes,
}

/// What a walk knows of a run before it sees a row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing.
    New,
    /// It is to be read again.
    Open(Open),
    /// It was dealt with for good, and had this finish then.
    Closed { finished_at: Option<DateTime<Utc>> },
}

/// What is known of a run that is to be read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// Whether it has been handed out.
    pub(crate) handed_out: bool,
    /// The finish that it was handed out with before it was resurrected.
    pub(crate) finished_before: Option<DateTime<Utc>>,
    /// Whether it was not there when it was last looked for. One answer may be out of date.
    pub(crate) is_missing: bool,
}

/// What to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) hand_out: bool,
    /// What is to be known of the run from now on, if it is to be read again.
    pub(crate) open: Option<Open>,
}

impl Emit {
    /// Decides about a row. `is_wanted` is whether the query's filter lets it through,
    /// `answered_at` the service's clock when it sent the row.
    pub(crate) fn judge(
        self,
        run: &RunSummary,
        known: Known,
        is_wanted: bool,
        answered_at: Option<DateTime<Utc>>,
    ) -> Verdict {
        match self {
            Self::Snapshot => judge_snapshot(run, known, is_wanted),
            Self::Finished | Self::Changes => {
                self.judge_changes(run, known, is_wanted, answered_at)
            }
        }
    }

    fn judge_changes(
        self,
        run: &RunSummary,
        known: Known,
        is_wanted: bool,
        answered_at: Option<DateTime<Utc>>,
    ) -> Verdict {
        let before = match known {
            Known::New => Open::default(),
            Known::Open(open) => open,
            Known::Closed { finished_at }
                if run.is_finished() && finished_at == run.finished_at =>
            {
                return Verdict::PASS;
            }
            // It was resurrected, and may even have finished again since.
            Known::Closed { finished_at } => Open {
                handed_out: true,
                finished_before: finished_at,
                is_missing: false,
            },
        };
        if run.is_finished() && has_settled(run, answered_at) {
            // An answer from before it was resurrected is no second finish.
            let is_old =
                before.finished_before.is_some() && before.finished_before == run.finished_at;
            return Verdict {
                hand_out: is_wanted && !is_old,
                open: None,
            };
        }
        let hand_out = self == Self::Changes && is_wanted && !before.handed_out;
        Verdict {
            hand_out,
            open: Some(Open {
                handed_out: before.handed_out || hand_out,
                is_missing: false,
                ..before
            }),
        }
    }
}

impl Verdict {
    /// Nothing is to be done: the run was dealt with before.
    const PASS: Self = Self {
        hand_out: false,
        open: None,
    };
}

/// A run that the filter does not let through yet is read again until it does, or until it
/// has finished without.
fn judge_snapshot(run: &RunSummary, known: Known, is_wanted: bool) -> Verdict {
    let is_open = !is_wanted && !run.is_finished();
    match known {
        Known::Closed { .. } => Verdict::PASS,
        Known::New | Known::Open(_) => Verdict {
            hand_out: is_wanted,
            open: is_open.then(Open::default),
        },
    }
}

fn has_settled(run: &RunSummary, answered_at: Option<DateTime<Utc>>) -> bool {
    let (Some(finished_at), Some(answered_at)) = (run.finished_at, answered_at) else {
        return true;
    };
    let age = answered_at - finished_at;
    // A finish far ahead of the service's own clock is nothing to wait for.
    age >= SETTLING || age < -SETTLING
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NEW: Known = Known::New;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn run(status: &str, finished: Option<i64>) -> RunSummary {
        let finished = finished.and_then(at);
        serde_json::from_value(json!({"id": "a", "status": status, "finishedAt": finished}))
            .unwrap()
    }

    fn open(handed_out: bool) -> Option<Open> {
        Some(Open {
            handed_out,
            ..Open::default()
        })
    }

    /// What becomes of a wanted row that the service sends at second 100.
    fn verdict(emit: Emit, run: &RunSummary, known: Known) -> (bool, Option<Open>) {
        let verdict = emit.judge(run, known, true, at(100));
        (verdict.hand_out, verdict.open)
    }

    #[test]
    fn a_run_counts_as_finished_when_its_cost_has_settled() {
        let settled = run("SUCCEEDED", Some(90));
        let settling = run("SUCCEEDED", Some(91));
        for emit in [Emit::Finished, Emit::Changes] {
            assert_eq!(verdict(emit, &settled, NEW), (true, None));
            let is_handed_out = emit == Emit::Changes;
            assert_eq!(
                verdict(emit, &settling, NEW),
                (is_handed_out, open(is_handed_out))
            );
        }
        let by_a_wrong_clock = run("SUCCEEDED", Some(5000));
        assert_eq!(
            verdict(Emit::Finished, &by_a_wrong_clock, NEW),
            (true, None)
        );
        let without_an_end = run("FAILED", None);
        assert_eq!(verdict(Emit::Finished, &without_an_end, NEW), (true, None));
    }

    #[test]
    fn changes_hands_out_the_first_sight_and_the_finish_and_nothing_between() {
        let ready = run("READY", None);
        let (hand_out, now_open) = verdict(Emit::Changes, &ready, NEW);
        assert_eq!((hand_out, now_open), (true, open(true)));
        let known = Known::Open(now_open.unwrap());
        assert_eq!(
            verdict(Emit::Changes, &run("RUNNING", None), known),
            (false, open(true))
        );
        assert_eq!(
            verdict(Emit::Changes, &run("FAILED", Some(0)), known),
            (true, None)
        );
    }

    #[test]
    fn a_resurrected_run_comes_again_when_it_finishes_again() {
        let closed = Known::Closed {
            finished_at: at(10),
        };
        let same = run("SUCCEEDED", Some(10));
        assert_eq!(verdict(Emit::Finished, &same, closed), (false, None));

        let (hand_out, again) = verdict(Emit::Finished, &run("RUNNING", None), closed);
        assert!(!hand_out);
        let again = Known::Open(again.unwrap());
        assert_eq!(
            verdict(Emit::Finished, &same, again),
            (false, None),
            "the answer is from before it was resurrected"
        );
        assert_eq!(
            verdict(Emit::Finished, &run("SUCCEEDED", Some(50)), again),
            (true, None)
        );
        assert_eq!(
            verdict(Emit::Finished, &run("SUCCEEDED", Some(50)), closed),
            (true, None),
            "it finished again before anybody saw it running"
        );
        assert_eq!(
            verdict(Emit::Snapshot, &run("RUNNING", None), closed),
            (false, None)
        );
    }

    #[test]
    fn what_a_filter_keeps_back_is_read_again_until_it_has_finished() {
        let judge = |emit: Emit, run: &RunSummary| emit.judge(run, NEW, false, at(100));
        for emit in [Emit::Snapshot, Emit::Finished, Emit::Changes] {
            let running = judge(emit, &run("RUNNING", None));
            assert_eq!((running.hand_out, running.open), (false, open(false)));
            assert_eq!(judge(emit, &run("FAILED", Some(0))), Verdict::PASS);
            let known = Known::Open(running.open.unwrap());
            assert_eq!(
                verdict(emit, &run("SUCCEEDED", Some(0)), known),
                (true, None)
            );
        }
    }
}
