//! The form in which a cursor is stored.

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::undated::Undated;
use super::{Cursor, OpenRun, Origin, Recent};
use crate::decode::excerpt;
use crate::emit::{Emit, Open};
use crate::error::Error;
use crate::query::RunQuery;
use crate::run::Id;
use crate::timestamp;
use crate::walk::{Direction, Side};

/// The version of the form below. A change that older versions of the crate would misread
/// needs another.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<RunQuery>,
    #[serde(default)]
    emit: Emit,
    rows: u64,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    watermark: Option<DateTime<Utc>>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    complete_from: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recent: Vec<StoredRecent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    undated: Vec<StoredUndated>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<StoredOpen>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecent {
    id: Id,
    #[serde(with = "timestamp::required")]
    started: DateTime<Utc>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    finished: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredUndated {
    id: Id,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    finished: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredOpen {
    id: Id,
    #[serde(with = "timestamp::required")]
    started: DateTime<Utc>,
    handed_out: bool,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    finished_before: Option<DateTime<Utc>>,
    #[serde(
        default,
        with = "timestamp::optional",
        skip_serializing_if = "Option::is_none"
    )]
    missing_since: Option<DateTime<Utc>>,
    /// Earlier versions of the crate did not note since when: it does not count.
    #[serde(default, rename = "missing", skip_serializing)]
    _missing: bool,
}

impl Form {
    /// The same cursor always has the same form.
    pub(super) fn of(cursor: &Cursor) -> Self {
        let mut recent: Vec<_> = cursor.recent.iter().map(StoredRecent::of).collect();
        recent
            .sort_unstable_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
        let undated = cursor.undated.by_age().map(StoredUndated::of).collect();
        let mut open: Vec<_> = cursor.open.iter().map(StoredOpen::of).collect();
        open.sort_unstable_by(|one, other| (one.started, &one.id).cmp(&(other.started, &other.id)));
        Self {
            version: VERSION,
            query: cursor.walk.as_ref().map(|walk| walk.query.clone()),
            emit: cursor
                .walk
                .as_ref()
                .map_or(Emit::default(), |walk| walk.emit),
            rows: cursor.rows,
            watermark: cursor.watermark,
            complete_from: cursor.complete_from,
            recent,
            undated,
            open,
        }
    }

    fn into_cursor(self) -> Cursor {
        let emit = self.emit;
        let recent = self.recent.into_iter().map(|run| {
            let recent = Recent {
                start: run.started,
                finished_at: run.finished,
            };
            (run.id, recent)
        });
        let open = self.open.into_iter().map(|run| {
            let open = Open {
                handed_out: run.handed_out,
                finished_before: run.finished_before,
                missing_since: run.missing_since,
            };
            let start = run.started;
            (run.id, OpenRun { start, open })
        });
        let mut undated = Undated::default();
        for run in self.undated {
            undated.insert(run.id, run.finished);
        }
        Cursor {
            walk: self.query.map(|query| Origin { query, emit }),
            rows: self.rows,
            watermark: self.watermark,
            complete_from: self.complete_from,
            recent: recent.collect(),
            undated,
            open: open.collect(),
        }
    }
}

/// Finds what no walk can have written.
fn check(cursor: &Cursor) -> Result<(), String> {
    let Some(Origin { query, .. }) = &cursor.walk else {
        let damage = "it has come somewhere, but has no query";
        let is_start = *cursor == Cursor::default();
        return is_start.then_some(()).ok_or_else(|| damage.into());
    };
    query.validate().map_err(|error| error.to_string())?;
    // With the query's offset, which is as large at most, there is room for a page behind it.
    if cursor.rows > u64::MAX / 4 {
        return Err(format!("no walk has handed out {} rows", cursor.rows));
    }
    let direction = Direction::new(query.descending);
    if let Some(from) = cursor.complete_from
        && cursor
            .watermark
            .is_none_or(|mark| direction.side(from, mark) == Side::Beyond)
    {
        // A walk would begin there, and lose what lies between.
        return Err("it says to begin beyond its watermark".into());
    }
    let recent = cursor.recent.iter().map(|(id, run)| (id, run.start));
    for (id, start) in recent.chain(cursor.open()) {
        let Some(watermark) = cursor.watermark else {
            return Err(format!("it holds run {id}, but no watermark"));
        };
        if direction.side(start, watermark) == Side::Beyond {
            return Err(format!("run {id} lies beyond its watermark"));
        }
    }
    Ok(())
}

impl StoredRecent {
    fn of((id, run): (&Id, &Recent)) -> Self {
        Self {
            id: id.clone(),
            started: run.start,
            finished: run.finished_at,
        }
    }
}

impl StoredUndated {
    fn of((id, finished): &(Id, Option<DateTime<Utc>>)) -> Self {
        Self {
            id: id.clone(),
            finished: *finished,
        }
    }
}

impl StoredOpen {
    fn of((id, run): (&Id, &OpenRun)) -> Self {
        Self {
            id: id.clone(),
            started: run.start,
            handed_out: run.open.handed_out,
            finished_before: run.open.finished_before,
            missing_since: run.open.missing_since,
            _missing: false,
        }
    }
}

/// Reads a cursor. The version is looked at first: of another one nothing else is known.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let damaged = |reason: &dyn std::fmt::Display| {
        de::Error::custom(format_args!(
            "the cursor is damaged: {}",
            excerpt(&reason.to_string())
        ))
    };
    match value.get("version").map(Value::as_u64) {
        Some(Some(VERSION)) => {}
        Some(Some(version)) => {
            return Err(de::Error::custom(format_args!(
                "the cursor is of version {version}, and this version of the crate knows only {VERSION}"
            )));
        }
        _ => return Err(damaged(&"it has no version")),
    }
    let form: Form = serde_json::from_value(value).map_err(|error| damaged(&error))?;
    let cursor = form.into_cursor();
    check(&cursor).map_err(|reason| damaged(&reason))?;
    Ok(cursor)
}

/// The error for a text that is no cursor.
pub(super) fn unreadable(text: &str, error: &serde_json::Error) -> Error {
    let shown = excerpt(text);
    Error::config("cursor", format!("{shown:?}"), &excerpt(&error.to_string()))
}
