//! Alerts as input of a command.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::alert::Alert;
use super::attempt::Undelivered;
use crate::exit::Failure;
use crate::flags;

/// How long the command may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The names allowed in braces: the fields of an alert, and its text.
const PLACEHOLDERS: [&str; 15] = [
    "id",
    "kind",
    "run",
    "actor",
    "status",
    "started_at",
    "finished_at",
    "duration_seconds",
    "cost_usd",
    "url",
    "from",
    "to",
    "total",
    "counts",
    "text",
];

/// A command that is run for each alert.
pub(crate) struct Exec {
    program: String,
    arguments: Vec<String>,
}

impl Exec {
    pub(crate) fn new(command: &str) -> Result<Self, Failure> {
        // The command is not named: it may hold a secret, such as the URL of a webhook.
        let wrong = |expected: &str| Failure::usage(flags::invalid("--exec", "", expected));
        let words = shlex::split(command);
        let mut words = words
            .ok_or_else(|| wrong("a quote is not closed"))?
            .into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program =
            program.ok_or_else(|| wrong("it must be a command, such as 'notify {id}'"))?;
        if !exists(&program) {
            // It may be `TOKEN=… program`, as for a shell.
            let expected = "its first word is no program that can be found; it is run without a \
                            shell";
            return Err(wrong(expected));
        }
        let arguments: Vec<String> = words.collect();
        for argument in &arguments {
            let mut unknown = None;
            replaced(argument, |name| {
                if !PLACEHOLDERS.contains(&name) {
                    unknown = Some(name.to_owned());
                }
                String::new()
            });
            if let Some(name) = unknown {
                let names = PLACEHOLDERS.join(", ");
                return Err(wrong(&format!("{{{name}}} is none of {names}")));
            }
        }
        Ok(Self { program, arguments })
    }

    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Runs the command for an alert. What it prints goes to standard error.
    pub(crate) async fn deliver(&self, alert: &Alert) -> Result<(), Undelivered> {
        let failed = |reason| Undelivered::Refused { reason };
        match timeout(TIMEOUT, self.run(alert)).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(status.to_string())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!(
                "it did not end within {} s",
                TIMEOUT.as_secs()
            ))),
        }
    }

    async fn run(&self, alert: &Alert) -> io::Result<ExitStatus> {
        let fields = alert.fields();
        let value = |name: &str| match name {
            "text" => alert.text(),
            name => shown(&fields[name]),
        };
        let arguments = self.arguments.iter();
        let mut command = Command::new(&self.program);
        command
            .args(arguments.map(|argument| replaced(argument, value)))
            .stdin(Stdio::piped())
            // Standard output has the alerts.
            .stdout(io::stderr())
            .kill_on_drop(true);
        // An interrupt of this program does not end the command.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn()?;
        if let Some(mut input) = process.stdin.take() {
            // Not all commands read it.
            let _ = input.write_all(format!("{fields}\n").as_bytes()).await;
        }
        process.wait().await
    }
}

/// A value as an argument. One that is not known is empty.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The text with each `{name}` replaced by its value.
fn replaced(text: &str, mut value: impl FnMut(&str) -> String) -> String {
    let is_name = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let (mut replaced, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        replaced.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                replaced.push_str(&value(name));
                rest = after;
            }
            None => {
                replaced.push('{');
                rest = after;
            }
        }
    }
    replaced + rest
}

/// Whether a program can be found.
#[cfg(unix)]
fn exists(program: &str) -> bool {
    if program.contains('/') {
        return std::path::Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(not(unix))]
fn exists(_: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_braces_are_replaced() {
        let shown = |text: &str| replaced(text, str::to_uppercase);
        assert_eq!(shown("run {id}: {status}"), "run ID: STATUS");
        assert_eq!(shown("{} {a b} {\"a\":{id}} {"), "{} {a b} {\"a\":ID} {");
    }

    #[test]
    fn a_wrong_command_is_refused() {
        let message = |command: &str| {
            let failure = Exec::new(command).map(|_| ()).unwrap_err();
            assert_eq!(failure.exit, crate::exit::Exit::Usage);
            failure.message
        };
        assert!(message("").contains("must be a command"));
        assert!(message("'' a").contains("must be a command"));
        assert!(message("sh 'a").contains("quote"));
        assert!(message("sh {idd}").contains("{idd} is none of id, "));
        #[cfg(unix)]
        for command in ["no-such-program", "TOKEN=secret sh"] {
            let message = message(command);
            assert!(message.contains("no program"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
