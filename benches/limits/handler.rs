//! The function app as it is deployed: the release binary in its own process. Or a bare client in its place.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::Client;
use sandbox::app_folder::{self, Enabled};
use sandbox::host::{Exit, Launch, Launched, Process, Sink, Start};
use serde_json::Value;

use crate::failure::Failure;
use crate::instructions::Counter;
use crate::meter::Meter;
use crate::recording::Recording;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_commerce-journeys");

/// A folder with the function app. It is deleted when dropped.
pub(crate) struct Site(PathBuf);

impl Site {
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::with(Path::new(BINARY))
    }

    /// The app with a bare client instead of the handler.
    pub(crate) fn bare(recording: &Recording) -> Result<Self, Failure> {
        let site = Self::with(&std::env::current_exe()?)?;
        recording.write(site.path())?;
        Ok(site)
    }

    fn with(binary: &Path) -> Result<Self, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("site-{}-{number}", std::process::id()));
        app_folder::assemble(&app_folder::repository(), Some(binary), &folder, Enabled::AsShipped)?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} was not removed: {error}", self.0.display());
        }
    }
}

/// The handler without a host. The benchmark starts and invokes it.
pub(crate) struct Handler {
    http: Client,
    url: String,
    pub(crate) meter: Meter,
    kill: Box<dyn Fn() + Send + Sync>,
    _exited: sandbox::network::BoxFuture<Exit>,
    /// Time from exec to the first response.
    pub(crate) start: Duration,
}

impl Handler {
    pub(crate) async fn start(site: &Site, settings: &BTreeMap<String, String>) -> Result<Self, Failure> {
        Self::start_with(Metered::default(), site, settings).await
    }

    pub(crate) async fn start_with(
        launch: Metered,
        site: &Site,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut environment = settings.clone();
        environment.insert("FUNCTIONS_CUSTOMHANDLER_PORT".to_owned(), port.to_string());
        let http = Client::builder().no_proxy().build()?;
        let (output, log) = log();
        let start = Start {
            executable: app_folder::EXECUTABLE.into(),
            arguments: Vec::new(),
            directory: site.path().to_owned(),
            environment,
            port,
            output,
        };
        let began = Instant::now();
        let Launched { kill, exited, .. } = launch.launch(start).await?;
        let meter = launch.meter();
        let url = format!("http://127.0.0.1:{port}/");
        while http.get(&url).send().await.is_err() {
            if began.elapsed() > Duration::from_secs(20) {
                return Err(format!("the handler does not start: {}", log()).into());
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let start = began.elapsed();
        Ok(Self { http, url, meter, kill, _exited: exited, start })
    }

    /// Invokes a timer function and waits for its end.
    pub(crate) async fn invoke(&self, function: &str) -> Result<(), Failure> {
        let payload = serde_json::json!({"Data": {"timer": {"IsPastDue": false}}, "Metadata": {}});
        let reply = self.http.post(format!("{}{function}", self.url)).json(&payload).send().await?;
        let status = reply.status();
        let body: Value = reply.json().await?;
        if status.is_success() { Ok(()) } else { Err(format!("{function} failed with {status}: {body}").into()) }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        (self.kill)();
    }
}

/// Starts handlers like the host, and stores the last process id.
#[derive(Clone, Default)]
pub(crate) struct Metered {
    process: Arc<AtomicU32>,
    /// Counts the handler's instructions.
    pub(crate) counter: Option<Counter>,
}

impl Metered {
    pub(crate) fn counted(counter: Option<Counter>) -> Self {
        Self { counter, ..Self::default() }
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter(self.process.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Launch for Metered {
    async fn launch(&self, start: Start) -> io::Result<Launched> {
        let mut start = self.counter.as_ref().map_or_else(|| start.clone(), |counter| counter.around(&start));
        // As on Azure: the SDK of Cosmos DB walks the stack for each of its errors otherwise.
        start.environment.insert("RUST_BACKTRACE".to_owned(), "0".to_owned());
        let launched = Process.launch(start).await?;
        self.process.store(launched.process.unwrap_or_default(), Ordering::Relaxed);
        Ok(launched)
    }
}

/// Keeps the end of the handler's output for error messages.
pub(crate) fn log() -> (Sink, impl Fn() -> String) {
    let lines = Arc::new(Mutex::new(std::collections::VecDeque::new()));
    let kept = lines.clone();
    let sink: Sink = Arc::new(move |_, line: &str| {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line.to_owned());
        if lines.len() > 20 {
            lines.pop_front();
        }
    });
    let show = move || {
        let lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    };
    (sink, show)
}
