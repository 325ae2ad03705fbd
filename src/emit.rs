//! When a run is returned.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::run::RunSummary;

/// When a walk returns a run, and how often: [`Runs::emit`](crate::Runs::emit).
///
/// A row of a run that is not [finished](RunSummary::is_finished) is a snapshot: the row will
/// change later, at its old position in the list. `Finished` and `Changes` remember such runs
/// in the [`Cursor`](crate::Cursor) and read them again: before and after a walk, and on each
/// poll of one that [follows](crate::Runs::follow) the list.
///
/// The cost of a run settles about ten seconds after its finish, and a run counts as finished only
/// then: when the walk has seen it finished for ten seconds, or when its `finishedAt` is a minute
/// ago by every available clock. These are this machine's clock and the `Date` of the response, or
/// the newest time on the list if there is no `Date`. A run with a finished status and no
/// `finishedAt` counts as finished at once.
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
    /// Each run once, as it is when the walk reaches it. The default.
    #[default]
    Snapshot,
    /// Each run once, when it has finished. The cursor remembers the runs that have not finished
    /// by the end of the walk: a walk that resumes from it returns them when they have.
    ///
    /// A run that is resurrected inside the lookback is returned again when it finishes again.
    Finished,
    /// Each run when the walk reaches it, and again when it has finished, if it had not. A run
    /// whose cost has not settled is returned when the walk reaches it, and again when the cost
    /// has settled.
    ///
    /// A run that is resurrected inside the lookback is returned again when it finishes again.
    Changes,
}

/// What a walk knows of a run before it sees a row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeenState {
    /// Nothing.
    New,
    /// It is to be read again.
    Open(Open),
    /// It was processed, and had this finish then.
    Closed { finished_at: Option<DateTime<Utc>> },
}

/// What is known of a run that is to be read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// Whether it has been returned.
    pub(crate) handed_out: bool,
    /// The finish that it was returned with before it was resurrected.
    pub(crate) finished_before: Option<DateTime<Utc>>,
    /// Since when it has been missing from the list. A single response may be out of date.
    pub(crate) missing_since: Option<DateTime<Utc>>,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) hand_out: bool,
    /// What to remember of the run, if it is to be read again.
    pub(crate) open: Option<Open>,
}

impl Emit {
    /// Decides what happens to a row. `seen` is what is known of the run, `is_wanted` whether the
    /// row passes the query's filter, and `has_settled` whether the cost of a finished run no
    /// longer changes.
    pub(crate) fn judge(
        self,
        run: &RunSummary,
        seen: SeenState,
        is_wanted: bool,
        has_settled: impl FnOnce() -> bool,
    ) -> Verdict {
        match self {
            Self::Snapshot => judge_snapshot(run, seen, is_wanted),
            Self::Finished | Self::Changes => self.judge_changes(run, seen, is_wanted, has_settled),
        }
    }

    fn judge_changes(
        self,
        run: &RunSummary,
        seen: SeenState,
        is_wanted: bool,
        has_settled: impl FnOnce() -> bool,
    ) -> Verdict {
        let before = match seen {
            SeenState::New => Open::default(),
            SeenState::Open(open) => open,
            SeenState::Closed { finished_at }
                if run.is_finished() && finished_at == run.finished_at =>
            {
                return Verdict::IGNORE;
            }
            // It was resurrected, and may even have finished again since.
            SeenState::Closed { finished_at } => Open {
                handed_out: true,
                finished_before: finished_at,
                missing_since: None,
            },
        };
        if run.is_finished() && has_settled() {
            // A response from before it was resurrected is no second finish.
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
                missing_since: None,
                ..before
            }),
        }
    }
}

impl Verdict {
    /// Nothing: the run was processed before.
    const IGNORE: Self = Self {
        hand_out: false,
        open: None,
    };
}

/// A run that does not pass the filter yet is read again until it does, or until it has finished.
fn judge_snapshot(run: &RunSummary, seen: SeenState, is_wanted: bool) -> Verdict {
    let is_open = !is_wanted && !run.is_finished();
    match seen {
        SeenState::Closed { .. } => Verdict::IGNORE,
        SeenState::New | SeenState::Open(_) => Verdict {
            hand_out: is_wanted,
            open: is_open.then(Open::default),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NEW: SeenState = SeenState::New;

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

    /// What becomes of a wanted row whose cost has settled.
    fn verdict(emit: Emit, run: &RunSummary, known: SeenState) -> (bool, Option<Open>) {
        let verdict = emit.judge(run, known, true, || true);
        (verdict.hand_out, verdict.open)
    }

    #[test]
    fn a_run_counts_as_finished_when_its_cost_has_settled() {
        let finished = run("SUCCEEDED", Some(90));
        for emit in [Emit::Finished, Emit::Changes] {
            assert_eq!(verdict(emit, &finished, NEW), (true, None));
            let settling = emit.judge(&finished, NEW, true, || false);
            let is_handed_out = emit == Emit::Changes;
            assert_eq!(
                (settling.hand_out, settling.open),
                (is_handed_out, open(is_handed_out))
            );
        }
    }

    #[test]
    fn changes_hands_out_the_first_sight_and_the_finish_and_nothing_between() {
        let ready = run("READY", None);
        let (hand_out, now_open) = verdict(Emit::Changes, &ready, NEW);
        assert_eq!((hand_out, now_open), (true, open(true)));
        let known = SeenState::Open(now_open.unwrap());
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
        let closed = SeenState::Closed {
            finished_at: at(10),
        };
        let same = run("SUCCEEDED", Some(10));
        assert_eq!(verdict(Emit::Finished, &same, closed), (false, None));

        let (hand_out, again) = verdict(Emit::Finished, &run("RUNNING", None), closed);
        assert!(!hand_out);
        let again = SeenState::Open(again.unwrap());
        assert_eq!(
            verdict(Emit::Finished, &same, again),
            (false, None),
            "the response is from before it was resurrected"
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
        let judge = |emit: Emit, run: &RunSummary| emit.judge(run, NEW, false, || true);
        for emit in [Emit::Snapshot, Emit::Finished, Emit::Changes] {
            let running = judge(emit, &run("RUNNING", None));
            assert_eq!((running.hand_out, running.open), (false, open(false)));
            assert_eq!(judge(emit, &run("FAILED", Some(0))), Verdict::IGNORE);
            let known = SeenState::Open(running.open.unwrap());
            assert_eq!(
                verdict(emit, &run("SUCCEEDED", Some(0)), known),
                (true, None)
            );
        }
    }
}
