//! Tests of the sandbox's Service Bus and Cosmos DB with Microsoft's client libraries.
//!
//! The libraries are installed into `target/tmp/clients` from their registries when `CLIENT_SUITES` is set, as in
//! `.ci/run`. Otherwise the tests report that they were skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod bus;
mod suite;

use suite::{Suite, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_libraries_for_python() {
    run(&Suite {
        name: "python",
        needs: &["python3", "--version"],
        install: &[
            &["python3", "-m", "venv", "."],
            &["bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"],
        ],
        run: &[
            &["bin/python", "-W", "ignore", "-m", "unittest", "-v", "test_service_bus"],
            &["bin/python", "-W", "ignore", "-m", "unittest", "-v", "test_cosmos"],
        ],
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_libraries_for_javascript() {
    run(&Suite {
        name: "javascript",
        needs: &["node", "--version"],
        install: &[&["npm", "install", "--silent", "--no-audit", "--no-fund"]],
        run: &[&["node", "service_bus.test.mjs"], &["node", "cosmos.test.mjs"]],
    })
    .await;
}
