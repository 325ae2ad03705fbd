//! `report`, of databases and of exports.

use std::io::Write;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;

fn report(arguments: &[&str]) -> Assert {
    program().arg("report").args(arguments).assert()
}

/// A report as JSON.
#[track_caller]
fn object(arguments: &[&str]) -> Value {
    let report = report(&[arguments, &["--json"]].concat()).success();
    serde_json::from_str(&stdout(&report)).unwrap()
}

/// The figures of a report as JSON, without what differs from source to source.
#[track_caller]
fn figures(arguments: &[&str]) -> Value {
    let mut object = object(arguments);
    for name in ["source", "lists", "problems"] {
        assert!(object.as_object_mut().unwrap().remove(name).is_some());
    }
    object
}

/// A database with the runs of a service.
fn synced(service: &Service, folder: &TempDir) -> String {
    let to = format!("sqlite:{}", folder.path().join("runs.db").display());
    let sync = ["sync", ACTOR, "--to", &to, "--actor-names"];
    service.program(&sync).assert().success();
    to
}

/// A file with these lines, and no checkpoint.
fn file_of(name: &str, rows: &[Value]) -> (TempDir, String) {
    let (folder, path) = place(name);
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

fn run(id: &str, status: &str, start: &str) -> Value {
    json!({"id": id, "actId": "A", "status": status, "startedAt": start})
}

#[test]
fn the_same_runs_have_the_same_figures_wherever_they_are() {
    let service = Service::with_runs(3000);
    let folder = tempfile::tempdir().unwrap();
    let database = synced(&service, &folder);
    let export = |name: &str, arguments: &[&str]| {
        let out = folder.path().join(name);
        service.export(&out, arguments).success();
        out.to_str().unwrap().to_owned()
    };
    let small = ["--format", "jsonl.gz", "--part-rows", "700"];
    let exports = [
        export("runs.jsonl", &[]),
        export("runs.jsonl.gz", &[]),
        export("runs.jsonl.zst", &[]),
        export("runs.csv", &["--emit", "changes"]),
        export("runs.csv.zst", &[]),
        export("runs.parquet", &["--part-rows", "700"]),
        export("parts/", &small),
    ];
    let all = [
        &[][..],
        &["--by", "actor"],
        &["--by", "task"],
        &["--by", "status"],
    ];
    let all = all.into_iter().chain([
        &["--by", "origin"][..],
        &["--by", "day"],
        &["--by", "week"],
        &["--since", "2025-01-01T01:00", "--until", "2025-01-01T03:00"],
    ]);
    for arguments in all {
        let expected = figures(&[&[&*database], arguments].concat());
        assert!(expected["totals"]["runs"].as_u64().unwrap() > 0);
        for export in &exports {
            let found = figures(&[&[&**export], arguments].concat());
            assert_names_aside(&found, &expected, export);
        }
    }
}

/// An export has no names of Actors.
#[track_caller]
fn assert_names_aside(found: &Value, expected: &Value, export: &str) {
    let mut expected = expected.clone();
    if let Some(Value::Array(actors)) = expected.pointer_mut("/by/actor") {
        for actor in actors {
            actor.as_object_mut().unwrap().remove("name");
        }
    }
    assert_eq!(found, &expected, "{export}");
}

#[test]
fn totals_agree_with_the_views() {
    let service = Service::with_runs(12_000);
    let folder = tempfile::tempdir().unwrap();
    let to = synced(&service, &folder);
    let path = folder.path().join("runs.db");
    let connection = Connection::open(&path).unwrap();
    // A second Actor, and runs without an Actor, a start or any cost.
    connection
        .execute_batch(
            "UPDATE runs SET act_id = 'B' WHERE rowid % 3 = 0; \
             UPDATE runs SET act_id = NULL WHERE rowid % 97 = 0; \
             UPDATE runs SET started_at = NULL WHERE rowid % 89 = 0; \
             UPDATE runs SET usage_total_usd = NULL WHERE date(started_at) = '2025-01-01' \
             AND act_id = 'B'",
        )
        .unwrap();
    let report = object(&[&to]);
    let cents = |usd: Option<f64>| usd.map(|usd| (usd * 100.0).round() as i64);
    for (by, view, key) in [
        ("day", "cost_by_day", "day"),
        ("actor", "cost_by_actor", "act_id"),
    ] {
        let sql = format!("SELECT {key}, runs, usage_total_usd, unknown_cost_runs FROM {view}");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            let key: Option<String> = row.get(0)?;
            let cost: Option<f64> = row.get(2)?;
            Ok((
                key,
                row.get::<_, i64>(1)?,
                cents(cost),
                row.get::<_, i64>(3)?,
            ))
        });
        let mut expected: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let groups = report["by"][by].as_array().unwrap().iter();
        let mut found: Vec<_> = groups
            .map(|group| {
                (
                    group[by].as_str().map(String::from),
                    group["runs"].as_i64().unwrap(),
                    cents(group["cost_usd"].as_f64()),
                    group["unknown_cost_runs"].as_i64().unwrap(),
                )
            })
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{by}");
        assert!(expected.len() >= 2, "{by}");
    }
    let sum = |column: &str, view: &str| -> f64 {
        let sql = format!("SELECT coalesce(sum({column}), 0) + 0.0 FROM {view}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let totals = &report["totals"];
    assert_eq!(
        totals["failures"].as_f64().unwrap(),
        sum("runs", "failures")
    );
    assert_eq!(
        cents(totals["cost_usd"].as_f64()),
        cents(Some(sum("usage_total_usd", "cost_by_day")))
    );
    assert_eq!(
        totals["unknown_cost_runs"].as_f64().unwrap(),
        sum("unknown_cost_runs", "cost_by_actor")
    );
}

#[test]
fn a_cost_that_is_unknown_is_not_shown_as_nothing() {
    let mut known = run("b", "SUCCEEDED", "2025-09-02T10:00:00Z");
    known["usageTotalUsd"] = 2.5.into();
    let unknown = run("a", "SUCCEEDED", "2025-09-01T10:00:00Z");
    let (_folder, path) = file_of("runs.jsonl", &[unknown.clone(), known]);
    let report_ = object(&[&path]);
    let days = report_["by"]["day"].as_array().unwrap();
    assert_eq!(
        (&days[0]["cost_usd"], &days[0]["unknown_cost_runs"]),
        (&Value::Null, &1.into())
    );
    assert_eq!(
        (&days[1]["cost_usd"], &days[1]["unknown_cost_runs"]),
        (&2.5.into(), &0.into())
    );
    let text = stdout(&report(&[&path]).success());
    assert!(text.contains("of 1 run; unknown of 1"), "{text}");
    let day: Vec<_> = text
        .lines()
        .find(|line| line.starts_with("  2025-09-01 "))
        .into_iter()
        .flat_map(str::split_whitespace)
        .collect();
    assert!(day.contains(&"unknown"), "{text}");
    let csv = stdout(&report(&[&path, "--csv"]).success());
    assert!(csv.contains("\nday,2025-09-01,,1,1,0,0,0,0,"), "{csv}");
    let record = csv
        .lines()
        .find(|line| line.contains("2025-09-01"))
        .unwrap();
    assert_eq!(record.split(',').nth(10), Some(""), "{csv}");

    // Without any cost, the sum is unknown, too.
    let (_folder, path) = file_of("runs.jsonl", &[unknown]);
    let (_page_folder, page) = place("page.html");
    let text = stdout(&report(&[&path]).success());
    assert!(
        text.contains("no row has the field usageTotalUsd: costs are unknown"),
        "{text}"
    );
    assert!(!text.contains('$'), "{text}");
    report(&[&path, "--out", page.to_str().unwrap()]).success();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("The cost of no run is known."));
    assert!(!page.contains("$0"), "a cost is shown");
}

#[test]
fn of_several_rows_of_a_run_the_last_one_counts() {
    let mut later = run("a", "FAILED", "2025-09-01T10:00:00Z");
    later["finishedAt"] = "2025-09-01T10:00:05Z".into();
    let rows = [
        run("a", "RUNNING", "2025-09-01T10:00:00Z"),
        run("b", "RUNNING", "2025-09-01T11:00:00Z"),
        later,
    ];
    let (_folder, path) = file_of("runs.jsonl", &rows);
    let report_ = object(&[&path]);
    let totals = &report_["totals"];
    assert_eq!(
        (&totals["runs"], &totals["unfinished"], &totals["failures"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!(totals["median_seconds"], 5.0);

    // Also if they are in several files.
    let folder = tempfile::tempdir().unwrap();
    for (name, row) in ["1.jsonl", "2.jsonl", "3.jsonl"].iter().zip(&rows) {
        std::fs::write(folder.path().join(name), format!("{row}\n")).unwrap();
    }
    let of_folder = object(&[folder.path().to_str().unwrap()]);
    assert_eq!(&of_folder["totals"], totals);
}

#[test]
fn a_window_is_the_same_as_elsewhere() {
    let rows = [
        run("a", "SUCCEEDED", "2025-08-31T23:59:59.999Z"),
        run("b", "SUCCEEDED", "2025-09-01T00:00:00Z"),
        run("c", "SUCCEEDED", "2025-09-01T23:59:59.999Z"),
        run("d", "SUCCEEDED", "2025-09-02T00:00:00Z"),
        json!({"id": "e", "actId": "A", "status": "READY"}),
    ];
    let (_folder, path) = file_of("runs.jsonl", &rows);
    let counts = |arguments: &[&str]| {
        let report = object(&[&[&*path], arguments].concat());
        let number = |value: &Value| value.as_u64().unwrap();
        (
            number(&report["totals"]["runs"]),
            number(&report["left_out_without_start"]),
        )
    };
    assert_eq!(counts(&[]), (5, 0));
    assert_eq!(counts(&["--since", "2025-09-01"]), (3, 1));
    assert_eq!(counts(&["--until", "2025-09-01"]), (3, 1));
    assert_eq!(
        counts(&["--since", "2025-09-01", "--until", "2025-09-01"]),
        (2, 1)
    );
    assert_eq!(counts(&["--until", "2025-09-01T23:59:59.999Z"]), (2, 1));
    assert_eq!(counts(&["--since", "30d"]).0, 0);
    let wrong = report(&[&path, "--since", "2025-09-02", "--until", "2025-09-01"]).code(2);
    assert!(
        stderr(&wrong).contains("it must be before --until"),
        "{wrong}"
    );
    let text = stdout(&report(&[&path, "--until", "2025-09-01"]).success());
    assert!(text.contains("to the end of 2025-09-01 (UTC)"), "{text}");
    assert!(text.contains("1 run without a start left out"), "{text}");
}

#[test]
fn text_of_others_is_escaped() {
    const EVIL: &str = "<script>alert(1)</script>\"'&";
    let folder = tempfile::tempdir().unwrap();
    let service = Service::with_runs(50);
    let to = synced(&service, &folder);
    let connection = Connection::open(folder.path().join("runs.db")).unwrap();
    let statements = [
        "UPDATE runs SET id = id || ?1, actor_task_id = ?1, meta_origin = ?1",
        "UPDATE runs SET act_id = act_id || ?1 WHERE rowid % 2 = 0",
        "UPDATE runs SET status = 'FAILED' WHERE rowid % 3 = 0",
        "UPDATE runs SET status = ?1 WHERE rowid % 5 = 0",
        "UPDATE actors SET name = ?1, username = ?1, title = ?1",
        "UPDATE sync_state SET query = ?1",
    ];
    for statement in statements {
        let statement = statement.replace("?1", &format!("'{}'", EVIL.replace('\'', "''")));
        let changed = connection.execute(&statement, []).unwrap();
        assert!(changed > 0, "{statement}");
    }
    for by in ["actor", "task", "status", "origin", "day", "week"] {
        let page = stdout(&report(&[&to, "--by", by, "--out", "-"]).success());
        let lower = page.to_lowercase();
        assert_eq!(lower.matches("<script").count(), 1, "{by}");
        assert!(lower.contains("&#60;script"), "{by}");
        assert!(!page.contains("alert(1)</"), "{by}");
        assert_requests_nothing(&page);
    }
    // A name must not move the cursor of a terminal.
    connection
        .execute("UPDATE actors SET name = 'a' || char(27) || '[2J'", [])
        .unwrap();
    let text = stdout(&report(&[&to]).success());
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let query = "UPDATE sync_state SET query = 'a' || char(27, 8, 13) || 'b'";
    connection.execute(query, []).unwrap();
    let text = stdout(&report(&[&to]).success());
    assert!(text.contains("a\u{fffd}\u{fffd}\u{fffd}b"), "{text:?}");
}

/// A page has links to Apify Console, and nothing that a browser would load.
#[track_caller]
fn assert_requests_nothing(page: &str) {
    for (place, _) in page.match_indices("http") {
        let rest = &page[place..(place + 40).min(page.len())];
        let is_allowed =
            rest.starts_with("https://console.apify.com/") || rest.starts_with("http-equiv");
        assert!(is_allowed, "{rest}");
    }
    for word in ["src=", "@import", "url(", "fetch("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn a_page_replaces_a_page_and_nothing_else() {
    let (folder, page) = place("report.html");
    let out = page.to_str().unwrap();
    for runs in ["100", "200"] {
        let written = report(&["--demo", runs, "--out", out]).success();
        let expected = format!("complete: a report of {runs} runs in {out}");
        assert!(stderr(&written).starts_with(&expected), "{written}");
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(&format!("<strong>{runs}</strong>")));
        assert_requests_nothing(&text);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    let other = folder.path().join("runs.db");
    std::fs::write(&other, "mine").unwrap();
    for out in [other.as_path(), folder.path()] {
        let out = out.to_str().unwrap();
        let refused = report(&["--demo", "10", "--out", out]).code(2);
        assert!(
            stderr(&refused).contains("is no HTML page: name another file"),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    let nowhere = folder.path().join("no/where.html");
    let failed = report(&["--demo", "10", "--out", nowhere.to_str().unwrap()]).code(1);
    assert!(
        stderr(&failed).contains("where.html cannot be written"),
        "{failed}"
    );
}

#[test]
fn a_source_that_cannot_be_read_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sqlite = |name: &str| format!("sqlite:{}", path(name));
    let create = |name: &str, sql: &str| {
        Connection::open(path(name))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    };
    create("foreign.db", "CREATE TABLE runs (id TEXT)");
    create("other.db", "CREATE TABLE mine (id TEXT)");
    std::fs::write(
        path("text.db"),
        "no database at all, but a text of some length",
    )
    .unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    std::fs::write(path("garbage.jsonl"), "no\nrun\n").unwrap();
    std::fs::write(path("garbage.parquet"), "PAR").unwrap();
    std::fs::write(path("cut.jsonl.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    let service = Service::with_runs(10);
    let newer = synced(&service, &folder);
    create("runs.db", "UPDATE apify_runs_schema SET version = 99");
    let cases: [(&[&str], i32, &str); 17] = [
        (&[], 2, "a database of sync such as sqlite:runs.db"),
        (&[&path("none.jsonl")], 1, "none.jsonl does not exist"),
        (&[&sqlite("none.db")], 1, "none.db does not exist"),
        (&[&sqlite("foreign.db")], 6, "was not made by a sync"),
        (&[&sqlite("other.db")], 6, "has no tables of a sync"),
        (&[&sqlite("text.db")], 6, "is no SQLite database"),
        (&[&newer], 6, "version 99; this program reads up to 1"),
        (&[&path("other.db")], 2, "a database is named sqlite:"),
        (&[&path("empty")], 1, "has no parts of an export"),
        (&[&path("garbage.jsonl")], 6, "no row of"),
        (
            &[&path("garbage.parquet")],
            6,
            "garbage.parquet cannot be read",
        ),
        (&[&path("cut.jsonl.gz")], 6, "cut.jsonl.gz cannot be read"),
        (&["sqlite:"], 2, "invalid SOURCE sqlite:"),
        (
            &["mysql://me:hidden@h/d"],
            2,
            "invalid SOURCE: it must be a file",
        ),
        (
            &["s3://bucket/prefix"],
            2,
            "copy what is in object storage here first",
        ),
        (
            &["postgres://me:hidden@:x/d"],
            2,
            "invalid SOURCE (not shown)",
        ),
        (
            &[&path("garbage.jsonl"), "--table", "t"],
            2,
            "--table is for a database",
        ),
    ];
    for (arguments, code, words) in cases {
        let wrong = report(arguments).code(code);
        let message = stderr(&wrong);
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(!message.contains("hidden"), "{message}");
        assert_eq!(stdout(&wrong), "", "{arguments:?}");
    }
    // Nothing was made.
    assert!(!Path::new(&path("none.db")).exists());
}

#[test]
fn a_field_that_is_missing_is_named() {
    let service = Service::with_runs(40);
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str, fields: &str| {
        let out = folder.path().join(name);
        service.export(&out, &["--fields", fields]).success();
        out.to_str().unwrap().to_owned()
    };
    for ending in ["jsonl", "csv", "parquet"] {
        for (fields, missing) in [
            ("status,startedAt", "id"),
            ("id,status,usageTotalUsd", "startedAt"),
            ("id,startedAt", "status"),
            ("buildId", "id"),
        ] {
            let path = export(&format!("{missing}{}.{ending}", fields.len()), fields);
            let refused = report(&[&path]).code(1);
            let expected = format!("has no field {missing}, which a report needs");
            assert!(stderr(&refused).contains(&expected), "{path}: {refused}");
        }
        let path = export(&format!("few.{ending}"), "id,startedAt,status");
        let text = stdout(&report(&[&path]).success());
        for words in [
            "no row has the field actId: Actors are unknown",
            "no row has the field finishedAt: durations are unknown",
            "no row has the field usageTotalUsd: costs are unknown",
        ] {
            assert!(text.contains(words), "{path}: {text}");
        }
        let text = stdout(&report(&[&path, "--by", "origin"]).success());
        assert!(text.contains("no row has the field meta.origin"), "{text}");
    }
}

#[test]
fn nothing_is_a_report_too() {
    let service = Service::with_runs(0);
    let folder = tempfile::tempdir().unwrap();
    let database = synced(&service, &folder);
    let out = folder.path().join("runs.jsonl");
    service.export(&out, &[]).success();
    let empty = folder.path().join("empty.csv");
    std::fs::write(&empty, "").unwrap();
    for source in [&database, out.to_str().unwrap(), empty.to_str().unwrap()] {
        let text = stdout(&report(&[source]).success());
        assert!(text.contains("There are no runs."), "{source}: {text}");
        let page = stdout(&report(&[source, "--out", "-"]).success());
        assert!(page.contains("There are no runs."), "{source}");
        assert_eq!(object(&[source])["totals"]["cost_usd"], Value::Null);
    }
    let text = stdout(&report(&["--demo", "50", "--until", "2020-01-01"]).success());
    assert!(text.contains("No run has started in this time."), "{text}");
}

#[test]
fn what_is_incomplete_is_said() {
    let service = Service::with_runs(100);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs.jsonl");
    service.export(&out, &[]).success();
    let path = out.to_str().unwrap();
    let whole = report(&[path]).success();
    assert_eq!(stderr(&whole), "", "{whole}");
    assert_eq!(object(&[path])["complete"], true);

    // Changed by something else.
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::write(&out, text.replacen('\n', " ", 1)).unwrap();
    let changed = report(&[path]).code(6);
    let message = stderr(&changed);
    assert!(
        message.contains("has 99 rows, and its checkpoint says 100: apify-runs verify"),
        "{message}"
    );
    std::fs::write(&out, text).unwrap();

    // Left behind by an export that was killed.
    let mut file = std::fs::OpenOptions::new().append(true).open(&out).unwrap();
    file.write_all(b"{\"id\":\"half").unwrap();
    drop(file);
    let incomplete = report(&[path]).success();
    let message = stderr(&incomplete);
    assert!(message.starts_with("warning: "), "{message}");
    assert!(
        message.contains("is incomplete: its export was killed"),
        "{message}"
    );
    let report_ = object(&[path]);
    assert_eq!(
        (&report_["complete"], &report_["totals"]["runs"]),
        (&false.into(), &100.into())
    );
    let page = stdout(&report(&[path, "--out", "-"]).success());
    assert!(page.contains("Incomplete") && page.contains("its export was killed"));

    std::fs::remove_file(checkpoint_of(&out)).unwrap();
    let unknown = report(&[path]).success();
    assert!(
        stderr(&unknown).contains("has no checkpoint beside it"),
        "{unknown}"
    );
    assert!(stderr(&unknown).contains("1 row of"), "{unknown}");

    // A part that is gone, and one that does not count.
    let parts = folder.path().join("parts/");
    service.export(&parts, &["--format", "jsonl"]).success();
    service.change(|store| store.start_run("new"));
    service.export(&parts, &["--format", "jsonl"]).success();
    std::fs::write(parts.join("part-000009-0badc0de.jsonl"), "{}\n").unwrap();
    let path = parts.to_str().unwrap();
    assert_eq!(object(&[path])["totals"]["runs"], 101);
    let entries = std::fs::read_dir(&parts).unwrap();
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.to_string_lossy().contains("part-00000"));
    paths.sort();
    assert_eq!(paths.len(), 3);
    std::fs::remove_file(&paths[1]).unwrap();
    let missing = report(&[path]).code(6);
    assert!(stderr(&missing).contains("part-000001"), "{missing}");
    std::fs::remove_file(parts.join("_manifest.json")).unwrap();
    let unknown = report(&[path]).success();
    assert!(stderr(&unknown).contains("has no manifest"), "{unknown}");
    assert!(stderr(&unknown).contains("1 row of"), "{unknown}");

    // A list whose first sync has not come to its end.
    let to = synced(&service, &folder);
    assert_eq!(object(&[&to])["complete"], true);
    let connection = Connection::open(folder.path().join("runs.db")).unwrap();
    connection
        .execute(
            "UPDATE sync_state SET last_success_at = NULL, skipped = 2",
            [],
        )
        .unwrap();
    let incomplete = report(&[&to]).success();
    let message = stderr(&incomplete);
    assert!(
        message.contains("did not reach the end of the list"),
        "{message}"
    );
    assert!(message.contains("2 rows of"), "{message}");
}

#[test]
fn the_exports_of_several_actors_are_one_report() {
    let service = Service::with_runs(30);
    let folder = tempfile::tempdir().unwrap();
    let out = format!("{}/", folder.path().display());
    let export = [
        "export", "a/one", "a/two", "--format", "jsonl", "--out", &out,
    ];
    service.program(&export).assert().success();
    let report = object(&[&out]);
    assert_eq!(report["lists"].as_array().unwrap().len(), 2);
    assert_eq!(report["complete"], true);
}

#[test]
fn files_in_a_folder_count_as_their_checkpoints_say() {
    let service = Service::with_runs(30);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("{actor}.jsonl");
    let export = ["export", "one", "two", "--out", out.to_str().unwrap()];
    service.program(&export).assert().success();
    let path = folder.path().to_str().unwrap();
    let whole = object(&[path]);
    assert_eq!(whole["complete"], true, "{whole}");
    let runs = &whole["totals"]["runs"];
    // What a killed export has left behind the rows that count.
    let one = folder.path().join("one.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(one).unwrap();
    writeln!(file, "{}", run("extra", "FAILED", "2025-01-01T00:00:00Z")).unwrap();
    let killed = object(&[path]);
    assert_eq!(&killed["totals"]["runs"], runs);
    assert_eq!(killed["complete"], false, "{killed}");
    assert!(
        killed["problems"][0]
            .as_str()
            .unwrap()
            .contains("one.jsonl is incomplete")
    );
}

#[test]
fn a_folder_that_is_left_out_is_a_problem() {
    let service = Service::with_runs(30);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("one/");
    service.export(&out, &["--format", "jsonl"]).success();
    let stray = folder.path().join("two");
    std::fs::create_dir(&stray).unwrap();
    std::fs::write(stray.join("part-000000-0badc0de.jsonl"), "{}\n").unwrap();
    let report = object(&[folder.path().to_str().unwrap()]);
    assert_eq!(report["complete"], false, "{report}");
    let problem = report["problems"][0].as_str().unwrap();
    assert!(
        problem.contains("two has no manifest: its runs are left out"),
        "{problem}"
    );
}

#[test]
fn costs_that_are_all_unknown_have_no_greatest_one() {
    let rows = [
        run("a", "SUCCEEDED", "2025-01-01T00:00:00Z"),
        run("b", "SUCCEEDED", "2025-01-02T00:00:00Z"),
    ];
    let (_folder, path) = file_of("runs.jsonl", &rows);
    let text = stdout(&report(&[&path]).success());
    assert!(text.contains("??  unknown"), "{text}");
    assert!(!text.contains('$'), "{text}");
}

#[test]
fn a_database_is_not_changed() {
    let service = Service::with_runs(100);
    let folder = tempfile::tempdir().unwrap();
    let to = synced(&service, &folder);
    let path = folder.path().join("runs.db");
    let names = || {
        let entries = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let (before, bytes) = (names(), std::fs::read(&path).unwrap());
    report(&[&to]).success();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(names(), before);
    // While a sync has a transaction open.
    let writer = Connection::open(&path).unwrap();
    writer
        .execute_batch("BEGIN IMMEDIATE; DELETE FROM runs")
        .unwrap();
    assert_eq!(object(&[&to])["totals"]["runs"], 100);
}

#[cfg(unix)]
#[test]
fn a_database_in_a_folder_that_is_read_only_can_be_read() {
    use std::os::unix::fs::PermissionsExt;

    let service = Service::with_runs(100);
    let folder = tempfile::tempdir().unwrap();
    let to = synced(&service, &folder);
    let set = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode));
    set(0o555).unwrap();
    let report = report(&[&to, "--json"]);
    set(0o755).unwrap();
    assert!(stdout(&report.success()).contains("\"runs\":100"));
}

#[test]
fn a_demo_is_the_same_each_time() {
    let one = stdout(&report(&["--demo", "5000"]).success());
    assert_eq!(one, stdout(&report(&["--demo", "5000"]).success()));
    assert!(one.contains("acme/product-prices"), "{one}");
    assert!(one.contains("By day (the last 14 of 365)"), "{one}");
    assert!(one.lines().all(|line| line.chars().count() <= 120), "{one}");
    for by in ["actor", "task", "status", "origin", "day", "week"] {
        let text = stdout(&report(&["--demo", "500", "--by", by]).success());
        assert!(
            text.to_lowercase().contains(&format!("\nby {by}\n")),
            "{text}"
        );
    }
    let wrong = report(&["runs.jsonl", "--demo"]).code(2);
    assert!(stderr(&wrong).contains("cannot be used with"), "{wrong}");
}
