//! Serves generated runs on a loopback socket, for clients in other languages.
//!
//! `cargo run --features emulator --example emulator -- 2500 ids.txt` serves 2500 runs and
//! writes their IDs, in the order of the list, to `ids.txt`. The first line it prints is the
//! base URL, the second the token. It ends when its standard input does.

use std::error::Error;
use std::io::Read;

use apify_runs::emulator::Emulator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().map_or(Ok(1000), |runs| runs.parse())?;
    let emulator = Emulator::builder().runs(runs).start().await?;
    if let Some(path) = arguments.next() {
        let runs = (0..emulator.len()).filter_map(|index| emulator.run(index));
        let ids: Vec<_> = runs
            .filter_map(|run| run["id"].as_str().map(str::to_owned))
            .collect();
        std::fs::write(path, ids.join("\n") + "\n")?;
    }
    println!("{}\n{}", emulator.base_url(), emulator.token());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
