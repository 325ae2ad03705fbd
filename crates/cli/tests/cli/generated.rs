//! `completions` and `man`.

#[cfg(unix)]
use std::process::Stdio;

use super::*;

fn completions(shell: &str) -> String {
    let completions = program().args(["completions", shell]).assert().success();
    assert_eq!(stderr(&completions), "");
    stdout(&completions)
}

#[test]
fn each_shell_gets_a_script_that_knows_commands_and_flags() {
    for (shell, beginning) in [
        ("bash", "_apify__runs()"),
        ("zsh", "#compdef apify-runs"),
        ("fish", "# Print an optspec"),
        (
            "powershell",
            "\nusing namespace System.Management.Automation",
        ),
    ] {
        let script = completions(shell);
        assert!(script.starts_with(beginning), "{shell}: {script}");
        for word in ["export", "verify", "emulate", "token-file", "part-rows"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

/// Lets a program read a script, if there is that program.
#[cfg(unix)]
#[track_caller]
fn understands(program: &str, arguments: &[&str], script: &str) {
    let (_folder, path) = place("script");
    std::fs::write(&path, script).unwrap();
    let mut command = std::process::Command::new(program);
    match command.args(arguments).arg(&path).output() {
        Ok(output) => assert!(output.status.success(), "{program}: {output:?}"),
        Err(_) => skip(&format!("there is no {program}")),
    }
}

#[cfg(unix)]
#[test]
fn the_shells_understand_their_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        understands(shell, &["-n"], &completions(shell));
    }
}

#[cfg(unix)]
#[test]
fn bash_completes_commands_and_flags() {
    let (_folder, path) = place("script");
    std::fs::write(&path, completions("bash")).unwrap();
    let complete = r#". "$1"; COMP_WORDS=(apify-runs export --part); COMP_CWORD=2
        _apify__runs apify-runs --part export; echo "${COMPREPLY[@]}""#;
    let mut bash = std::process::Command::new("bash");
    let bash = bash.args(["-c", complete, "bash"]).arg(&path);
    let Ok(output) = bash.stderr(Stdio::inherit()).output() else {
        return skip("there is no bash");
    };
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found, "--part-rows --part-interval\n");
}

#[test]
fn the_manual_page_has_all_commands() {
    let man = program().arg("man").assert().success();
    assert_eq!(stderr(&man), "");
    let page = stdout(&man);
    assert!(page.contains(".TH apify-runs 1"), "{page}");
    for command in ["EXPORT", "COUNT", "VERIFY", "STATUS", "EMULATE"] {
        let heading = format!(".SH \"APIFY-RUNS {command}\"");
        assert!(page.contains(&heading), "{command}");
    }
    assert!(page.contains("Exit codes"), "{page}");
    #[cfg(unix)]
    understands("groff", &["-man", "-Tutf8", "-ww", "-z"], &page);
}
