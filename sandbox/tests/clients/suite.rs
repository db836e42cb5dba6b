//! Installs client libraries, and runs their tests against a broker and a Cosmos DB account.
//!
//! The tests send commands to this driver: they write a line that begins with `@` to standard output, and continue when
//! they receive an answer on standard input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sandbox::cosmos::{CosmosAccount, CosmosOptions};
use sandbox::network::{Network, NoFaults};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::bus::{Bus, TOKEN};

/// The time-out of a suite, including the installation.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The tests of one client library, and their requirements.
pub(crate) struct Suite {
    /// The name of the folder, here and under `target/tmp/clients`.
    pub(crate) name: &'static str,
    /// A command that succeeds only if the language is installed.
    pub(crate) needs: &'static [&'static str],
    /// Commands that install the pinned library, run in the suite's folder.
    pub(crate) install: &'static [&'static [&'static str]],
    /// The commands that run the tests, one after the other.
    pub(crate) run: &'static [&'static [&'static str]],
}

/// Runs a suite if `CLIENT_SUITES` is set. Fails when a test fails or the suite cannot be run.
pub(crate) async fn run(suite: &Suite) {
    let name = suite.name;
    if std::env::var_os("CLIENT_SUITES").is_none() {
        println!("skipped: the {name} client's tests are installed and run when CLIENT_SUITES is set");
        return;
    }
    // Logs of the broker, if RUST_LOG is set.
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let folder = folder(suite);
    tokio::time::timeout(TIMEOUT, async {
        assert!(succeeds(&folder, suite.needs).await, "{name} is not installed");
        for command in suite.install {
            assert!(succeeds(&folder, command).await, "{}: {command:?} failed", folder.display());
        }
        let bus = Bus::start(None).await;
        let account = cosmos().await;
        for command in suite.run {
            let passed = run_tests(&folder, command, &bus, &account).await;
            assert!(passed, "a test of the {name} client failed ({command:?}); see above");
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the {name} client's tests take longer than {TIMEOUT:?}"));
}

/// A Cosmos DB account alone on its port.
async fn cosmos() -> CosmosAccount {
    CosmosAccount::start(&Network::new(NoFaults::default()), None, CosmosOptions::default()).await.unwrap()
}

/// Copies the suite to the installation folder, so that the repository does not change.
fn folder(suite: &Suite) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = root.join("tests").join("clients").join(suite.name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(suite.name);
    fs::create_dir_all(&target).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        fs::copy(file.path(), target.join(file.file_name())).unwrap();
    }
    target
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let local = folder.join(words[0]);
    let program = if local.is_file() { local.as_os_str().to_owned() } else { words[0].into() };
    let mut command = Command::new(program);
    command.args(&words[1..]).current_dir(folder).kill_on_drop(true);
    command
}

async fn succeeds(folder: &Path, words: &[&str]) -> bool {
    let status = command(folder, words).stdin(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}

/// Runs the tests and their commands. Returns whether the tests passed.
async fn run_tests(folder: &Path, words: &[&str], bus: &Bus, account: &CosmosAccount) -> bool {
    let mut child = command(folder, words)
        .env("CONNECTION_STRING", &bus.connection_string)
        .env("TOKEN", TOKEN)
        .env("COSMOS_URL", account.url())
        .env("COSMOS_KEY", account.key())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        // Test runners may write something before the line of a test.
        match line.rsplit_once('@').map(|(_, word)| word.trim()) {
            Some("purge") => bus.purge(),
            Some("restart") => {
                bus.served.set_reachable(false);
                tokio::time::sleep(Duration::from_millis(500)).await;
                bus.served.set_reachable(true);
            }
            _ => {
                println!("{line}");
                continue;
            }
        }
        answers.write_all(b"done\n").await.unwrap();
    }
    child.wait().await.unwrap().success()
}
