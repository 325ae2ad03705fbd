//! What an export says when it ends.

use apify_runs::export::Summary;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// For a person: what it takes to see that nothing is missing.
pub(crate) fn lines(summary: &Summary, name: &str) -> String {
    let count = indicatif::HumanCount;
    let state = match summary.interrupted {
        true => "interrupted:",
        false => "complete:",
    };
    let time = |time: Option<DateTime<Utc>>| {
        let shown = time.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true));
        shown.unwrap_or_else(|| "none".into())
    };
    let stats = &summary.stats;
    let seconds = summary.elapsed.as_secs_f64();
    let ids = match summary.distinct_ids {
        Some(ids) => format!("with {} distinct ids", count(ids)),
        None => "too many to compare their ids: see verify".into(),
    };
    let before = match summary.total_before {
        Some(total) => format!("{} before", count(total)),
        None => "not counted before".into(),
    };
    let after = match summary.total_after {
        Some(total) => format!("{} after", count(total)),
        None => "not counted after".into(),
    };
    format!(
        "{state} {} runs in {name}\n\
         \x20 this time     {} runs, {ids}\n\
         \x20 they started  {} to {}\n\
         \x20 on the list   {before}, {after}\n\
         \x20 the list      moved: {}, late runs: {}, unfinished: {}, unfinished and gone: {}\n\
         \x20 requests      {}, retries: {}, received: {}\n\
         \x20 written       {} in {seconds:.2} s: {} runs/s",
        count(summary.output_rows),
        count(summary.rows),
        time(summary.first_started_at),
        time(summary.last_started_at),
        stats.drifts,
        count(stats.late),
        count(stats.unfinished),
        count(stats.vanished),
        count(stats.requests),
        count(stats.retries),
        indicatif::BinaryBytes(stats.bytes),
        indicatif::BinaryBytes(summary.bytes),
        count((summary.rows as f64 / seconds.max(1e-9)) as u64),
    )
}

/// For a program.
pub(crate) fn fields(summary: &Summary) -> Value {
    let stats = &summary.stats;
    json!({
        "interrupted": summary.interrupted,
        "rows": summary.rows,
        "output_rows": summary.output_rows,
        "distinct_ids": summary.distinct_ids,
        "skipped": summary.skipped,
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
