//! The function app as it is deployed: the release binary, in a process whose time and memory are read from the kernel.

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

use crate::Failure;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_commerce-journeys");

/// A folder with the app in it, gone when dropped.
pub(crate) struct Site(PathBuf);

impl Site {
    pub(crate) fn new() -> Result<Self, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("site-{}-{number}", std::process::id()));
        app_folder::assemble(&app_folder::repository(), Some(Path::new(BINARY)), &folder, Enabled::AsShipped)?;
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

/// The handler alone, without a host: started and invoked by the benchmark.
pub(crate) struct Handler {
    http: Client,
    url: String,
    pub(crate) meter: Meter,
    kill: Box<dyn Fn() + Send + Sync>,
    _exited: sandbox::network::BoxFuture<Exit>,
    /// From exec to the first answer.
    pub(crate) start: Duration,
}

impl Handler {
    pub(crate) async fn start(site: &Site, settings: &BTreeMap<String, String>) -> Result<Self, Failure> {
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
        let Launched { kill, exited, process, .. } = Process.launch(start).await?;
        let meter = Meter(process.ok_or("the handler has no process id")?);
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

/// Starts handlers as the host does, and remembers the last one's process.
#[derive(Clone, Default)]
pub(crate) struct Metered(Arc<AtomicU32>);

impl Metered {
    pub(crate) fn meter(&self) -> Meter {
        Meter(self.0.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl Launch for Metered {
    async fn launch(&self, start: Start) -> io::Result<Launched> {
        let launched = Process.launch(start).await?;
        self.0.store(launched.process.unwrap_or_default(), Ordering::Relaxed);
        Ok(launched)
    }
}

/// What the kernel knows about a process. Pages: `proc_pid_stat(5)` and `proc_pid_status(5)`.
#[derive(Clone, Copy)]
pub(crate) struct Meter(u32);

impl Meter {
    /// Processor time so far, in user and kernel mode.
    pub(crate) fn cpu(self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
        let after_name = stat.rsplit_once(')').ok_or("unreadable stat")?.1;
        let fields: Vec<u64> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let ticks = fields.get(11).zip(fields.get(12)).map(|(user, system)| user + system).ok_or("unreadable stat")?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(self) -> Result<u64, Failure> {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, in bytes.
    pub(crate) fn peak(self) -> Result<u64, Failure> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("unreadable status")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }
}

/// Keeps the end of the handler's output, to show when something is wrong.
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
