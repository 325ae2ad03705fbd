//! Lets a client walk the emulator, and prints the seconds each walk took.
//!
//! `measure LATENCY_MS RUNS WALKS FORM WALKER…` starts the walker with `BASE_URL TOKEN` behind its
//! own arguments. For each line on its stdin the walker walks all runs, counts them, and prints
//! `COUNT SECONDS`. The first walk warms up and is not printed. JSON is
//! `indented`, as the service's is, or `compact`.

use std::error::Error;
use std::process::Stdio;
use std::time::{Duration, Instant};

use apify_runs::emulator::Emulator;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::{task, time};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long a walk may take.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [latency, runs, walks, form, walker @ ..] = &arguments[..] else {
        return Err("usage: measure LATENCY_MS RUNS WALKS FORM WALKER…".into());
    };
    let latency = Duration::from_millis(latency.parse()?);
    let (runs, walks): (u64, usize) = (runs.parse()?, walks.parse()?);
    let builder = Emulator::builder().runs(runs).latency(latency);
    let builder = match &form[..] {
        "indented" => builder,
        "compact" => builder.compact(),
        _ => return Err(format!("neither indented nor compact: {form}").into()),
    };
    let builder = builder.complete_rows().keep_pages();
    let emulator = builder.start().await?;
    let mut walker = Walker::start(walker, &emulator)?;

    // The first walk opens connections, lets the emulator render its pages, and JavaScript
    // compile. It need not wait for that: on a clock that is turned by hand, each latency is
    // over at once.
    time::pause();
    tokio::select! {
        seconds = walker.walk(runs) => seconds?,
        () = stay_awake(async || time::advance(latency).await) => return Err("too slow".into()),
    };
    time::resume();

    let mut measured = Vec::new();
    for _ in 0..walks {
        let seconds = tokio::select! {
            seconds = walker.walk(runs) => seconds?,
            () = stay_awake(task::yield_now) => return Err("too slow".into()),
        };
        measured.push(seconds.to_string());
    }
    walker.stop().await?;
    println!("{}", measured.join(" "));
    Ok(())
}

/// Keeps the runtime busy until patience ends. A server that sleeps between two requests must
/// be woken up, which takes longer than its work and would be measured too.
async fn stay_awake(turn: impl AsyncFn()) {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        turn().await;
    }
}

/// A process that walks when it is told to.
struct Walker {
    process: Child,
    stdin: ChildStdin,
    responses: Lines<BufReader<ChildStdout>>,
}

impl Walker {
    fn start(command: &[String], emulator: &Emulator) -> Result<Self> {
        let (program, arguments) = command.split_first().ok_or("no walker")?;
        let mut process = Command::new(program)
            .args(arguments)
            .args([&emulator.base_url(), emulator.token()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = process.stdin.take().ok_or("no stdin")?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let responses = BufReader::new(stdout).lines();
        Ok(Self {
            process,
            stdin,
            responses,
        })
    }

    /// How many seconds a walk took, if it saw as many runs as there are.
    async fn walk(&mut self, runs: u64) -> Result<f64> {
        self.stdin.write_all(b"\n").await?;
        let response = self.responses.next_line().await?;
        let response = response.ok_or("the walker ended without an response")?;
        let (count, seconds) = response.split_once(' ').ok_or("no two numbers")?;
        if count.parse() != Ok(runs) {
            return Err(format!("{count} of {runs} runs came").into());
        }
        Ok(seconds.parse()?)
    }

    async fn stop(mut self) -> Result<()> {
        drop(self.stdin);
        let status = self.process.wait().await?;
        if !status.success() {
            return Err(format!("the walker ended with {status}").into());
        }
        Ok(())
    }
}
