//! The command that resumes an export.

use std::ffi::OsString;

const RESTART: &str = "--restart";

/// The command that this process was started with, as it can be typed into a shell: without what
/// would start the export again from its beginning, unless that is still to be done. `None` if
/// it holds what is no text.
pub(crate) fn command(restarts: bool) -> Option<String> {
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().map(OsString::into_string).collect();
    let arguments = arguments.ok()?;
    let kept = kept(&arguments, restarts);
    match cfg!(windows) {
        true => Some(joined_for_windows(kept)),
        false => shlex::try_join(kept).ok(),
    }
}

fn kept(arguments: &[String], restarts: bool) -> impl Iterator<Item = &str> {
    let arguments = arguments.iter().map(String::as_str);
    arguments.filter(move |argument| restarts || *argument != RESTART)
}

fn joined_for_windows<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(quoted_for_windows).collect();
    words.join(" ")
}

/// A word as programs for Windows read it, in quotes if it holds what a shell there may read as
/// something else.
fn quoted_for_windows(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || r"-_.:/\=+~".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    let mut quoted = String::from('"');
    let mut backslashes = 0;
    for letter in word.chars() {
        // Backslashes mean themselves, but before a quote.
        if letter == '"' {
            quoted.push_str(&"\\".repeat(backslashes + 1));
        }
        backslashes = if letter == '\\' { backslashes + 1 } else { 0 };
        quoted.push(letter);
    }
    quoted + &"\\".repeat(backslashes) + "\""
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
        let command = |restarts| shlex::try_join(kept(&words, restarts)).unwrap();
        assert_eq!(
            command(false),
            "./apify-runs export --out 'my runs.jsonl' 'a~b'"
        );
        assert_eq!(
            command(true),
            "./apify-runs export --restart --out 'my runs.jsonl' 'a~b'"
        );
    }

    #[test]
    fn for_windows_it_is_quoted_only_where_a_shell_would_not_understand() {
        for (word, expected) in [
            (r"C:\tools\apify-runs.exe", r"C:\tools\apify-runs.exe"),
            ("janedoe/my-actor", "janedoe/my-actor"),
            ("--page-size=10", "--page-size=10"),
            ("", r#""""#),
            (r"C:\my runs\a.jsonl", r#""C:\my runs\a.jsonl""#),
            (r"C:\my runs\", r#""C:\my runs\\""#),
            ("id,status", r#""id,status""#),
            ("it's", r#""it's""#),
            ("a&b", r#""a&b""#),
            (r#"a"b"#, r#""a\"b""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(quoted_for_windows(word), expected, "{word}");
        }
        let words = ["apify-runs.exe", "export", "--out", "my runs.jsonl"];
        let command = joined_for_windows(words.into_iter());
        assert_eq!(command, r#"apify-runs.exe export --out "my runs.jsonl""#);
    }
}
