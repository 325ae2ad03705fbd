//! What the walkers written in Rust have in common.

use std::error::Error;
use std::io;
use std::time::Instant;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Walks once for each line on stdin, and prints how many runs came and how many seconds that
/// took.
pub async fn walk_for_each_line(walk: impl AsyncFn() -> Result<u64>) -> Result<()> {
    for line in io::stdin().lines() {
        line?;
        let started = Instant::now();
        let runs = walk().await?;
        println!("{runs} {}", started.elapsed().as_secs_f64());
    }
    Ok(())
}
