//! Messages on standard error.

use std::env;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar};
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter, fmt};

use crate::arguments::{ColorMode, LogFormat, MessageArguments, ProgressChoice};
use crate::exit::Failure;

/// Standard error, with lines of text or of JSON, and perhaps a bar below them.
#[derive(Clone)]
pub(crate) struct Console {
    bars: MultiProgress,
    format: LogFormat,
    progress: ProgressChoice,
    is_quiet: bool,
    is_verbose: bool,
    color: ColorMode,
    is_colored: bool,
}

/// What a line is about.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Info,
    Warning,
}

impl Console {
    pub(crate) fn new(arguments: &MessageArguments) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let progress = match arguments.progress {
            _ if arguments.quiet => ProgressChoice::None,
            // A bar would be in the way of lines that a program reads.
            ProgressChoice::Auto if !is_terminal || arguments.log_format == LogFormat::Json => {
                ProgressChoice::Plain
            }
            chosen => chosen,
        };
        Self {
            bars: MultiProgress::new(),
            format: arguments.log_format,
            progress,
            is_quiet: arguments.quiet,
            is_verbose: arguments.verbose > 0,
            color: arguments.color,
            is_colored: colors(arguments.color, is_terminal),
        }
    }

    /// How progress is shown: `Auto` is a bar.
    pub(crate) fn progress(&self) -> ProgressChoice {
        self.progress
    }

    /// Whether everything is to be said.
    pub(crate) fn is_verbose(&self) -> bool {
        self.is_verbose
    }

    /// Whether standard output is coloured, which may be a terminal.
    pub(crate) fn colors_output(&self, is_terminal: bool) -> bool {
        colors(self.color, is_terminal)
    }

    pub(crate) fn add(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    /// Writes the library's events: a list that moved, and under `--verbose` each page. They hold
    /// no token. Retries are shown by [`Service`](crate::service::Service).
    pub(crate) fn show_events(&self, arguments: &MessageArguments) {
        let level = match (arguments.quiet, arguments.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        };
        // Events of other crates may hold more than they should.
        let ours = filter::Targets::new()
            .with_target("apify_runs", level)
            .with_target("apify_runs::retry", LevelFilter::OFF);
        let lines = fmt::layer().with_writer(self.clone());
        let lines = match self.format {
            LogFormat::Text => lines
                .without_time()
                .with_target(false)
                .with_ansi(false)
                .boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        tracing_subscriber::registry()
            .with(lines.with_filter(ours))
            .init();
    }

    /// Writes a message, unless under `--quiet`.
    pub(crate) fn log(&self, level: Level, text: &str, fields: Value) {
        if self.is_quiet {
            return;
        }
        match (self.format, level) {
            (LogFormat::Json, Level::Info) => self.json("INFO", text, fields),
            (LogFormat::Json, Level::Warning) => self.json("WARN", text, fields),
            (LogFormat::Text, Level::Info) => self.line(text),
            (LogFormat::Text, Level::Warning) => {
                let warning = self.colored("warning:", AnsiColor::Yellow);
                self.line(&format!("{warning} {text}"));
            }
        }
    }

    /// Writes a result as a message, with its first word in colour. As JSON, further lines are only
    /// in the fields.
    pub(crate) fn result(&self, text: &str, fields: Value) {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        match self.format {
            LogFormat::Json => {
                let line = text.lines().next().unwrap_or_default();
                self.log(Level::Info, line, fields);
            }
            LogFormat::Text => {
                let color = match first {
                    "complete:" | "whole:" => AnsiColor::Green,
                    _ => AnsiColor::Yellow,
                };
                let first = self.colored(first, color);
                self.log(Level::Info, &format!("{first} {rest}"), fields);
            }
        }
    }

    /// Writes why the program fails, also under `--quiet`.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.format == LogFormat::Json {
            let fields = json!({"resume_command": failure.resume_command});
            return self.json("ERROR", &failure.message, fields);
        }
        let error = self.colored("error:", AnsiColor::Red);
        self.line(&format!("{error} {}", failure.message));
        if let Some(command) = &failure.resume_command {
            self.line(&format!("to resume: {command}"));
        }
    }

    /// Writes the command that resumes an export. As JSON, it is a field of the result.
    pub(crate) fn hint(&self, command: &str) {
        if self.format == LogFormat::Text {
            self.log(Level::Info, &format!("to resume: {command}"), Value::Null);
        }
    }

    fn json(&self, level: &str, message: &str, fields: Value) {
        self.line(&json_line(level, message, fields));
    }

    /// One line above the bar, written at once: a line of another thread does not come between
    /// it and its end. That nobody reads it is no failure.
    fn line(&self, text: &str) {
        let _ = AboveBar(self.clone()).write_all(format!("{text}\n").as_bytes());
    }

    fn colored(&self, text: &str, color: AnsiColor) -> String {
        if !self.is_colored {
            return text.into();
        }
        let style = Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{text}{style:#}")
    }
}

/// Whether what goes to a terminal, or to something else, is coloured.
fn colors(mode: ColorMode, is_terminal: bool) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    match mode {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto => is_terminal && !is_set("NO_COLOR") && !is_dumb,
    }
}

/// Writes why the arguments cannot be used, as JSON: there is no [`Console`] before they are read.
pub(crate) fn print_usage_error(message: &str) {
    let message = message.trim().trim_start_matches("error: ");
    eprintln!("{}", json_line("ERROR", message, json!({})));
}

fn json_line(level: &str, message: &str, fields: Value) -> String {
    let timestamp = chrono::Utc::now();
    let mut line = json!({
        "timestamp": timestamp.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
        "level": level,
        "message": message,
    });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    }
    line.to_string()
}

/// Standard error, above the bar.
pub(crate) struct AboveBar(Console);

impl Write for AboveBar {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.bars.suspend(|| io::stderr().write_all(text))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = AboveBar;

    fn make_writer(&'a self) -> AboveBar {
        AboveBar(self.clone())
    }
}
