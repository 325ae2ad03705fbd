//! How a generated run is made: all of it from its number, whenever it is asked for.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::timestamp;

/// 2025-01-01T00:00:00Z, when the first generated run starts.
const EPOCH_MILLIS: i64 = 1_735_689_600_000;
/// Generated runs start this far apart on average.
const STEP_MILLIS: i64 = 7_000;
/// How many of the last generated runs are not finished.
const UNFINISHED: u64 = 5;

/// A list of generated runs, in ascending order of their start. No two start at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct GeneratedRuns {
    pub(super) length: u64,
    pub(super) seed: u64,
}

impl GeneratedRuns {
    pub(super) fn started_at(self, number: u64) -> DateTime<Utc> {
        let within_step = (noise(self.seed, number, 1) % STEP_MILLIS as u64) as i64;
        let millis = EPOCH_MILLIS + number as i64 * STEP_MILLIS + within_step;
        DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    pub(super) fn status(self, number: u64) -> &'static str {
        if number + 1 == self.length {
            return "READY";
        }
        if number + UNFINISHED >= self.length {
            return "RUNNING";
        }
        match noise(self.seed, number, 2) % 100 {
            0..90 => "SUCCEEDED",
            90..95 => "FAILED",
            95..98 => "ABORTED",
            _ => "TIMED-OUT",
        }
    }

    pub(super) fn has_id(self, number: u64, id: &str) -> bool {
        id.chars().eq(id_characters(self.seed, number, 10))
    }

    pub(super) fn render(self, number: u64, json: &mut String) {
        let status = self.status(number);
        let started_at = self.started_at(number);
        let duration = TimeDelta::milliseconds((noise(self.seed, number, 4) % 600_000) as i64);
        let is_finished = !matches!(status, "READY" | "RUNNING");
        json.push_str(r#"{"id":""#);
        json.extend(id_characters(self.seed, number, 10));
        json.push('"');
        let finished_at = is_finished.then(|| started_at + duration);
        render_after_id(self.seed, number, (status, started_at, finished_at), json);
    }
}

/// A run that has just started, as JSON: what is not given is made from seed and number.
pub(super) fn running(seed: u64, number: u64, id: &str, started_at: DateTime<Utc>) -> String {
    let mut json = format!(r#"{{"id":{}"#, Value::from(id));
    render_after_id(seed, number, ("RUNNING", started_at, None), &mut json);
    json
}

/// The fields of a run behind its ID: status, start and end as given, the others made.
fn render_after_id(
    seed: u64,
    number: u64,
    (status, started_at, finished_at): (&str, DateTime<Utc>, Option<DateTime<Utc>>),
    json: &mut String,
) {
    const ORIGINS: [&str; 5] = ["API", "SCHEDULER", "WEB", "ACTOR", "MCP"];
    let noise = |purpose| noise(seed, number, purpose);
    let mut id_field = |name: &str, of: u64, purpose: u64| {
        json.push_str(name);
        json.extend(id_characters(seed, of, purpose));
    };
    id_field(r#","actId":""#, 0, 11);
    id_field(r#"","userId":""#, 0, 12);
    if noise(3).is_multiple_of(4) {
        id_field(r#"","actorTaskId":""#, noise(3) % 50, 13);
        json.push('"');
    } else {
        json.push_str(r#"","actorTaskId":null"#);
    }
    let start = timestamp::to_query(started_at);
    let _ = write!(json, r#","status":"{status}","startedAt":"{start}""#);
    if let Some(end) = finished_at.map(timestamp::to_query) {
        let _ = write!(json, r#","finishedAt":"{end}""#);
    }
    json.push_str(r#","buildId":""#);
    // Counted from 1, as Apify does: its Python client takes no other.
    let build = 1 + number / 1000;
    json.extend(id_characters(seed, build, 14));
    let origin = ORIGINS[(noise(5) % 5) as usize];
    let usd = (noise(6) % 100_000) as f64 / 100_000.0;
    let _ = write!(
        json,
        r#"","buildNumber":"0.0.{build}","buildNumberInt":{build},"meta":{{"origin":"{origin}"}},"usageTotalUsd":{usd}"#,
    );
    let mut id_field = |name: &str, purpose: u64| {
        json.push_str(name);
        json.extend(id_characters(seed, number, purpose));
    };
    id_field(r#","defaultKeyValueStoreId":""#, 15);
    id_field(r#"","defaultDatasetId":""#, 16);
    id_field(r#"","defaultRequestQueueId":""#, 17);
    json.push_str("\"}");
}

/// A number that looks random but is always the same for the same three (SplitMix64).
pub(super) fn noise(seed: u64, index: u64, purpose: u64) -> u64 {
    let mut bits = seed
        .wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(purpose.wrapping_mul(0xd1b5_4a32_d192_ed03));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// 17 letters and digits, as Apify's IDs have.
fn id_characters(seed: u64, index: u64, purpose: u64) -> impl Iterator<Item = char> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digits = move |part: u64, length: usize| {
        let mut bits = noise(seed, index, purpose * 2 + part + 100);
        (0..length).map(move |_| {
            let digit = DIGITS[(bits % 62) as usize];
            bits /= 62;
            char::from(digit)
        })
    };
    digits(0, 9).chain(digits(1, 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_starts_has_the_shape_of_the_others() {
        let runs = GeneratedRuns { length: 9, seed: 3 };
        let keys = |json: &str| -> Vec<String> {
            let run: Value = serde_json::from_str(json).unwrap();
            run.as_object().unwrap().keys().cloned().collect()
        };
        let mut unfinished = String::new();
        runs.render(7, &mut unfinished);
        let started = running(3, 9, "say \"id\"", runs.started_at(8));
        assert_eq!(keys(&started), keys(&unfinished));
        let started: Value = serde_json::from_str(&started).unwrap();
        assert_eq!(started["id"], "say \"id\"");
        assert_eq!(started["status"], "RUNNING");
    }
}
