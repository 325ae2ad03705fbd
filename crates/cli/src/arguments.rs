//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use apify_runs::RunStatus;
use apify_runs::export::Format;
use apify_runs::sync::Database;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::emulate::EmulateArguments;
use crate::exit;
use crate::report::ReportArguments;
use crate::statuses::StatusParser;
use crate::times::{When, duration, when};

/// What `--version` prints.
fn version() -> String {
    format!(
        "{}\ncommit:    {}\nformats:   jsonl, csv (each also .gz and .zst), parquet\n\
         stores:    files, folders, s3, gs, az\n\
         databases: SQLite {}, PostgreSQL 13 or newer",
        env!("CARGO_PKG_VERSION"),
        env!("APIFY_RUNS_COMMIT"),
        Database::sqlite_version(),
    )
}

/// Every run of an Apify Actor in a file, without gaps.
///
/// Exports the list of runs as JSON lines, CSV or Parquet, into a file, a folder, object storage
/// or a pipe. An export can be stopped or killed at any moment: the same command resumes with the
/// next run.
#[derive(Debug, Parser)]
#[command(
    name = "apify-runs",
    version,
    long_version = version(),
    max_term_width = 100,
    after_long_help = exit::HELP
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) messages: MessageArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write every run into a file, a folder, object storage or a pipe
    ///
    /// The first start makes a checkpoint beside the output. The same command, started again,
    /// resumes where the last one stopped, and so exports what has been added since.
    Export(Box<ExportArguments>),
    /// Keep a table of a database up to date: a row for each run, as it is now
    ///
    /// The first start loads the whole list. Each later one adds new runs, and updates those that
    /// had not finished. It can be stopped or killed at any moment: the next start resumes.
    Sync(Box<SyncArguments>),
    /// Alert when runs fail, from now on: to standard output, a webhook or a command
    ///
    /// One alert for each run that ends with one of --status. A later start resumes where the last
    /// one stopped and misses no alert. An alert may be sent twice after a kill or a lost
    /// response.
    Watch(Box<WatchArguments>),
    /// Cut a list into parts that workers can export in parallel
    ///
    /// Prints a line of JSON for each part: a window of time with about as many runs as the
    /// others, without the token. `export --split` takes them, on this machine or others.
    Split(SplitArguments),
    /// Print the newest runs, in a table
    Ls(LsArguments),
    /// Sum up runs that are in a database or an export: cost, failures, durations
    ///
    /// Prints tables by day and by Actor, or writes one HTML page with charts.
    Report(ReportArguments),
    /// Print how many runs there are, by one request
    Count(CountArguments),
    /// Check that an output is whole, by reading it again
    Verify(InspectArguments),
    /// Describe what a checkpoint holds
    Status(InspectArguments),
    /// Serve generated runs on a loopback port, as the service would
    ///
    /// Prints the address and the token, and serves until it is interrupted.
    Emulate(EmulateArguments),
    /// Print what a shell needs to complete these commands
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// How the program writes messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct MessageArguments {
    /// What to show while it works
    ///
    /// `auto` is a bar on a terminal and `plain` elsewhere: a line every 10 seconds.
    #[arg(
        long,
        global = true,
        value_name = "HOW",
        default_value = "auto",
        hide_short_help = true
    )]
    pub(crate) progress: ProgressChoice,
    /// Whether messages are coloured; NO_COLOR turns `auto` off
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_short_help = true
    )]
    pub(crate) color: ColorMode,
    /// Only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Also each page, and a whole summary; twice for all events
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How messages are written: as text, or as one JSON object a line
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        hide_short_help = true
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    Auto,
    Plain,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorMode {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Whose runs, which of them, and how to request them.
#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The Actor: its ID, `username/actor-name` or `username~actor-name`
    #[arg(value_name = "ACTOR", required_unless_present_any = ["task", "account", "demo"])]
    pub(crate) actor: Vec<String>,
    /// The runs of a task instead, by its ID or `username/task-name`
    #[arg(long, value_name = "ID", conflicts_with_all = ["actor", "account"])]
    pub(crate) task: Option<String>,
    /// All runs of the account instead
    #[arg(long, conflicts_with = "actor")]
    pub(crate) account: bool,
    /// Generated runs from the built-in emulator instead: no account, no network
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "100000",
        conflicts_with_all = ["actor", "task", "account", "token_file", "base_url"],
    )]
    pub(crate) demo: Option<u64>,
    /// Only runs that started then or later
    ///
    /// A day such as 2025-09-01, a time such as 2025-09-01T10:00:00Z, in UTC if it has no zone, a
    /// time before now such as 30d or 12h, or now. If an export resumes, now is its first start.
    #[arg(long, value_name = "TIME", value_parser = when, help_heading = "Which runs")]
    pub(crate) since: Option<When>,
    /// Only runs that started before this time, or up to the end of this day; forms as for --since
    #[arg(long, value_name = "TIME", value_parser = when, help_heading = "Which runs")]
    pub(crate) until: Option<When>,
    /// Only runs with one of these statuses, such as SUCCEEDED,FAILED
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = StatusParser,
        help_heading = "Which runs"
    )]
    pub(crate) status: Vec<RunStatus>,
    /// Also runs with this status, which the API reference does not list; sent as it is
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Which runs",
        hide_short_help = true
    )]
    pub(crate) other_status: Vec<String>,
    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct ServiceArguments {
    /// A file that holds the token, instead of APIFY_TOKEN
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    /// Where the API is; APIFY_API_BASE_URL if it is not given, or else https://api.apify.com
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, hide_short_help = true)]
    pub(crate) base_url: Option<String>,
    /// The most requests a second for one list; 60 if it is not given, and no limit for generated
    /// runs
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) rate: Option<f64>,
    /// The most requests a second for all lists together; 4000 if it is not given
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) total_rate: Option<f64>,
    /// How many times a request is retried before the program gives up
    #[arg(long, value_name = "N", default_value = "8", hide_short_help = true)]
    pub(crate) max_retries: u32,
    /// How long one request may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, hide_short_help = true)]
    pub(crate) timeout: Duration,
}

/// Many Actors.
#[derive(Debug, Args)]
pub(crate) struct ActorsArguments {
    /// The lists of all Actors in this file, one a line; - is standard input
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["task", "account", "demo"],
        help_heading = "Which runs"
    )]
    pub(crate) actors_file: Option<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct LsArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// How many runs to print at most
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value = "20",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Output"
    )]
    pub(crate) limit: u64,
    /// Print a JSON object for each run instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CountArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Print a JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SplitArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) actors: ActorsArguments,
    /// The number of parts, of all lists together
    ///
    /// The longest lists are cut into the most parts, and each Actor is at least one.
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) into: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Only the parts in this file, the output of `split`; - is standard input
    ///
    /// One part can be written to any output, and the next start resumes it as it does any export.
    /// Several parts are written to standard output, one after the other, as JSON lines.
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = [
            "actor", "actors_file", "task", "account", "since", "until", "status",
            "other_status", "desc", "max_items", "follow"
        ],
        help_heading = "Which runs"
    )]
    pub(crate) split: Option<OsString>,
    #[command(flatten)]
    pub(crate) actors: ActorsArguments,
    #[command(flatten)]
    pub(crate) destination: DestinationArguments,
    /// Also print the summary as a JSON object to standard output
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) rows: RowArguments,
    #[command(flatten)]
    pub(crate) walk: WalkArguments,
    #[command(flatten)]
    pub(crate) metrics: MetricsArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) actors: ActorsArguments,
    /// The database: sqlite:FILE, or postgres://USER@HOST/DATABASE
    ///
    /// The password of PostgreSQL is read from PGPASSWORD. ?sslmode= in the address sets TLS:
    /// disable, prefer, require or verify-full.
    #[arg(long, value_name = "DATABASE", help_heading = "Database")]
    pub(crate) to: String,
    /// The schema of the tables in PostgreSQL; apify if it is not given
    #[arg(long, value_name = "NAME", help_heading = "Database")]
    pub(crate) schema: Option<String>,
    /// The table of the runs
    #[arg(
        long,
        value_name = "NAME",
        default_value = "runs",
        help_heading = "Database"
    )]
    pub(crate) table: String,
    /// Also store each row as it was received, as JSON in the column raw
    #[arg(long, help_heading = "Database")]
    pub(crate) raw: bool,
    /// Also store the names of Actors, in the table actors
    ///
    /// One request for each Actor that has no name there yet.
    #[arg(long, help_heading = "Database")]
    pub(crate) actor_names: bool,
    /// Mark stored runs that are gone from the list, in the column deleted_at
    ///
    /// Reads the whole list once more at the end. The rows stay.
    #[arg(
        long,
        conflicts_with_all = ["follow", "status", "other_status"],
        help_heading = "Database"
    )]
    pub(crate) reconcile: bool,
    /// Read the list from its beginning again; rows are replaced, and none is removed
    #[arg(long, help_heading = "Database")]
    pub(crate) restart: bool,
    /// Also print the summary as a JSON object to standard output
    #[arg(long, help_heading = "Database")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) walk: WalkArguments,
    #[command(flatten)]
    pub(crate) metrics: MetricsArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) actors: ActorsArguments,
    /// Watch runs that started up to this time before the first start
    #[arg(
        long,
        value_name = "TIME",
        default_value = "7d",
        value_parser = duration,
        help_heading = "Which runs"
    )]
    pub(crate) started_within: Duration,
    /// Also alert once for each run that has not finished this long after its start
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Which runs")]
    pub(crate) max_running: Option<Duration>,
    /// Print alerts as JSON, one a line, instead of text
    #[arg(long, help_heading = "Alerts")]
    pub(crate) json: bool,
    /// POST each alert to this URL as JSON; set APIFY_RUNS_WEBHOOK instead to keep it secret
    #[arg(
        long,
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Alerts"
    )]
    pub(crate) webhook: Option<String>,
    /// POST in the format of Slack's incoming webhooks
    #[arg(long, requires = "webhook", help_heading = "Alerts")]
    pub(crate) slack: bool,
    /// Run this command for each alert, without a shell, with JSON on its input: 'cmd {id}
    /// {status}'
    #[arg(long, value_name = "COMMAND", value_hint = ValueHint::CommandString, help_heading = "Alerts")]
    pub(crate) exec: Option<String>,
    /// Send one summary in each such period instead of single alerts; none without alerts
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Alerts")]
    pub(crate) summary: Option<Duration>,
    /// The file for the position in each list, and for alerts that are not delivered yet
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        default_value = "apify-runs-watch.json",
        help_heading = "Watching"
    )]
    pub(crate) state: PathBuf,
    /// Read each list once, for cron; exit with 0 if all alerts are delivered, with 5 if some are
    /// kept
    #[arg(long, help_heading = "Watching")]
    pub(crate) once: bool,
    /// How long to wait between two passes over a list
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration,
        help_heading = "Watching"
    )]
    pub(crate) interval: Duration,
    /// How late a run may appear in the list and still be found
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        help_heading = "Watching"
    )]
    pub(crate) lookback: Duration,
    #[command(flatten)]
    pub(crate) metrics: MetricsArguments,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DestinationArguments {
    /// A file, a folder (with a / at its end), a URL such as s3://bucket/prefix, or - for standard
    /// output
    ///
    /// With several Actors, each has an output of its own: a folder in this folder, or a name in
    /// which {actor} is replaced, such as runs/{actor}.jsonl.
    ///
    /// Folders and object storage get parts and a manifest of those that count. A URL is
    /// s3://bucket/prefix, gs://bucket/prefix for Google Cloud Storage, az://container/prefix or
    /// abfss://container@account.dfs.core.windows.net/prefix for Azure, or file:///path.
    ///
    /// Credentials are read from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    /// AWS_REGION and AWS_ENDPOINT_URL; GOOGLE_APPLICATION_CREDENTIALS; AZURE_STORAGE_ACCOUNT_NAME
    /// and AZURE_STORAGE_ACCOUNT_KEY; and the like) or from the machine's role.
    #[arg(long, short, value_name = "OUT", value_hint = ValueHint::AnyPath)]
    pub(crate) out: OsString,
    /// jsonl, jsonl.gz, jsonl.zst, csv, csv.gz, csv.zst or parquet
    ///
    /// If it is not given, the ending of OUT decides. Parquet is written as a folder of parts.
    #[arg(long, value_parser = format)]
    pub(crate) format: Option<Format>,
    /// Only these fields, in this order, such as id,status,meta.origin
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,
    /// Also allow fields that the API reference does not list; only jsonl has them
    #[arg(long, requires = "fields", hide_short_help = true)]
    pub(crate) any_field: bool,
    /// Where the checkpoint of a file or of standard output is; OUT.checkpoint for a file
    ///
    /// Folders and object storage have theirs in the manifest. Without one, an export into
    /// standard output cannot resume where it stopped.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Discard what is in the output, and start again
    #[arg(long)]
    pub(crate) restart: bool,
    /// After how many rows a part ends, in a folder or in object storage
    #[arg(
        long,
        value_name = "N",
        default_value = "250000",
        hide_short_help = true
    )]
    pub(crate) part_rows: u64,
    /// How long a row may wait for its part to end
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration, hide_short_help = true)]
    pub(crate) part_interval: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which runs")]
pub(crate) struct RowArguments {
    /// When a run is written
    #[arg(long, value_name = "WHEN", default_value = "snapshot")]
    pub(crate) emit: EmitChoice,
    /// Newest first
    #[arg(long, conflicts_with = "follow")]
    pub(crate) desc: bool,
    /// At most N runs, over all starts
    #[arg(long, value_name = "N")]
    pub(crate) max_items: Option<u64>,
}

/// How lists are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which runs")]
pub(crate) struct WalkArguments {
    /// Keep running, and read new runs after each --interval
    #[arg(long)]
    pub(crate) follow: bool,
    /// How long to wait between two passes over the list
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        value_parser = duration,
        requires = "follow"
    )]
    pub(crate) interval: Duration,
    /// How late a run may appear in the list and still be found
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, hide_short_help = true)]
    pub(crate) lookback: Duration,
    /// With several Actors, how many lists are read at once
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        value_parser = positive,
        help_heading = "Requests",
        hide_short_help = true
    )]
    pub(crate) parallel: usize,
    /// How many runs to request per page; 1000 if it is not given
    #[arg(
        long,
        value_name = "N",
        help_heading = "Requests",
        hide_short_help = true
    )]
    pub(crate) page_size: Option<u32>,
    /// How many pages are requested at once; as many as the rate needs if it is not given
    #[arg(
        long,
        value_name = "N",
        help_heading = "Requests",
        hide_short_help = true
    )]
    pub(crate) concurrency: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArguments {
    /// Serve metrics for Prometheus here, at /metrics, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS", value_parser = address, hide_short_help = true)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Allow --metrics an address that other machines reach; anyone there can read the metrics
    #[arg(long, requires = "metrics", hide_short_help = true)]
    pub(crate) metrics_public: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmitChoice {
    /// Once, as it is when the export reaches it
    Snapshot,
    /// Once, when it has finished
    Finished,
    /// When the export reaches it, and again when it has finished
    Changes,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// An output: a file, a folder or a URL such as s3://bucket/prefix
    #[arg(value_name = "OUT", value_hint = ValueHint::AnyPath)]
    pub(crate) out: OsString,
    /// Where the checkpoint of a file is; OUT.checkpoint if it is not given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a format.
fn format(text: &str) -> Result<Format, String> {
    text.parse().map_err(|_| {
        "it must be jsonl, jsonl.gz, jsonl.zst, csv, csv.gz, csv.zst or parquet".into()
    })
}

/// Reads a number from 1 on.
fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "it must be a number from 1 on".into())
}

/// Reads an address with a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "it must be an IP address and a port, such as 127.0.0.1:9464".into())
}
