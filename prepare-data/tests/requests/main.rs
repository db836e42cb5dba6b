//! Requests to the object store: they do not grow with the history of the export, and one that fails does no harm.
//!
//! `LAKE_FOLDERS=35040 cargo test --workspace --test requests -- --nocapture` measures a year of folders every 15 minutes, with
//! 25 ms for each request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod failures;
mod lake;
mod store;

use crate::lake::Lake;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_run_do_not_grow_with_the_history_of_the_export() {
    let (counter, _turn) = store::count_requests().await;
    let folders = std::env::var("LAKE_FOLDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let lake = Lake::new();
    lake.add(0..20);
    lake.run(0).await;
    counter.delay(true);
    let (few, _) = lake.measure(&counter, 1, "20 folders, unchanged").await;
    counter.delay(false);
    lake.add(20..folders);
    lake.run(2).await;
    counter.delay(true);
    let (unchanged, seconds) = lake.measure(&counter, 3, &format!("{folders} folders, unchanged")).await;
    // Names of folders come in pages of 5,000, which are listed once. The commits of the run before are read, too.
    assert!(unchanged <= few + folders as u64 / 5_000 + 40, "{unchanged} requests, and {few} with few folders");
    assert!(seconds < 60.0, "{seconds} s");
    lake.add(folders..folders + 96);
    let (new, _) = lake.measure(&counter, 4, "96 new folders").await;
    assert!(new <= unchanged + 96 * 5 + 600, "{new} requests for 96 new folders");
}
