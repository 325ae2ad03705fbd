//! The arguments of `report`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::by::By;
use crate::times::{When, when};

/// Examples, for `--help`.
const EXAMPLES: &str = "\
Examples:
  apify-runs report sqlite:runs.db --since 30d
  apify-runs report postgres://me@db/warehouse --out report.html
  apify-runs report runs.jsonl.zst --by origin --csv
  apify-runs report --demo --out demo.html";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArguments {
    /// A database of `sync` (sqlite:FILE, postgres://…), or a file or folder of `export`
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) source: Option<String>,
    /// Generated runs of a made-up account instead, over the year 2025
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "100000",
        conflicts_with_all = ["source", "schema", "table"],
    )]
    pub(crate) demo: Option<u64>,
    /// The schema of the tables in PostgreSQL; apify if it is not given
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Option<String>,
    /// The table of the runs; runs if it is not given
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// Only runs that started then or later: 2025-09-01, 2025-09-01T10:00:00Z, 30d, 12h
    #[arg(long, value_name = "TIME", value_parser = when, help_heading = "Which runs")]
    pub(crate) since: Option<When>,
    /// Only runs that started before this time, or up to the end of this day
    #[arg(long, value_name = "TIME", value_parser = when, help_heading = "Which runs")]
    pub(crate) until: Option<When>,
    /// What to group runs by, instead of by day and by Actor
    #[arg(long, value_name = "WHAT", help_heading = "Output")]
    pub(crate) by: Option<By>,
    /// Print a JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print CSV
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) csv: bool,
    /// Write one HTML page to this file, replacing an existing page; - is standard output
    #[arg(
        long,
        short,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["json", "csv"],
        help_heading = "Output"
    )]
    pub(crate) out: Option<PathBuf>,
}
