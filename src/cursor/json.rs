//! The form in which a cursor is stored.

use chrono::{DateTime, Utc};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::undated::UndatedRuns;
use super::{Cursor, OpenRun, Recent, WalkIdentity};
use crate::direction::{Direction, Side};
use crate::emit::{Emit, Open};
use crate::excerpt::excerpt;
use crate::query::RunSource;
use crate::run::Id;
use crate::setting::InvalidSetting;
use crate::timestamp;

/// The version of the form below. A change that older versions of the crate would misread
/// needs another.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<RunSource>,
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
            query: cursor.walk.as_ref().map(|walk| walk.source.clone()),
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
        let mut undated = UndatedRuns::default();
        for run in self.undated {
            undated.insert(run.id, run.finished);
        }
        Cursor {
            walk: self.query.map(|source| WalkIdentity { source, emit }),
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
    let Some(WalkIdentity { source, .. }) = &cursor.walk else {
        let damage = "it has come somewhere, but has no query";
        let is_start = *cursor == Cursor::default();
        return is_start.then_some(()).ok_or_else(|| damage.into());
    };
    source.validate().map_err(|error| error.to_string())?;
    // With the query's offset, which is as large at most, there is room for a page behind it.
    if cursor.rows > u64::MAX / 4 {
        return Err(format!("no walk has handed out {} rows", cursor.rows));
    }
    let direction = Direction::new(source.query.descending);
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
pub(super) fn unreadable(text: &str, error: &serde_json::Error) -> InvalidSetting {
    let shown = excerpt(text);
    InvalidSetting::new("cursor", format!("{shown:?}"), excerpt(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TIME: &str = "2025-01-01T00:00:00.000Z";
    const LATER: &str = "2025-01-01T00:00:00.001Z";

    /// A cursor of a walk over all runs of an Actor, with these fields besides.
    fn stored(fields: Value) -> String {
        let mut form = json!({"version": 1, "query": {"scope": {"actor": "a"}}, "rows": 1});
        if let (Value::Object(form), Value::Object(fields)) = (&mut form, fields) {
            form.extend(fields);
        }
        form.to_string()
    }

    fn damage(text: &str) -> String {
        text.parse::<Cursor>().unwrap_err().to_string()
    }

    #[test]
    fn only_a_cursor_that_has_come_nowhere_needs_no_query() {
        let start: Cursor = r#"{"version":1,"rows":0}"#.parse().unwrap();
        assert_eq!(start, Cursor::default());
        assert!(damage(r#"{"version":1,"rows":9}"#).contains("has no query"));
        assert!(damage(&stored(json!({"query": {"scope": {"actor": ""}}}))).contains("actor"));
    }

    #[test]
    fn another_version_is_named_and_none_is_damage() {
        let newer = damage(r#"{"version":2,"anything":"else"}"#);
        assert!(newer.contains("version 2"), "{newer}");
        for text in ["[]", r#"{"version":"1"}"#] {
            assert!(damage(text).contains("it has no version"));
        }
        assert!(damage(r#"{"version":1,"#).contains("EOF"));
    }

    #[test]
    fn no_walk_hands_out_a_quarter_of_all_rows_there_can_be() {
        let cursor: Cursor = stored(json!({"rows": u64::MAX / 4})).parse().unwrap();
        assert_eq!(cursor.rows(), u64::MAX / 4);
        let endless = stored(json!({"rows": u64::MAX / 4 + 1}));
        assert!(damage(&endless).contains("no walk has handed out"));
    }

    #[test]
    fn a_walk_begins_no_later_than_at_its_watermark() {
        let lossy = "begin beyond its watermark";
        for (descending, before, behind) in [(false, TIME, LATER), (true, LATER, TIME)] {
            let query = json!({"scope": {"actor": "a"}, "descending": descending});
            let at = |watermark: &str, from: &str| {
                stored(json!({"query": query, "watermark": watermark, "complete_from": from}))
            };
            assert!(at(before, before).parse::<Cursor>().is_ok());
            assert!(at(behind, before).parse::<Cursor>().is_ok());
            assert!(damage(&at(before, behind)).contains(lossy));
        }
        assert!(damage(&stored(json!({"complete_from": TIME}))).contains(lossy));
    }

    #[test]
    fn no_run_lies_beyond_the_watermark() {
        for kind in ["recent", "open"] {
            let at = |watermark: Option<&str>, started: &str| {
                let mut run = json!({"id": "x", "started": started});
                if kind == "open" {
                    run["handed_out"] = true.into();
                }
                stored(json!({"watermark": watermark, kind: [run]}))
            };
            assert!(at(Some(TIME), TIME).parse::<Cursor>().is_ok());
            assert!(at(Some(LATER), TIME).parse::<Cursor>().is_ok());
            assert!(damage(&at(Some(TIME), LATER)).contains("run x lies beyond its watermark"));
            assert!(damage(&at(None, TIME)).contains("run x, but no watermark"));
        }
    }

    #[test]
    fn every_field_comes_back_in_one_order() {
        let text = concat!(
            r#"{"version":1,"query":{"scope":{"actor":"a"}},"emit":"changes","rows":7,"#,
            r#""watermark":"2025-01-01T00:00:09.000Z","complete_from":"2025-01-01T00:00:00.000Z","#,
            r#""recent":[{"id":"b","started":"2025-01-01T00:00:01.000Z"},"#,
            r#"{"id":"c","started":"2025-01-01T00:00:01.000Z","finished":"2025-01-01T00:00:05.000Z"},"#,
            r#"{"id":"a","started":"2025-01-01T00:00:02.000Z"}],"#,
            r#""undated":[{"id":"z"},{"id":"y","finished":"2025-01-01T00:00:06.000Z"}],"#,
            r#""open":[{"id":"e","started":"2025-01-01T00:00:03.000Z","handed_out":true,"#,
            r#""finished_before":"2025-01-01T00:00:04.000Z"},"#,
            r#"{"id":"f","started":"2025-01-01T00:00:03.000Z","handed_out":false,"#,
            r#""missing_since":"2025-01-01T00:00:07.000Z"},"#,
            r#"{"id":"d","started":"2025-01-01T00:00:04.000Z","handed_out":false}]}"#,
        );
        let written: Value = serde_json::from_str(text).unwrap();
        let cursor: Cursor = text.parse().unwrap();
        let again: Value = serde_json::from_str(&cursor.to_string()).unwrap();
        for (name, value) in written.as_object().unwrap() {
            if name != "query" {
                assert_eq!(&again[name], value, "{name}");
            }
        }
        assert_eq!((cursor.rows(), cursor.unfinished()), (7, 3));
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn an_error_shows_what_was_to_be_read() {
        let error = damage("no cursor at all");
        assert!(error.contains("invalid cursor"), "{error}");
        assert!(error.contains("no cursor at all"), "{error}");
    }
}
