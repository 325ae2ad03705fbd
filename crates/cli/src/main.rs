//! `apify-runs`: every run of an Apify Actor in a file. See `apify-runs --help`.

mod arguments;
mod command;
mod console;
mod counts;
mod destination;
mod emulate;
mod examples;
mod exit;
mod export;
mod exporter;
mod fields;
mod flags;
mod generated;
mod input;
mod inspect;
mod lists;
mod ls;
mod metrics;
mod progress;
mod query;
mod replace;
mod report;
mod resume;
mod schedule;
mod service;
mod signals;
mod split;
mod statuses;
mod stdout;
mod summary;
mod sync;
mod times;
mod token;
mod walk;
mod watch;

use std::process::ExitCode;

use clap::FromArgMatches;

use arguments::{Arguments, Command, LogFormat};
use console::Console;
use exit::{Exit, Failure};

/// Reads the arguments, does what they say, and returns how it went.
fn main() -> ExitCode {
    let command = command::command();
    let parsed = command.color(command::color_of_help()).try_get_matches();
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            if !error.use_stderr() {
                // It is no failure if nobody reads the help.
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            match command::log_format_of_errors() {
                LogFormat::Text => drop(error.print()),
                LogFormat::Json => console::print_usage_error(&error.to_string()),
            }
            return Exit::Usage.into();
        }
    };
    let console = Console::new(&arguments.messages);
    console.show_events(&arguments.messages);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(arguments.command, &console));
            // Dropped, it would close connections under requests that are given up anyway, and
            // these would say so.
            std::mem::forget(runtime);
            result
        }
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.into()
        }
    }
}

async fn run(command: Command, console: &Console) -> Result<Exit, Failure> {
    match command {
        Command::Export(arguments) => export::run(arguments, console).await,
        Command::Sync(arguments) => sync::run(arguments, console).await,
        Command::Watch(arguments) => watch::run(arguments, console).await,
        Command::Split(arguments) => split::run(arguments, console).await,
        Command::Ls(arguments) => ls::run(arguments, console).await,
        Command::Report(arguments) => report::run(arguments, console).await,
        Command::Count(arguments) => inspect::count(arguments, console).await,
        Command::Verify(arguments) => inspect::verify(arguments).await,
        Command::Status(arguments) => inspect::status(arguments).await,
        Command::Emulate(arguments) => emulate::run(arguments).await,
        Command::Completions { shell } => generated::completions(shell),
        Command::Man => generated::man(),
    }
}
