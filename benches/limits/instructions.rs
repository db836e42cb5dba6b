//! Counts the instructions of a process with callgrind. Unlike times, they do not depend on the load of the machine.
//!
//! Page: "Callgrind: a call-graph generating cache profiler" of the manual of Valgrind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::host::Start;

use crate::failure::Failure;
use crate::meter::Meter;

/// Starts programs under callgrind, which counts from [`Counter::begin`] to [`Counter::end`].
#[derive(Clone)]
pub(crate) struct Counter {
    folder: PathBuf,
}

impl Counter {
    pub(crate) fn new() -> Self {
        Self { folder: env!("CARGO_TARGET_TMPDIR").into() }
    }

    /// The same start under callgrind.
    pub(crate) fn around(&self, start: &Start) -> Start {
        let log = format!("--log-file={}", self.log("%p").display());
        let options = ["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", log.as_str()];
        let program = start.directory.join(&start.executable).display().to_string();
        let arguments = options.into_iter().map(str::to_owned).chain([program]).chain(start.arguments.clone());
        Start { executable: "valgrind".into(), arguments: arguments.collect(), ..start.clone() }
    }

    fn log(&self, process: &str) -> PathBuf {
        self.folder.join(format!("callgrind.{process}.log"))
    }

    pub(crate) fn begin(meter: Meter) -> Result<(), Failure> {
        instrumentation(meter, "on")
    }

    /// Ends the process, and returns the instructions since the beginning.
    pub(crate) async fn end(&self, meter: Meter) -> Result<u64, Failure> {
        instrumentation(meter, "off")?;
        run(Command::new("kill").args(["-TERM", &meter.0.to_string()]))?;
        let log = self.log(&meter.0.to_string());
        let began = Instant::now();
        loop {
            if let Some(count) = collected(&log) {
                return Ok(count);
            }
            if began.elapsed() > Duration::from_secs(30) {
                return Err(format!("callgrind writes no count to {}", log.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn instrumentation(meter: Meter, switch: &str) -> Result<(), Failure> {
    let process = format!("--pid={}", meter.0);
    run(Command::new("vgdb").args([process.as_str(), "instrumentation", switch]))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed with {status}").into()) }
}

fn collected(log: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines().find_map(|line| line.split_once("Collected : ")).and_then(|(_, count)| count.trim().parse().ok())
}
