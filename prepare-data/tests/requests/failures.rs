//! Requests that fail, and processes that end between two requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prepare_data::Result;
use prepare_data::engine::Engine;
use prepare_data::erase::{Erasure, erase};
use prepare_data::inspect::{Inspection, inspect};
use prepare_data::lake::DEFAULT_PATTERNS;
use prepare_data::run::prepare;
use prepare_data::sql::Catalog;

use crate::lake::Lake;
use crate::store::{Fails, count_requests};

/// A lake with replaced files that contain a deleted customer, C3.
async fn with_a_deleted_customer() -> Lake {
    let lake = Lake::new();
    lake.add(0..8);
    lake.run(0).await;
    lake.delete(8, 3);
    lake.run(1).await;
    lake
}

async fn erase_customer(lake: &Lake) -> Result<Erasure> {
    erase(&lake.location("out"), "usmf-C3", &Engine::new(256 << 20, 2).unwrap()).await
}

/// Files of a folder with their content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut folders, mut files) = (vec![folder.to_owned()], BTreeMap::new());
    while let Some(inside) = folders.pop() {
        for path in std::fs::read_dir(inside).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => drop(files.insert(path.clone(), std::fs::read(path).unwrap())),
            }
        }
    }
    files
}

/// Makes a folder what it was.
fn restore(folder: &Path, saved: &BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(folder).unwrap();
    for (path, content) in saved {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_ends_at_any_request_is_repeated_and_harms_nothing() {
    let (counter, _turn) = count_requests().await;
    let lake = with_a_deleted_customer().await;
    let saved = files(&lake.path("out"));
    counter.reset();
    let whole = erase_customer(&lake).await.unwrap();
    let (requests, erased) = (counter.total(), files(&lake.path("out")));
    assert!(whole.person_found && erased.len() < saved.len(), "{whole}");
    let mut repeated = 0;
    for request in 0..requests {
        let fails = if request % 2 == 0 { Fails::Once(request) } else { Fails::Always(request) };
        restore(&lake.path("out"), &saved);
        counter.fail(fails);
        let ended = erase_customer(&lake).await;
        counter.fail(Fails::Never);
        let left = files(&lake.path("out"));
        assert!(left.iter().all(|(path, content)| saved.get(path) == Some(content)), "{fails:?}: a file was changed");
        assert!(
            erased.keys().all(|path| left.contains_key(path)),
            "{fails:?}: a file was deleted that is not the customer's"
        );
        if let Ok(report) = ended {
            assert!(report.is_complete() && left == erased, "{fails:?}: {report}");
            continue;
        }
        repeated += 1;
        let report = erase_customer(&lake).await.unwrap();
        assert!(report.is_complete(), "{fails:?}: {report}");
        assert_eq!(files(&lake.path("out")).keys().collect::<Vec<_>>(), erased.keys().collect::<Vec<_>>(), "{fails:?}");
    }
    assert!(repeated > 20, "{repeated} of {requests} requests were missed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_erasures_at_once_delete_what_one_does() {
    let (counter, _turn) = count_requests().await;
    let lake = with_a_deleted_customer().await;
    let saved = files(&lake.path("out"));
    erase_customer(&lake).await.unwrap();
    let erased = files(&lake.path("out"));
    counter.delay(true);
    restore(&lake.path("out"), &saved);
    let (one, other) = tokio::join!(erase_customer(&lake), erase_customer(&lake));
    assert!(one.unwrap().is_complete() && other.unwrap().is_complete());
    assert_eq!(files(&lake.path("out")), erased);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_ends_at_any_request_loses_nothing() {
    let (counter, _turn) = count_requests().await;
    let lake = with_a_deleted_customer().await;
    let saved = files(&lake.path("out"));
    let published = async || {
        let table = lake.location("out/gold/customers").open().await.unwrap().unwrap();
        let files = table.snapshot().unwrap().log_data();
        let rows: usize = files.iter().map(|file| file.num_records().unwrap_or_default()).sum();
        (table.version(), rows)
    };
    let before = published().await;
    let mut settings = lake.settings(2);
    settings.rebuild = Some("custtable".to_owned());
    counter.reset();
    prepare(&settings).await.unwrap();
    // A step that meets requests of every part of the run, without taking minutes.
    for (number, request) in (0..counter.total()).step_by(9).enumerate() {
        restore(&lake.path("out"), &saved);
        let fails = if number % 2 == 0 { Fails::Once(request) } else { Fails::Always(request) };
        counter.fail(fails);
        let _ = prepare(&settings).await;
        counter.fail(Fails::Never);
        assert_eq!(published().await, before, "{fails:?}: nothing had changed");
        let report = prepare(&lake.settings(3)).await.unwrap();
        assert!(report.published_all(), "{fails:?}: {report}");
        assert_eq!(published().await, before, "{fails:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inspection_that_cannot_read_says_so() {
    let (counter, _turn) = count_requests().await;
    let lake = with_a_deleted_customer().await;
    let (catalog, patterns) = (Catalog::load(None).unwrap(), DEFAULT_PATTERNS.map(str::to_owned));
    let run = async || inspect(&lake.location("export"), &patterns, &catalog).await;
    counter.reset();
    let whole = run().await.unwrap();
    let text = |inspection: &Inspection| serde_json::to_string(inspection).unwrap();
    for request in 0..counter.total() {
        counter.fail(Fails::Once(request));
        let ended = run().await;
        assert!(counter.has_failed(), "request {request} was not made");
        // A request that is repeated does not matter; one that is not has to be reported.
        if let Ok(inspection) = ended {
            assert_eq!(text(&inspection), text(&whole), "request {request}");
        }
    }
}
