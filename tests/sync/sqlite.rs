//! SQLite.

#[cfg(target_os = "linux")]
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use apify_runs::ErrorKind;
use apify_runs::sync::{Database, DatabaseBuilder};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::child;
use crate::database::{Row, TestDatabase};
use crate::first_load;
use crate::list::{List, check, job};
use crate::scenarios;
#[cfg(target_os = "linux")]
use crate::small_disk::SmallDisk;

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    #[cfg(target_os = "linux")]
    fn at(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("runs.db")
    }

    fn connect(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl TestDatabase for Sqlite {
    fn builder(&self) -> DatabaseBuilder {
        Database::builder(format!("sqlite:{}", self.path().display()))
    }

    async fn query(&self, sql: &str) -> Vec<Row> {
        let connection = self.connect();
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let text = |value: Value| match value {
            Value::Null => None,
            Value::Integer(integer) => Some(integer.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Text(text) => Some(text),
            Value::Blob(_) => panic!("a blob"),
        };
        let rows = statement.query_map([], |row| {
            (0..count).map(|place| row.get(place).map(text)).collect()
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    async fn has_key(&self) -> bool {
        let key = "SELECT count(*) FROM pragma_index_list('runs') WHERE \"unique\"";
        self.number(key).await == 1.0
    }

    fn time(&self, column: &str) -> String {
        column.into()
    }

    fn minutes_ago(&self, minutes: u32) -> String {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{minutes} minutes')")
    }
}

macro_rules! scenarios {
    ($($name:ident($($argument:expr),*);)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                scenarios::$name(&Sqlite::new() $(, $argument)*).await;
            }
        )+
    };
}

scenarios! {
    runs_are_stored_as_they_are_listed_last();
    a_commit_that_is_lost_is_made_once();
    an_error_of_the_walk_leaves_what_came_before();
    a_list_is_synced_once_at_a_time();
    many_lists_are_synced_at_a_time(64);
    lists_may_have_runs_in_common();
    the_views_tell_unknown_costs();
    runs_that_are_gone_are_marked();
    nothing_is_marked_in_doubt();
    a_window_may_become_empty();
    foreign_tables_are_refused();
    other_versions_are_known_by_their_mark();
    odd_rows_are_stored();
    a_snapshot_is_read_of_one_moment();
    settings_are_checked();
}

#[tokio::test]
async fn a_moving_list_is_stored_exactly() {
    for seed in 0..20 {
        scenarios::a_moving_list_is_stored_exactly(&Sqlite::new(), seed).await;
    }
}

#[tokio::test]
async fn a_first_load_that_breaks_off_gets_its_key_later() {
    first_load::one_that_breaks_off_gets_its_key_later(&Sqlite::new()).await;
}

#[tokio::test]
async fn a_run_may_come_twice_in_a_first_load() {
    first_load::a_run_may_come_twice(&Sqlite::new()).await;
}

#[tokio::test]
async fn another_list_may_begin_during_a_first_load() {
    for rows in [0, 200] {
        first_load::another_list_may_begin_meanwhile(&Sqlite::new(), rows).await;
    }
}

/// In files of older versions, the key is part of the table's definition.
#[tokio::test]
async fn a_file_of_an_older_version_keeps_its_key() {
    let database = Sqlite::new();
    drop(database.open().await);
    let connection = database.connect();
    let create = "SELECT sql FROM sqlite_master WHERE name = 'runs'";
    let create: String = connection.query_row(create, [], |row| row.get(0)).unwrap();
    let older = create.replace("\"id\" text", "\"id\" text PRIMARY KEY");
    assert_ne!(create, older);
    let replace = format!("DROP TABLE runs; {older}");
    connection.execute_batch(&replace).unwrap();
    first_load::a_run_may_come_twice(&database).await;
    let schema = "SELECT sql FROM sqlite_master WHERE name = 'runs'";
    assert_eq!(database.value(schema).await, older);
}

#[tokio::test]
async fn a_commit_is_whole_or_not_there() {
    let fail = "CREATE TRIGGER fail BEFORE INSERT ON runs WHEN new.build_number_int = 350 \
                BEGIN SELECT raise(FAIL, 'not today'); END";
    scenarios::a_commit_is_whole_or_not_there(&Sqlite::new(), fail).await;
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for() {
    let database = Sqlite::new();
    let mut list = List::new();
    let emulator = list.start(200).await;
    let db = database.open().await;
    let other = database.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sync = tokio::spawn(job(&emulator, db.target()).run());
    // Longer than SQLite waits by itself.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!sync.is_finished());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(sync.await.unwrap().unwrap().new, 200);
    assert!(check(&emulator, &database).await.is_empty());
}

/// Only root can make a small disk.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount("size=3m") else {
        return;
    };
    let database = Sqlite::at(disk.path());
    let mut list = List::new();
    let emulator = list.start(20_000).await;
    let db = database.open().await;
    let sync = || job(&emulator, db.target()).batch_rows(2000);
    let error = sync().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output);
    let text = error.to_string();
    assert!(
        text.ends_with("cannot be written: the disk is full"),
        "{error:?}"
    );
    disk.grow();
    let stored = database.number("SELECT count(*) FROM runs").await as u64;
    let summary = sync().run().await.unwrap();
    assert_eq!((summary.new, summary.updated), (20_000 - stored, 0));
    assert!(check(&emulator, &database).await.is_empty());
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_stays() {
    let database = Sqlite::new();
    let text = "id,status\n".repeat(200);
    std::fs::write(database.path(), &text).unwrap();
    let error = database.try_open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error:?}");
    assert!(error.to_string().ends_with("is no SQLite database"));
    assert_eq!(std::fs::read_to_string(database.path()).unwrap(), text);

    let nowhere = Database::open("sqlite:/nowhere/runs.db").await.unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::Output);
    for address in ["sqlite:", "mysql://a:secret@b/c", "runs.db"] {
        let error = Database::open(address).await.unwrap_err();
        assert_eq!(error.setting().unwrap().name(), "database");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn the_lock_of_a_process_that_is_killed_is_released() {
    let database = Sqlite::new();
    let address = format!("sqlite:{}", database.path().display());
    child::lock_is_released(&database, &address, "").await;
}

#[tokio::test]
async fn no_lock_stays_behind() {
    let database = Sqlite::new();
    let mut list = List::new();
    let emulator = list.start(200).await;
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    drop(db);
    let names = std::fs::read_dir(database.folder.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["runs.db"]);
}
