//! Generated runs, each made from its number when it is read.

use std::fmt::Write;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::Value;

use crate::run::{Field, Kind};
use crate::timestamp;

/// 2025-01-01T00:00:00Z, when the first generated run starts.
const EPOCH_MILLIS: i64 = 1_735_689_600_000;
/// Generated runs start this far apart on average.
const STEP_MILLIS: i64 = 7_000;
/// How many of the last generated runs are not finished.
const UNFINISHED: u64 = 5;

/// A list of generated runs, in ascending order of their start. No two start at the same time.
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

    /// The characters of a run's ID.
    pub(super) fn id(self, number: u64) -> impl Iterator<Item = char> {
        id_characters(self.seed, number, 10)
    }

    pub(super) fn render(self, number: u64, shape: Shape, json: &mut String) {
        let status = self.status(number);
        let started_at = self.started_at(number);
        let duration = TimeDelta::milliseconds((noise(self.seed, number, 4) % 600_000) as i64);
        let is_finished = !matches!(status, "READY" | "RUNNING");
        let row = GeneratedRun {
            seed: self.seed,
            number,
            id: None,
            status,
            started_at,
            finished_at: is_finished.then(|| started_at + duration),
            fields: OptionalFields::new(shape, self.seed, number),
        };
        row.render(json);
    }
}

/// A run that has just started, as JSON. Fields that are not given are made from seed and number.
///
/// It has a usage in any shape, which settles when the run has finished.
pub(super) fn running(
    seed: u64,
    number: u64,
    shape: Shape,
    id: &str,
    started_at: DateTime<Utc>,
) -> String {
    let mut json = String::new();
    let row = GeneratedRun {
        seed,
        number,
        id: Some(id),
        status: "RUNNING",
        started_at,
        finished_at: None,
        fields: OptionalFields {
            usage: true,
            ..OptionalFields::new(shape, seed, number)
        },
    };
    row.render(&mut json);
    json
}

/// The ID of the Actor that generated runs belong to.
pub(super) fn actor_id(seed: u64) -> String {
    id_characters(seed, 0, 11).collect()
}

/// The ID of the user that generated runs belong to.
pub(super) fn user_id(seed: u64) -> String {
    id_characters(seed, 0, 12).collect()
}

/// Which fields generated rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Shape {
    /// Some rows lack fields, and some have fields that the reference does not list.
    #[default]
    Untidy,
    /// All rows have the fields that the reference requires, and no others.
    Complete,
}

/// A generated run.
struct GeneratedRun<'a> {
    seed: u64,
    number: u64,
    /// Its ID, if that is not made from seed and number.
    id: Option<&'a str>,
    status: &'static str,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    fields: OptionalFields,
}

/// Which fields one row has, of those that not every row has.
struct OptionalFields {
    user_id: bool,
    build_number: bool,
    usage: bool,
    origin: &'static str,
    /// The fields of `meta` that go with the origin.
    details: bool,
    // The reference does not list these for rows.
    options: bool,
    exit_code: bool,
    general_access: bool,
}

impl OptionalFields {
    fn new(shape: Shape, seed: u64, number: u64) -> Self {
        match shape {
            Shape::Untidy => Self::untidy(seed, number),
            Shape::Complete => Self::complete(seed, number),
        }
    }

    fn complete(seed: u64, number: u64) -> Self {
        const ORIGINS: [&str; 5] = ["API", "SCHEDULER", "WEB", "ACTOR", "MCP"];
        Self {
            user_id: true,
            build_number: true,
            usage: true,
            origin: ORIGINS[(noise(seed, number, 5) % 5) as usize],
            details: false,
            options: false,
            exit_code: false,
            general_access: false,
        }
    }

    fn untidy(seed: u64, number: u64) -> Self {
        const ORIGINS: [&str; 11] = [
            "DEVELOPMENT",
            "WEB",
            "API",
            "SCHEDULER",
            "TEST",
            "WEBHOOK",
            "ACTOR",
            "CLI",
            "STANDBY",
            "CI",
            "MCP",
        ];
        let noise = |purpose| noise(seed, number, purpose);
        // One row in four has some of three fields, and at least one.
        let unknown = match noise(23) {
            bits if bits.is_multiple_of(4) => 1 + (bits >> 32) % 7,
            _ => 0,
        };
        Self {
            user_id: !noise(20).is_multiple_of(10),
            build_number: !noise(21).is_multiple_of(50),
            usage: !noise(22).is_multiple_of(20),
            origin: ORIGINS[(noise(5) % 11) as usize],
            details: true,
            options: unknown & 1 != 0,
            exit_code: unknown & 2 != 0,
            general_access: unknown & 4 != 0,
        }
    }
}

/// The value of a field of a generated row.
enum Scalar<'a> {
    Null,
    /// The ID of this index and purpose.
    Id(u64, u64),
    /// A text without characters that JSON escapes.
    Text(&'a str),
    Time(DateTime<Utc>),
    Integer(u64),
    Number(f64),
    /// Any other value, as JSON.
    Json(String),
}

impl GeneratedRun<'_> {
    fn render(&self, json: &mut String) {
        json.push('{');
        for &field in Field::ROW {
            match field {
                Field::Meta => self.render_meta(json),
                _ => self.push(json, field.name(), self.value(field)),
            }
            match field {
                Field::BuildNumberInt if self.fields.exit_code => {
                    self.push_unknown(json, "exitCode", "0");
                }
                Field::Meta if self.fields.options => {
                    let options = r#"{"build":"latest","memoryMbytes":1024}"#;
                    self.push_unknown(json, "options", options);
                }
                _ => {}
            }
        }
        if self.fields.general_access {
            self.push_unknown(json, "generalAccess", r#""FOLLOW_USER_SETTING""#);
        }
        json.push('}');
    }

    /// How the run was started.
    fn render_meta(&self, json: &mut String) {
        json.push_str(r#","meta":{"#);
        for &field in Field::META {
            let value = match field {
                Field::Origin => Some(Scalar::Text(self.fields.origin)),
                _ if self.fields.details => self.detail(field),
                _ => None,
            };
            self.push(json, field.name(), value);
        }
        json.push('}');
    }

    /// The value of a field. `None` if the row lacks it.
    fn value(&self, field: Field) -> Option<Scalar<'_>> {
        use Scalar::{Id, Integer, Json, Null, Number, Text, Time};
        let (number, fields) = (self.number, &self.fields);
        // Counted from 1, as Apify does: its Python client takes no other.
        let build = 1 + number / 1000;
        Some(match field {
            Field::Id => match self.id {
                Some(id) => Json(Value::from(id).to_string()),
                None => Id(number, 10),
            },
            Field::ActId => Id(0, 11),
            Field::UserId => return fields.user_id.then_some(Id(0, 12)),
            Field::ActorTaskId if self.noise(3).is_multiple_of(4) => Id(self.noise(3) % 50, 13),
            Field::ActorTaskId => Null,
            Field::Status => Text(self.status),
            Field::StartedAt => Time(self.started_at),
            Field::FinishedAt => Time(self.finished_at?),
            Field::BuildId => Id(build, 14),
            Field::BuildNumber if fields.build_number => Json(format!(r#""0.0.{build}""#)),
            Field::BuildNumber => Null,
            Field::BuildNumberInt => Integer(build),
            Field::UsageTotalUsd => {
                let usd = (self.noise(6) % 100_000) as f64 / 100_000.0;
                return fields.usage.then_some(Number(usd));
            }
            Field::DefaultKeyValueStoreId => Id(number, 15),
            Field::DefaultDatasetId => Id(number, 16),
            Field::DefaultRequestQueueId => Id(number, 17),
            other => return self.any_value(other),
        })
    }

    /// The value of a field that goes with the origin of the run.
    fn detail(&self, field: Field) -> Option<Scalar<'_>> {
        let is_scheduled = self.fields.origin == "SCHEDULER";
        let user_agent = match self.fields.origin {
            "DEVELOPMENT" | "WEB" | "TEST" => {
                Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
            }
            "API" | "CI" => Some("ApifyClient/2.25.0 (linux; Node/v22.18.0); isAtHome/false"),
            "CLI" => Some("Apify CLI/1.1.1 (https://github.com/apify/apify-cli)"),
            "MCP" => Some("node"),
            _ => None,
        };
        match field {
            Field::ClientIp => {
                // Addresses that are kept for documentation.
                let address = || format!(r#""203.0.113.{}""#, self.noise(24) % 256);
                user_agent.map(|_| Scalar::Json(address()))
            }
            Field::UserAgent => user_agent.map(Scalar::Text),
            Field::ScheduleId => is_scheduled.then_some(Scalar::Id(self.number % 7, 18)),
            Field::ScheduledAt => {
                is_scheduled.then(|| Scalar::Time(self.started_at.trunc_subsecs(0)))
            }
            other => self.any_value(other),
        }
    }

    /// A value for a field that has no rule of its own.
    fn any_value(&self, field: Field) -> Option<Scalar<'_>> {
        let purpose = 1000 + field as u64;
        Some(match field.kind() {
            Kind::Id | Kind::Text => Scalar::Id(self.number, purpose),
            Kind::Status => Scalar::Text(self.status),
            Kind::Origin => Scalar::Text(self.fields.origin),
            Kind::Time => Scalar::Time(self.started_at),
            Kind::Integer => Scalar::Integer(self.noise(purpose) % 1000),
            Kind::Number => Scalar::Number((self.noise(purpose) % 1000) as f64 / 8.0),
            Kind::Meta => return None,
        })
    }

    /// Adds a field, unless the row lacks it.
    fn push(&self, json: &mut String, name: &str, value: Option<Scalar<'_>>) {
        let Some(value) = value else {
            return;
        };
        if !json.ends_with('{') {
            json.push(',');
        }
        // Writing to a `String` does not fail.
        let _ = write!(json, r#""{name}":"#);
        let _ = match value {
            Scalar::Null => json.write_str("null"),
            Scalar::Id(index, purpose) => {
                json.push('"');
                json.extend(id_characters(self.seed, index, purpose));
                json.write_char('"')
            }
            Scalar::Text(text) => write!(json, r#""{text}""#),
            Scalar::Time(time) => write!(json, r#""{}""#, timestamp::to_query(time)),
            Scalar::Integer(integer) => write!(json, "{integer}"),
            Scalar::Number(number) => write!(json, "{number}"),
            Scalar::Json(value) => json.write_str(&value),
        };
    }

    /// Adds a field that the API reference does not list for rows.
    fn push_unknown(&self, json: &mut String, name: &str, value: &str) {
        if Field::of_row(name).is_none() {
            self.push(json, name, Some(Scalar::Json(value.into())));
        }
    }

    fn noise(&self, purpose: u64) -> u64 {
        noise(self.seed, self.number, purpose)
    }
}

/// A pseudorandom number, always the same for the same arguments (SplitMix64).
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
    use std::collections::BTreeMap;

    use super::*;

    const RUNS: GeneratedRuns = GeneratedRuns {
        length: 20_000,
        seed: 3,
    };

    /// The first and the last of nine runs of seed 0.
    const COMPLETE: &str = concat!(
        r#"{"id":"m5koyeQI5zh0A46JE","actId":"cv9xHDykOUoJDBVMO","userId":"W1PDLQbXARiG9w0Wr""#,
        r#","actorTaskId":null,"status":"SUCCEEDED","startedAt":"2025-01-01T00:00:05.112Z""#,
        r#","finishedAt":"2025-01-01T00:02:11.581Z","buildId":"KqPVkGKVvPLLjqjvs""#,
        r#","buildNumber":"0.0.1","buildNumberInt":1,"meta":{"origin":"API"}"#,
        r#","usageTotalUsd":0.11848,"defaultKeyValueStoreId":"Z5HmfP8gwTOJxnVVQ""#,
        r#","defaultDatasetId":"xpfxH32fAZWTD7fMo","defaultRequestQueueId":"HiwEB3bvewZoCg0HG"}"#,
        r#"{"id":"LWvDy4DxyNpE1rSUo","actId":"cv9xHDykOUoJDBVMO","userId":"W1PDLQbXARiG9w0Wr""#,
        r#","actorTaskId":null,"status":"READY","startedAt":"2025-01-01T00:00:56.484Z""#,
        r#","buildId":"KqPVkGKVvPLLjqjvs","buildNumber":"0.0.1","buildNumberInt":1"#,
        r#","meta":{"origin":"MCP"},"usageTotalUsd":0.06393"#,
        r#","defaultKeyValueStoreId":"9VYh6C2OlYcpXQsR9""#,
        r#","defaultDatasetId":"vl2GsBhjJ2k4fey2L","defaultRequestQueueId":"0779iwf3v88z2mwNv"}"#,
    );

    fn row(number: u64, shape: Shape) -> Value {
        let mut json = String::new();
        RUNS.render(number, shape, &mut json);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_run_that_starts_has_the_shape_of_the_others() {
        let keys = |run: &Value| -> Vec<String> {
            let object = run.as_object().unwrap();
            object.keys().cloned().collect()
        };
        let started = |number, shape| -> Value {
            let start = RUNS.started_at(number);
            let json = running(3, number, shape, "say \"id\"", start);
            serde_json::from_str(&json).unwrap()
        };
        let run = started(20_000, Shape::Complete);
        assert_eq!(keys(&run), keys(&row(19_999, Shape::Complete)));
        assert_eq!(run["id"], "say \"id\"");
        assert_eq!(run["status"], "RUNNING");
        for number in 20_000..20_500 {
            let run = started(number, Shape::Untidy);
            assert!(run["usageTotalUsd"].is_number(), "{run}");
        }
        let without_user = (20_000..20_500).map(|number| started(number, Shape::Untidy));
        let without_user = without_user.filter(|run| run.get("userId").is_none());
        assert!((20..80).contains(&without_user.count()));
    }

    #[test]
    fn complete_rows_have_the_fields_that_they_always_had() {
        let mut json = String::new();
        let runs = GeneratedRuns { length: 9, seed: 0 };
        runs.render(0, Shape::Complete, &mut json);
        runs.render(8, Shape::Complete, &mut json);
        assert_eq!(json, COMPLETE);
    }

    #[test]
    fn untidy_rows_differ_from_complete_ones_only_in_some_fields() {
        let mut counts = BTreeMap::<&str, u64>::new();
        let mut origins = BTreeMap::<String, u64>::new();
        for number in 0..RUNS.length {
            let (untidy, complete) = (row(number, Shape::Untidy), row(number, Shape::Complete));
            let mut count = |what, is_so| *counts.entry(what).or_default() += u64::from(is_so);
            let untidy = untidy.as_object().unwrap();
            for (name, value) in complete.as_object().unwrap() {
                match (&**name, untidy.get(name)) {
                    ("userId" | "usageTotalUsd", None) => {}
                    ("buildNumber", Some(Value::Null)) => {}
                    ("meta", Some(_)) => {}
                    (_, found) => assert_eq!(found, Some(value), "{name}"),
                }
            }
            count("no user", !untidy.contains_key("userId"));
            count("no usage", !untidy.contains_key("usageTotalUsd"));
            count("no build number", untidy["buildNumber"].is_null());
            let unknown = untidy.keys().filter(|name| complete.get(name).is_none());
            let unknown = unknown.count();
            assert!(unknown <= 3);
            count("unknown", unknown > 0);
            count("all unknown", unknown == 3);
            let meta = untidy["meta"].as_object().unwrap();
            assert_eq!(
                meta.contains_key("clientIp"),
                meta.contains_key("userAgent")
            );
            let is_scheduled = meta["origin"] == "SCHEDULER";
            for name in ["scheduleId", "scheduledAt"] {
                assert_eq!(meta.contains_key(name), is_scheduled, "{meta:?}");
            }
            let origin = meta["origin"].as_str().unwrap();
            *origins.entry(origin.into()).or_default() += 1;
        }
        let near = |what, one_in: u64| {
            let (found, expected) = (counts[what], RUNS.length / one_in);
            assert!(found.abs_diff(expected) < expected / 5, "{what}: {found}");
        };
        near("no user", 10);
        near("no usage", 20);
        near("no build number", 50);
        near("unknown", 4);
        near("all unknown", 28);
        assert_eq!(origins.len(), 11, "{origins:?}");
        assert!(origins.values().all(|count| *count > 1_500), "{origins:?}");
    }
}
