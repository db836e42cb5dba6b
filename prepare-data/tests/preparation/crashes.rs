//! A process that dies at any moment leaves every table readable, and the next run publishes what it would have.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sample_lake::Options;

use crate::lake::{Lake, small};

/// Kills runs after each new file that they make in a log, so that every commit is once the last before the end; then lets
/// one finish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_commit_the_next_run_is_right() {
    // Fewer tables, so that every commit can be the last in little time.
    let options = small();
    let further = [
        "retailloyaltycardrewardpointtrans",
        "retailloyaltycard",
        "retailloyaltyrewardpoint",
        "retailtransactiontable",
        "retailtransactionsalestrans",
    ];
    let without = options.without.iter().cloned().chain(further.map(str::to_owned)).collect();
    let mut lake = Lake::with(Options { without, ..options }).await;
    let mut deaths = 0;
    for round in 0..2 {
        if round == 1 {
            lake.goes_on().await;
        }
        while deaths < 60 && killed_after_a_commit(&lake, "out") {
            deaths += 1;
            // Whatever is there can be read.
            if lake.results("out").join("gold").exists() {
                for layer in ["silver", "gold"] {
                    for folder in std::fs::read_dir(lake.results("out").join(layer)).unwrap() {
                        let path = folder.unwrap().path();
                        if path.join("_delta_log").exists() {
                            crate::lake::rows(&crate::lake::open(&path).await).await;
                        }
                    }
                }
            }
        }
    }
    assert!(deaths > 15, "only {deaths} runs were killed");
    lake.prepare("out").await;
    lake.prepare("afresh").await;
    lake.assert_equal("out", "afresh", &["silver", "gold", "quality"]).await;
}

/// Starts a run and kills it when the first commit since its start is there; `false` if it finished before.
fn killed_after_a_commit(lake: &Lake, results: &str) -> bool {
    let out = lake.results(results);
    let before = commits(&out);
    let mut run = Command::new(env!("CARGO_BIN_EXE_prepare-data"))
        .args(["run", "--as-of", &lake.now().to_rfc3339()])
        .arg("--lake")
        .arg(lake.export())
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    loop {
        if let Some(status) = run.try_wait().unwrap() {
            assert!(status.success(), "the run failed by itself: {status}");
            return false;
        }
        if commits(&out) > before {
            run.kill().unwrap();
            run.wait().unwrap();
            return true;
        }
        assert!(started.elapsed() < Duration::from_secs(300), "the run neither commits nor ends");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn commits(out: &std::path::Path) -> usize {
    let mut count = 0;
    for layer in ["silver", "gold", "quality"] {
        let Ok(tables) = std::fs::read_dir(out.join(layer)) else { continue };
        for table in tables.flatten() {
            let log = std::fs::read_dir(table.path().join("_delta_log"));
            count += log.map_or(0, |files| {
                files.flatten().filter(|f| f.path().extension().is_some_and(|e| e == "json")).count()
            });
        }
    }
    count
}
