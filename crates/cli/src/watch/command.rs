//! The command line of `apify-runs watch`, whose shared flags have another meaning.

use clap::Command;

use crate::times::When;
use crate::token;

const EXAMPLES: &str = "\
Examples:
  apify-runs watch --account
  APIFY_RUNS_WEBHOOK=https://hooks.slack.com/… apify-runs watch --account --slack
  apify-runs watch janedoe/shop --exec 'notify-send {status} {url}' --max-running 2h
  */5 * * * *  apify-runs watch --account --once --state /data/watch.json --quiet";

/// Flags that `-h` leaves out to fit on one screen.
const LONG_HELP_ONLY: [&str; 8] = [
    "demo",
    "other_status",
    "token_file",
    "base_url",
    "rate",
    "total_rate",
    "max_retries",
    "timeout",
];

/// The command, with the help of shared flags adapted.
pub(crate) fn adapted(command: Command) -> Command {
    let command = LONG_HELP_ONLY.into_iter().fold(command, |command, name| {
        command.mut_arg(name, |argument| argument.hide_short_help(true))
    });
    command
        .mut_arg("since", |since| {
            since
                .help("At the first start, alert for runs that ended at this time or later [default: now]")
                .long_help(None)
        })
        .mut_arg("status", |status| {
            status
                .help("Alert for runs that end with one of these statuses")
                .default_value("FAILED,TIMED-OUT,ABORTED")
                .hide_possible_values(true)
        })
        .mut_arg("until", |until| until.hide(true).value_parser(no_end))
        .after_help(EXAMPLES)
        .after_long_help(format!("{EXAMPLES}\n\n{}", token::help()))
}

/// Refuses `--until`.
fn no_end(_: &str) -> Result<When, String> {
    Err("a watch has no end: leave it out".into())
}
