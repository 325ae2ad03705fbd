//! The command line as it is read: the arguments, and what is the same for all of them.

use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, ColorChoice, Command, CommandFactory};

use crate::arguments::{Arguments, LogFormat};
use crate::examples::EXAMPLES;
use crate::{exit, token, watch};

/// The command line as it is read.
pub(crate) fn command() -> Command {
    let instead_of_actor = |command: Command, others: &'static [&'static str]| {
        command.mut_arg("actor", |actor| actor.required_unless_present_any(others))
    };
    let command = Arguments::command()
        .mut_subcommand("export", |export| {
            instead_of_actor(export, &["split", "actors_file"])
        })
        .mut_subcommand("split", |split| instead_of_actor(split, &["actors_file"]))
        .mut_subcommand("sync", |sync| instead_of_actor(sync, &["actors_file"]))
        .mut_subcommand("watch", |watch| {
            watch::adapted(instead_of_actor(watch, &["actors_file"]))
        })
        .mut_subcommand("count", with_one_actor)
        .mut_subcommand("ls", with_one_actor);
    with_ends_of_help(with_environment(command))
}

fn with_one_actor(command: Command) -> Command {
    command.mut_arg("actor", |actor| actor.action(ArgAction::Set).num_args(1))
}

/// Lets a variable of the environment take the place of each flag: `APIFY_RUNS_PAGE_SIZE` that of
/// `--page-size`.
fn with_environment(command: Command) -> Command {
    let with_variable = |argument: Arg| match argument.get_long() {
        // A variable that stays set would restart each time.
        None | Some("help" | "version" | "restart") => argument,
        Some(long) => {
            let name = variable(long);
            let argument = argument.env(name).hide_env(true);
            match argument.get_action() {
                ArgAction::SetTrue => argument.value_parser(BoolishValueParser::new()),
                _ => argument,
            }
        }
    };
    command
        .mut_args(with_variable)
        .mut_subcommands(|command| command.mut_args(with_variable))
}

/// The variable that takes the place of a flag.
fn variable(flag: &str) -> String {
    format!("APIFY_RUNS_{}", flag.to_uppercase().replace('-', "_"))
}

/// Ends the help of each command with examples, and `--help` of the commands that need a token with
/// the one that would be used.
fn with_ends_of_help(command: Command) -> Command {
    EXAMPLES
        .into_iter()
        .fold(command, |command, (name, examples)| {
            let mut end = vec![examples.to_owned()];
            if ["export", "sync", "split", "ls", "count"].contains(&name) {
                end.push(token::help());
            }
            if name == "export" {
                end.push(exit::HELP.into());
            }
            command.mut_subcommand(name, |command| {
                command
                    .after_help(examples)
                    .after_long_help(end.join("\n\n"))
            })
        })
}

/// The colours of help and of errors about arguments, which come before these are known.
pub(crate) fn color_of_help() -> ColorChoice {
    match (is_given("color", "always"), is_given("color", "never")) {
        (true, _) => ColorChoice::Always,
        (_, true) => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// How errors about arguments are written, which come before these are known.
pub(crate) fn log_format_of_errors() -> LogFormat {
    match is_given("log-format", "json") {
        true => LogFormat::Json,
        false => LogFormat::Text,
    }
}

/// Whether a flag has this value on the command line, or else in the environment.
fn is_given(flag: &str, value: &str) -> bool {
    let arguments: Vec<_> = std::env::args_os().collect();
    let joined = OsString::from(format!("--{flag}={value}"));
    let long = format!("--{flag}");
    let two = |pair: &[OsString]| pair[0] == *long && pair[1] == value;
    arguments.contains(&joined)
        || arguments.windows(2).any(two)
        || std::env::var_os(variable(flag)).is_some_and(|set| set == value)
}
