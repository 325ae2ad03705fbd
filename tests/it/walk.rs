//! A walk over a list that stands still.

use apify_runs::emulator::Emulator;
use futures::TryStreamExt;

#[tokio::test(start_paused = true)]
async fn every_run_comes_once_and_in_order() {
    let emulator = Emulator::builder()
        .runs(2500)
        .virtual_time()
        .start()
        .await
        .unwrap();
    let runs: Vec<_> = emulator
        .client()
        .runs("a")
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(runs.len(), 2500);
    for (index, run) in runs.iter().enumerate() {
        let expected = emulator.run(index as u64).unwrap();
        assert_eq!(expected["id"], run.id.as_str());
    }
    assert_eq!(emulator.requests().len(), 3);
}
