//! What an export says when it ends.

use apify_runs::export::Summary;
use indicatif::{BinaryBytes, HumanCount};
use serde_json::{Value, json};

use crate::counts::{counted, lasted, retries};
use crate::times::shown;

/// For a person: what, how many, how fast, and then only what is unusual, unless `all` is wanted.
pub(crate) fn lines(summary: &Summary, name: &str, all: bool) -> String {
    let stats = &summary.stats;
    let state = match summary.interrupted {
        true => "interrupted:",
        false => "complete:",
    };
    let runs = counted(summary.output_rows, "run");
    let mut lines = vec![format!("{state} {runs} in {name}")];
    let new = match summary.rows == summary.output_rows {
        true => String::new(),
        false => format!("{} new; ", HumanCount(summary.rows)),
    };
    let seconds = summary.elapsed.as_secs_f64();
    lines.push(match (summary.first_started_at, summary.last_started_at) {
        (Some(first), Some(last)) => {
            format!("{new}they started from {} to {}", shown(first), shown(last))
        }
        _ => format!("{new}none of them says when it started"),
    });
    lines.push(format!(
        "{} in {}: {}/s, by {}",
        BinaryBytes(summary.bytes),
        lasted(summary.elapsed),
        counted((summary.rows as f64 / seconds.max(1e-9)) as u64, "run"),
        counted(stats.requests, "request"),
    ));
    if summary.output_rows == 0 {
        lines.remove(1);
    }
    lines.extend(news(summary, all));
    lines.join("\n  ")
}

/// What is not as usual, one line each.
fn news(summary: &Summary, all: bool) -> impl Iterator<Item = String> {
    let stats = &summary.stats;
    let frozen = frozen(summary.frozen_rows);
    let distinct = match summary.distinct_ids {
        Some(ids) => format!(
            "{} with {}",
            counted(summary.rows, "row"),
            counted(ids, "distinct ID")
        ),
        None => "the IDs were too many to compare: see verify".into(),
    };
    let number = |total: Option<u64>| match total {
        Some(total) => HumanCount(total).to_string(),
        None => "not counted".into(),
    };
    let (before, after) = (summary.total_before, summary.total_after);
    let on_list = format!(
        "runs on the list: {} before, {} after",
        number(before),
        number(after)
    );
    let moved = before.is_some() && after.is_some() && before != after;
    let times = match stats.drifts {
        1 => "once".into(),
        drifts => format!("{} times", HumanCount(drifts)),
    };
    let lines = [
        (summary.frozen_rows > 0, frozen),
        (
            summary.distinct_ids.is_none_or(|ids| ids < summary.rows),
            distinct,
        ),
        (moved, on_list),
        (
            stats.drifts > 0,
            format!("the list moved {times} while it was read"),
        ),
        (
            stats.late > 0,
            format!("{} appeared late", counted(stats.late, "run")),
        ),
        (stats.unfinished > 0, read_again(stats.unfinished)),
        (
            stats.vanished > 0,
            format!(
                "{} left the list before finishing",
                counted(stats.vanished, "run")
            ),
        ),
        (stats.retries > 0, retries(stats.retries)),
    ];
    let received = format!("received: {}", BinaryBytes(stats.bytes));
    let lines = lines.into_iter().chain([(false, received)]);
    lines
        .filter(move |(is_unusual, _)| all || *is_unusual)
        .map(|(_, line)| line)
}

/// How many runs the next start reads again.
fn read_again(runs: u64) -> String {
    match runs {
        0 => "no run will be read again".into(),
        1 => "1 run will be read again until it has finished".into(),
        runs => format!(
            "{} runs will be read again until they have finished",
            HumanCount(runs)
        ),
    }
}

/// What happens to runs that had not finished, and which flag changes that.
pub(crate) fn frozen(rows: u64) -> String {
    let runs = counted(rows, "run");
    format!(
        "{runs} had not finished and will not be updated: --emit changes updates them, --emit \
         finished waits for the end"
    )
}

/// For a program.
pub(crate) fn fields(summary: &Summary, name: &str) -> Value {
    let stats = &summary.stats;
    json!({
        "output": name,
        "interrupted": summary.interrupted,
        "rows": summary.rows,
        "output_rows": summary.output_rows,
        "distinct_ids": summary.distinct_ids,
        "skipped": summary.skipped,
        "frozen_rows": summary.frozen_rows,
        "first_started_at": summary.first_started_at.map(|time| time.to_rfc3339()),
        "last_started_at": summary.last_started_at.map(|time| time.to_rfc3339()),
        "total_before": summary.total_before,
        "total_after": summary.total_after,
        "drifts": stats.drifts,
        "late": stats.late,
        "vanished": stats.vanished,
        "unfinished": stats.unfinished,
        "requests": stats.requests,
        "retries": stats.retries,
        "bytes_received": stats.bytes,
        "bytes_written": summary.bytes,
        "seconds": summary.elapsed.as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_are_read_again_are_counted_in_a_whole_sentence() {
        for (runs, expected) in [
            (0, "no run will be read again"),
            (1, "1 run will be read again until it has finished"),
            (
                2000,
                "2,000 runs will be read again until they have finished",
            ),
        ] {
            assert_eq!(read_again(runs), expected);
        }
    }
}
