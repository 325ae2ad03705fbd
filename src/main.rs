//! `apify-runs`: every run of an Apify Actor in a file. See `apify-runs --help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
