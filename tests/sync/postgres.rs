//! PostgreSQL. `postgres.sh` starts a server, and runs these tests.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use apify_runs::ErrorKind;
use apify_runs::emulator::Emulator;
use apify_runs::sync::{Database, DatabaseBuilder, SyncJob};
use futures::TryStreamExt;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::child;
use crate::database::{Row, TestDatabase};
use crate::first_load;
use crate::list::{List, check, job, runs};
use crate::proxy::{Cut, Proxy};
use crate::scenarios;
#[cfg(target_os = "linux")]
use crate::small_disk::SmallDisk;

/// The password of the superuser.
const PASSWORD: &str = "secret-of-the-test";

static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// A schema of its own.
struct Postgres {
    schema: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by tests/sync/postgres.sh"))
}

fn port() -> u16 {
    variable("SYNC_POSTGRES_PORT").parse().unwrap()
}

fn address(user: &str, port: u16, options: &str) -> String {
    format!("postgres://{user}:{PASSWORD}@127.0.0.1:{port}/postgres{options}")
}

impl Postgres {
    fn new() -> Self {
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("s{}_{number}", std::process::id());
        Self { schema }
    }

    fn at(&self, address: String) -> DatabaseBuilder {
        Database::builder(address).schema(&self.schema)
    }

    async fn connect(&self) -> Client {
        let address = address("postgres", port(), "?sslmode=disable");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
        tokio::spawn(connection);
        let schema = &self.schema;
        client
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path TO {schema}"
            ))
            .await
            .unwrap();
        client
    }
}

impl TestDatabase for Postgres {
    fn builder(&self) -> DatabaseBuilder {
        self.at(address("postgres", port(), ""))
    }

    async fn query(&self, sql: &str) -> Vec<Row> {
        let messages = self.connect().await.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| {
            (0..row.len())
                .map(|place| row.get(place).map(String::from))
                .collect()
        })
        .collect()
    }

    async fn has_key(&self) -> bool {
        let key = "SELECT count(*) FROM pg_index WHERE indrelid = 'runs'::regclass AND indisunique";
        self.number(key).await == 1.0
    }

    fn time(&self, column: &str) -> String {
        format!(r#"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#)
    }

    fn minutes_ago(&self, minutes: u32) -> String {
        format!("now() - interval '{minutes} minutes'")
    }
}

macro_rules! scenarios {
    ($($name:ident($($argument:expr),*);)+) => {
        $(
            #[tokio::test]
            #[ignore = "needs a server: tests/sync/postgres.sh"]
            async fn $name() {
                scenarios::$name(&Postgres::new() $(, $argument)*).await;
            }
        )+
    };
}

scenarios! {
    runs_are_stored_as_they_are_listed_last();
    a_commit_that_is_lost_is_made_once();
    an_error_of_the_walk_leaves_what_came_before();
    a_list_is_synced_once_at_a_time();
    many_lists_are_synced_at_a_time(16);
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
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_moving_list_is_stored_exactly() {
    for seed in 0..10 {
        scenarios::a_moving_list_is_stored_exactly(&Postgres::new(), seed).await;
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_first_load_that_breaks_off_gets_its_key_later() {
    first_load::one_that_breaks_off_gets_its_key_later(&Postgres::new()).await;
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_run_may_come_twice_in_a_first_load() {
    first_load::a_run_may_come_twice(&Postgres::new()).await;
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn another_list_may_begin_during_a_first_load() {
    for rows in [0, 200] {
        first_load::another_list_may_begin_meanwhile(&Postgres::new(), rows).await;
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_first_load_does_not_wait_for_readers() {
    let database = Postgres::new();
    let mut list = List::new();
    let emulator = list.start(3000).await;
    let reader = database.connect().await;
    let db = database.open().await;
    first_load::break_off(&database, &emulator, &db).await;
    let read = "BEGIN; SELECT count(*) FROM runs";
    reader.batch_execute(read).await.unwrap();
    let summary = first_load::sync_again(&emulator, &db).await;
    assert_eq!(summary.list_rows, Some(3000));
    assert!(check(&emulator, &database).await.is_empty());
    assert!(database.has_key().await);
    let primary =
        "SELECT count(*) FROM pg_index WHERE indrelid = 'runs'::regclass AND indisprimary";
    assert_eq!(database.number(primary).await, 0.0);
    reader.batch_execute("COMMIT").await.unwrap();
    // The server itself may look at the table now and then.
    for _ in 0..10 {
        first_load::sync_again(&emulator, &db).await;
        if database.number(primary).await == 1.0 {
            break;
        }
    }
    assert_eq!(database.number(primary).await, 1.0);

    // Nor does a load begin without the key while somebody reads.
    let database = Postgres::new();
    let db = database.open().await;
    let reader = database.connect().await;
    reader.batch_execute(read).await.unwrap();
    let summary = first_load::sync_again(&emulator, &db).await;
    assert_eq!(summary.new, 3000);
    assert!(database.has_key().await);
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_commit_is_whole_or_not_there() {
    let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'not today'; END $$; \
                CREATE TRIGGER fail BEFORE INSERT ON runs FOR EACH ROW \
                WHEN (new.build_number_int = 350) EXECUTE FUNCTION fail()";
    scenarios::a_commit_is_whole_or_not_there(&Postgres::new(), fail).await;
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_connection_that_is_cut_during_a_commit_loses_nothing() {
    for cut in [Cut::Before, Cut::After] {
        for commits in 0..3 {
            let database = Postgres::new();
            database.open().await;
            let mut list = List::new();
            let emulator = list.start(500).await;
            let proxy = Proxy::start(port(), cut, 1_000_000).await;
            // The server is asked for TLS, through which the proxy could not see.
            let address = address("postgres", proxy.port, "?sslmode=disable");
            let db = database.at(address).open().await.unwrap();
            proxy.commits.store(commits, Ordering::SeqCst);
            let sync = job(&emulator, db.target()).batch_rows(150);
            let summary = sync.run().await.unwrap();
            assert!(proxy.commits.load(Ordering::SeqCst) < 0);
            assert_eq!(
                (summary.new, summary.updated),
                (500, 0),
                "{cut:?} {commits}"
            );
            assert_eq!(summary.list_rows, Some(500));
            assert!(check(&emulator, &database).await.is_empty());
        }
    }
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn connections_that_the_server_ends_lose_nothing() {
    let database = Postgres::new();
    let db = database.open().await;
    let mut list = List::new();
    let emulator = list.start(6000).await;
    let client = database.connect().await;
    let ends = async {
        // A lock of a list has the table's number: other tests are not disturbed.
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
                   WHERE locktype = 'advisory' AND granted AND classid = 'sync_state'::regclass";
        loop {
            tokio::time::sleep(Duration::from_millis(40)).await;
            client.simple_query(end).await.unwrap();
            // Time to come further.
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
    };
    let sync = job(&emulator, db.target()).batch_rows(100).run();
    let summary = tokio::select! {
        summary = sync => summary.unwrap(),
        () = ends => panic!("it does not end"),
    };
    assert_eq!((summary.new, summary.updated), (6000, 0));
    assert!(check(&emulator, &database).await.is_empty());
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_table_that_is_locked_is_waited_for() {
    let database = Postgres::new();
    let db = database.open().await;
    let mut list = List::new();
    let emulator = list.start(200).await;
    let other = database.connect().await;
    let lock = "BEGIN; LOCK TABLE runs IN ACCESS EXCLUSIVE MODE";
    other.batch_execute(lock).await.unwrap();
    let sync = tokio::spawn(job(&emulator, db.target()).run());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!sync.is_finished());
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sync.await.unwrap().unwrap().new, 200);
}

/// Only root can make a small disk.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_full_disk_is_told_and_loses_nothing() {
    let user = variable("SYNC_POSTGRES_UID");
    let Some(disk) = SmallDisk::mount(&format!("size=1m,mode=700,uid={user}")) else {
        return;
    };
    let database = Postgres::new();
    let schema = &database.schema;
    let client = database.connect().await;
    let create = format!(
        "CREATE TABLESPACE {schema} LOCATION '{}'",
        disk.path().display()
    );
    client.batch_execute(&create).await.unwrap();
    let options = format!("?options=-c%20default_tablespace%3D{schema}");
    let db = database.at(address("postgres", port(), &options));
    let db = db.open().await.unwrap();

    let mut list = List::new();
    let emulator = list.start(20_000).await;
    let sync = || job(&emulator, db.target()).batch_rows(2000);
    let error = sync().run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output);
    let text = error.to_string();
    assert!(text.contains("No space left on device"), "{error:?}");
    disk.grow();
    let stored = database.number("SELECT count(*) FROM runs").await as u64;
    let summary = sync().run().await.unwrap();
    assert_eq!((summary.new, summary.updated), (20_000 - stored, 0));
    assert!(check(&emulator, &database).await.is_empty());

    // The server needs the files of a tablespace until it is dropped.
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    client.batch_execute(&drop).await.unwrap();
    let drop = format!("DROP TABLESPACE {schema}");
    client.batch_execute(&drop).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_role_without_rights_is_told_so() {
    let database = Postgres::new();
    let role = format!("r{}", database.schema);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
    let client = database.connect().await;
    client.batch_execute(&create).await.unwrap();
    let of_role = || database.at(address(&role, port(), "")).open();

    let error = of_role().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output);
    assert!(error.to_string().contains("permission denied"), "{error}");

    let mut list = List::new();
    let emulator = list.start(100).await;
    drop(database.open().await);
    let schema = &database.schema;
    let grant = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON sync_state, apify_runs_schema TO {role}; \
         GRANT SELECT ON runs TO {role}"
    );
    client.batch_execute(&grant).await.unwrap();
    let db = of_role().await.unwrap();
    let error = job(&emulator, db.target()).run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "PostgreSQL: permission denied for table runs (42501)"
    );
    assert!(!error.is_transient());

    let grant = format!("GRANT INSERT, UPDATE ON runs TO {role}");
    client.batch_execute(&grant).await.unwrap();
    let summary = job(&emulator, db.target()).run().await.unwrap();
    assert_eq!(summary.new, 100);
    let error = format!(
        "{:?}",
        database.at(address("nobody", port(), "")).open().await
    );
    assert!(error.contains("password authentication failed"), "{error}");
    assert!(!error.contains(PASSWORD), "{error}");
    assert!(!format!("{db:?} {db}").contains(PASSWORD), "{db}");
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_role_that_may_only_read_is_enough_to_read() {
    let database = Postgres::new();
    let role = format!("r{}", database.schema);
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
    let client = database.connect().await;
    client.batch_execute(&create).await.unwrap();
    let mut list = List::new();
    let emulator = list.start(100).await;
    let db = database.open().await;
    job(&emulator, db.target()).run().await.unwrap();
    let of_role = || database.at(address(&role, port(), ""));
    let error = of_role().open_read_only().await.unwrap_err();
    assert!(error.to_string().contains("permission denied"), "{error}");
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    let schema = &database.schema;
    let grant = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"
    );
    client.batch_execute(&grant).await.unwrap();
    let reader = of_role().open_read_only().await.unwrap();
    assert!(!format!("{reader:?} {reader}").contains(PASSWORD));
    let runs = reader.snapshot().await.unwrap().runs;
    assert_eq!(runs.try_collect::<Vec<_>>().await.unwrap().len(), 100);
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn a_certificate_is_checked_where_that_is_asked_for() {
    let database = Postgres::new();
    let at = |options: &str| {
        let address = format!("postgres://postgres:{PASSWORD}@localhost:{}", port());
        database.at(format!("{address}/postgres{options}")).open()
    };
    let root = variable("SYNC_POSTGRES_ROOT");
    for options in ["", "?sslmode=require", "?sslmode=disable"] {
        at(options).await.unwrap();
    }
    at(&format!("?sslmode=verify-full&sslrootcert={root}"))
        .await
        .unwrap();
    let error = at("?sslmode=verify-full").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output);
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
    let error = at("?sslmode=verify-full&sslrootcert=/nowhere")
        .await
        .unwrap_err();
    assert_eq!(error.setting().unwrap().name(), "sslrootcert");
}

#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn the_lock_of_a_process_that_is_killed_is_released() {
    let database = Postgres::new();
    let schema = database.schema.clone();
    child::lock_is_released(&database, &address("postgres", port(), ""), &schema).await;
}

/// It ends the connections of all other tests, and is run alone.
#[tokio::test]
#[ignore = "needs a server: tests/sync/postgres.sh"]
async fn alone_a_server_that_is_killed_loses_nothing() {
    let restart = variable("SYNC_POSTGRES_RESTART");
    let database = Postgres::new();
    let db = database.open().await;
    let emulator = Emulator::builder()
        .runs(60_000)
        .keep_pages()
        .start()
        .await
        .unwrap();
    let kills = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let command = restart.clone();
            let killed = tokio::task::spawn_blocking(move || Command::new(command).status());
            assert!(killed.await.unwrap().unwrap().success());
        }
        std::future::pending::<()>().await;
    };
    let walk = runs(&emulator);
    let sync = SyncJob::new(walk, db.target()).batch_rows(300).run();
    let summary = tokio::select! {
        summary = sync => summary.unwrap(),
        () = kills => panic!("it does not end"),
    };
    assert_eq!(
        (summary.rows, summary.list_rows),
        (60_000, Some(60_000)),
        "{summary:?}"
    );
    assert!(check(&emulator, &database).await.is_empty());
}
