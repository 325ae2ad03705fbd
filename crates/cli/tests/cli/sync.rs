//! `sync`, into SQLite.

use std::process::Stdio;

use rusqlite::Connection;

use super::*;

struct Synced {
    _folder: TempDir,
    path: PathBuf,
}

impl Synced {
    fn new() -> Self {
        let (folder, path) = place("runs.db");
        Self {
            _folder: folder,
            path,
        }
    }

    fn to(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn ids(&self) -> Vec<String> {
        let connection = Connection::open(&self.path).unwrap();
        let sql = "SELECT id FROM runs ORDER BY started_at, id";
        let mut statement = connection.prepare(sql).unwrap();
        let ids = statement.query_map([], |row| row.get(0)).unwrap();
        ids.map(Result::unwrap).collect()
    }

    fn number(&self, sql: &str) -> i64 {
        let connection = Connection::open(&self.path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn sync(service: &Service, synced: &Synced, arguments: &[&str]) -> Assert {
    let mut sync = service.program(&["sync", "--to", &synced.to()]);
    sync.args(arguments).assert()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[test]
fn a_sync_loads_the_list_and_then_what_has_changed() {
    let service = Service::with_runs(2500);
    let synced = Synced::new();
    let first = sync(&service, &synced, &[ACTOR, "--json"]).success();
    let message = stderr(&first);
    assert!(
        message.starts_with("complete: 2,500 runs of this list in sqlite:"),
        "{message}"
    );
    assert!(message.contains("\n  2,500 new, 0 updated\n"), "{message}");
    assert!(
        message.contains("5 runs not finished: the next sync updates them"),
        "{message}"
    );
    assert!(stdout(&first).contains("\"new\":2500"), "{first}");
    assert_eq!(sorted(synced.ids()), sorted(service.ids()));

    service.change(|store| {
        store.update(2499, |run| {
            run["status"] = "SUCCEEDED".into();
            run["finishedAt"] = "2025-01-02T00:00:00.000Z".into();
        });
        store.start_run("new");
        store.delete(..10);
    });
    let before = service.requests().len();
    let second = sync(&service, &synced, &[ACTOR]).success();
    assert!(
        stderr(&second).contains("\n  1 new, 1 updated\n"),
        "{second}"
    );
    assert!(service.requests().len() - before <= 4);
    assert_eq!(synced.ids().len(), 2501);
    assert_eq!(
        synced.number("SELECT count(*) FROM runs WHERE id = 'new'"),
        1
    );

    // What is gone stays until it is looked for, and then as well.
    let third = sync(&service, &synced, &[ACTOR, "--reconcile", "-v"]).success();
    assert_eq!(synced.ids().len(), 2501, "{third}");
}

#[test]
fn several_lists_go_into_one_table_and_one_that_fails_leaves_the_others_whole() {
    let service = Service::start(Emulator::builder().runs(300).actor("jane/one"));
    let synced = Synced::new();
    let incomplete = sync(&service, &synced, &["jane/one", "jane/two"]).code(7);
    let message = stderr(&incomplete);
    assert!(
        message.contains("incomplete: 300 runs of 2 lists"),
        "{message}"
    );
    assert!(message.contains("jane/two"), "{message}");
    assert_eq!(sorted(synced.ids()), sorted(service.ids()));
    let states = "SELECT count(*) FROM sync_state";
    assert!(synced.number(states) >= 1);
}

/// How often a sync is killed: `SYNC_KILLS`, or else five times.
fn kills() -> u32 {
    std::env::var("SYNC_KILLS").map_or(5, |kills| kills.parse().unwrap())
}

/// Kills a sync at random moments while the list changes, lets it end once, and compares the IDs in
/// the database.
fn kill_and_compare(to: &str, stored_ids: impl Fn() -> Vec<String>) {
    let mut random = fastrand::Rng::with_seed(7);
    let builder = Emulator::builder()
        .runs(5000)
        .latency(Duration::from_millis(2));
    let service = Service::start(builder);
    let arguments = ["sync", ACTOR, "--to", to, "--page-size", "50"];
    for kill in 0..kills() {
        let mut process = service.process(&arguments);
        process.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = process.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.u64(10..300)));
        process.kill().unwrap();
        process.wait().unwrap();
        service.change(|store| {
            store.delete(..3);
            store.start_run(&format!("new{kill}"));
        });
    }
    service.program(&arguments).assert().success();
    let stored = stored_ids();
    let distinct: HashSet<_> = stored.iter().collect();
    assert_eq!(distinct.len(), stored.len(), "a run is there twice");
    for id in service.ids() {
        assert!(distinct.contains(&id), "{id} is missing");
    }
    // A run that was deleted before the sync came to it may be absent, and no others are there.
    assert!(stored.len() <= 5000 + kills() as usize);
}

#[test]
fn a_sync_that_is_killed_at_any_moment_is_exact_when_it_has_run_again() {
    let synced = Synced::new();
    kill_and_compare(&synced.to(), || synced.ids());
}

#[test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
fn a_sync_into_postgresql_that_is_killed_is_exact_when_it_has_run_again() {
    let to = std::env::var("SYNC_POSTGRES_ADDRESS").unwrap();
    let ids = || {
        let mut psql = std::process::Command::new("psql");
        let psql = psql.args([&to, "-Atc", "SELECT id FROM apify.runs"]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(String::from).collect()
    };
    kill_and_compare(&to, ids);
}

#[test]
fn wrong_usage_is_said_with_what_is_expected() {
    let service = Service::with_runs(10);
    let synced = Synced::new();
    let to = synced.to();
    for (arguments, code, words) in [
        (&["sync", ACTOR][..], 2, "--to"),
        (&["sync", "--to", &to], 2, "ACTOR"),
        (&["sync", ACTOR, "--to", "runs.db"], 2, "invalid --to"),
        (
            &["sync", ACTOR, "--to", "mysql://u:hidden@h/d"],
            2,
            "invalid --to",
        ),
        (
            &["sync", ACTOR, "--to", &to, "--since", "30d"],
            2,
            "--since 30d: it means another list",
        ),
        (
            &["sync", ACTOR, "--to", &to, "--table", "a b"],
            2,
            "invalid --table",
        ),
        (
            &["sync", ACTOR, "--to", &to, "--reconcile", "--follow"],
            2,
            "--follow",
        ),
        (
            &["sync", ACTOR, "--to", "sqlite:/nowhere/at/all.db"],
            1,
            "/nowhere/at/all.db",
        ),
    ] {
        let wrong = service.program(arguments).assert().code(code);
        let message = stderr(&wrong);
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(!message.contains("hidden"), "{message}");
    }
    assert!(service.requests().is_empty());
    assert!(!synced.path.exists());
}

#[test]
fn a_file_that_cannot_be_opened_is_said_once() {
    let service = Service::with_runs(10);
    let wrong = ["sync", ACTOR, "--to", "sqlite:/nowhere/at/all.db"];
    let wrong = service.program(&wrong).assert().code(1);
    let message = stderr(&wrong);
    let expected = "error: /nowhere/at/all.db cannot be opened: check that its folder exists";
    assert!(message.starts_with(expected), "{message}");
    let causes = message.to_lowercase().matches("unable to open").count();
    assert_eq!(causes, 1, "{message}");
}

#[test]
fn actors_are_named_once() {
    let service = Service::start(Emulator::builder().runs(100).actor("jane/one"));
    let synced = Synced::new();
    let names = |service: &Service| {
        let named = service.requests();
        let is_name = |path: &&str| !path.contains("/runs");
        named
            .iter()
            .map(|request| request.path.as_str())
            .filter(is_name)
            .count()
    };
    for _ in 0..2 {
        sync(&service, &synced, &["jane/one", "--actor-names"]).success();
        let sql = "SELECT count(*) FROM cost_by_actor WHERE username = 'jane' AND name = 'one'";
        assert_eq!(synced.number(sql), 1);
        assert_eq!(names(&service), 1);
    }
}

#[test]
fn a_table_of_others_is_left_alone() {
    let service = Service::with_runs(10);
    let synced = Synced::new();
    let connection = Connection::open(&synced.path).unwrap();
    connection
        .execute_batch("CREATE TABLE runs (id TEXT); INSERT INTO runs VALUES ('mine')")
        .unwrap();
    drop(connection);
    let refused = sync(&service, &synced, &[ACTOR]).code(6);
    assert!(stderr(&refused).contains("runs"), "{refused}");
    assert_eq!(synced.number("SELECT count(*) FROM runs"), 1);
    assert!(service.requests().is_empty());
}

#[test]
fn a_demo_needs_no_account() {
    let synced = Synced::new();
    let arguments = ["sync", "--demo", "1000", "--to", &synced.to()];
    program().args(arguments).assert().success();
    assert_eq!(synced.number("SELECT count(*) FROM runs"), 1000);
    let costs = "SELECT count(*) FROM cost_by_day";
    assert!(synced.number(costs) >= 1);
}
