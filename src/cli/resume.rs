//! The command that goes on.

use std::ffi::OsString;

const RESTART: &str = "--restart";

/// The command that this process was started with, as it can be typed into a shell: without what
/// would start the export again from its beginning, unless that is still to be done. `None` if
/// it holds what is no text.
pub(super) fn command(restarts: bool) -> Option<String> {
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().map(OsString::into_string).collect();
    joined(&arguments.ok()?, restarts)
}

fn joined(arguments: &[String], restarts: bool) -> Option<String> {
    let kept = |argument: &&String| restarts || *argument != RESTART;
    let kept = arguments.iter().filter(kept);
    shlex::try_join(kept.map(String::as_str)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_quoted_and_does_not_start_again() {
        let words = [
            "./apify-runs",
            "export",
            "--restart",
            "--out",
            "my runs.jsonl",
            "a~b",
        ];
        let words = words.map(String::from);
        let command = |restarts| joined(&words, restarts).unwrap();
        assert_eq!(
            command(false),
            "./apify-runs export --out 'my runs.jsonl' 'a~b'"
        );
        assert_eq!(
            command(true),
            "./apify-runs export --restart --out 'my runs.jsonl' 'a~b'"
        );
    }
}
