//! Serves generated runs on a loopback socket, for clients in other languages.
//!
//! `cargo run --example emulator -- 2500 ids.txt` serves 2500 runs. The
//! first line it prints is the base URL, the second the token. When its standard input ends,
//! it writes the IDs of the runs on the list to `ids.txt`, in the order of the list, and ends.

use std::error::Error;
use std::io::Read;

use apify_runs::emulator::Emulator;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().map_or(Ok(1000), |runs| runs.parse())?;
    let out = arguments.next();
    // Some clients refuse a page with a row that lacks a field.
    let emulator = Emulator::builder().runs(runs).complete_rows();
    let emulator = emulator.start().await?;
    println!("{}\n{}", emulator.base_url(), emulator.token());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;

    if let Some(out) = out {
        let runs = (0..emulator.len()).filter_map(|index| emulator.run(index));
        let ids = runs.filter_map(|run| Some(format!("{}\n", run["id"].as_str()?)));
        std::fs::write(out, ids.collect::<String>())?;
    }
    Ok(())
}
