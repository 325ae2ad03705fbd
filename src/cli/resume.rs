//! The command that goes on.

use std::borrow::Cow;

/// The command that this process was started with, as it can be typed into a shell: without what
/// would start the export again from its beginning.
pub(super) fn command() -> String {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    joined(arguments)
}

fn joined(arguments: impl Iterator<Item = String>) -> String {
    let kept = arguments.filter(|argument| argument != "--restart");
    let quoted = kept.map(|argument| match shlex::try_quote(&argument) {
        Ok(quoted) => quoted.into_owned(),
        // An argument with a NUL cannot be.
        Err(_) => Cow::Borrowed(argument.as_str()).into_owned(),
    });
    quoted.collect::<Vec<_>>().join(" ")
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
        let command = joined(words.into_iter().map(Into::into));
        assert_eq!(command, "./apify-runs export --out 'my runs.jsonl' 'a~b'");
    }
}
