//! The commands in code blocks of README.md, `docs/` and the other pages.

use super::*;

/// A line of a code block that a shell runs.
struct Line {
    /// The page and the number of the line.
    place: String,
    words: Vec<String>,
}

/// The lines of all pages that a shell runs.
fn lines() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut lines = Vec::new();
    for folder in ["", "crates/cli/", "docs/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                let page = format!("{folder}{name}");
                let text = std::fs::read_to_string(root.join(&page)).unwrap();
                lines.extend(lines_of(&page, &text));
            }
        }
    }
    lines
}

fn lines_of(page: &str, text: &str) -> Vec<Line> {
    let (mut lines, mut language) = (Vec::new(), "");
    let mut numbered = text.lines().zip(1..);
    while let Some((line, number)) = numbered.next() {
        if let Some(after) = line.strip_prefix("```") {
            language = after;
            continue;
        }
        let command = match language {
            "sh" => line,
            "console" => line.strip_prefix("$ ").unwrap_or_default(),
            // Five fields say when.
            "crontab" => line.splitn(6, ' ').last().unwrap_or_default(),
            _ => continue,
        };
        let mut command = command.to_owned();
        while command.ends_with('\\') {
            command.pop();
            command.push_str(numbered.next().unwrap().0);
        }
        let place = format!("{page}:{number}");
        let words = shlex::split(&command).expect(&place);
        lines.push(Line { place, words });
    }
    lines
}

/// The arguments of each `apify-runs` in a line, which may stand behind a pipe.
fn commands(line: &Line) -> impl Iterator<Item = &[String]> {
    let commands = line
        .words
        .split(|word| ["|", "&&", ";"].contains(&word.as_str()));
    commands.filter_map(|command| {
        let is_variable = |word: &&String| word.contains('=');
        let variables = command.iter().take_while(is_variable).count();
        let (program, arguments) = command[variables..].split_first()?;
        let is_redirection = |word: &String| word.starts_with(['>', '<']);
        let end = arguments.iter().position(is_redirection);
        (program == "apify-runs").then_some(&arguments[..end.unwrap_or(arguments.len())])
    })
}

#[test]
fn the_commands_on_the_pages_are_right_usage() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("actors.txt"), "janedoe/one\n").unwrap();
    // An export of generated runs needs no token. It does not overwrite this file.
    std::fs::write(folder.path().join("runs.jsonl"), "{}\n").unwrap();
    let split = include_str!("../../../../tests/fixtures/v1/split.json");
    let lines = lines();
    let mut count = 0;
    for line in &lines {
        for arguments in commands(line) {
            let mut command = program();
            command
                .args(arguments)
                .current_dir(&folder)
                .write_stdin(split);
            let output = command.output().unwrap();
            // Without a token, right usage fails, too.
            let code = output.status.code();
            let is_right = matches!(code, Some(0 | 1 | 4 | 6));
            assert!(is_right, "{}: {arguments:?}: {output:?}", line.place);
            count += 1;
        }
    }
    assert!(count >= 10, "{count} commands");
}

#[test]
fn commands_are_found() {
    let text = "```console\n$ sed 1p | A=b apify-runs count 'a b' > c # it's\nnone\n```\n\
        ```sh\ncargo add apify-runs\napify-runs status \\\n  b\n```\napify-runs none\n\
        ```crontab\n1 * * * *  apify-runs verify c\n```\n";
    let lines = lines_of("page", text);
    let found: Vec<_> = lines.iter().flat_map(commands).collect();
    assert_eq!(found, [["count", "a b"], ["status", "b"], ["verify", "c"]]);
}
