//! Starts the handler: as a process, like the host, or in another way for tests.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

use crate::network::BoxFuture;

/// The severity of a line of the handler's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A line of standard output, or of a reply's `Logs`.
    Information,
    /// A line of standard error that contains "warn".
    Warning,
    /// Any other line of standard error.
    Error,
}

/// Receives the handler's output line by line.
pub type Sink = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// The parameters for starting a handler.
#[derive(Clone)]
pub struct Start {
    /// The executable, relative to `directory` unless absolute.
    pub executable: PathBuf,
    /// The arguments.
    pub arguments: Vec<String>,
    /// The working directory.
    pub directory: PathBuf,
    /// The environment variables: the app settings and the host's own variables, including the port.
    pub environment: BTreeMap<String, String>,
    /// The port that the host has chosen.
    pub port: u16,
    /// Receives the output.
    pub output: Sink,
}

/// How a handler exited: its exit code, or `None` if a signal ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub Option<i32>);

/// A started handler.
pub struct Launched {
    /// The port on 127.0.0.1 that it will listen on.
    pub port: u16,
    /// The process id, if it is a separate process.
    pub process: Option<u32>,
    /// Kills it at any point of its execution. May be called more than once.
    pub kill: Box<dyn Fn() + Send + Sync>,
    /// Completes when it has exited.
    pub exited: BoxFuture<Exit>,
}

/// A way to start the handler.
#[async_trait]
pub trait Launch: Send + Sync {
    /// Starts it. It does not have to be ready yet.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    async fn launch(&self, start: Start) -> io::Result<Launched>;
}

/// Finds a free port, like the host does.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Starts the executable of `host.json` as a process. It is killed with SIGKILL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

#[async_trait]
impl Launch for Process {
    async fn launch(&self, start: Start) -> io::Result<Launched> {
        let mut child = command(&start).spawn()?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(forward(stdout, start.output.clone(), |_| Level::Information));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(forward(stderr, start.output.clone(), error_level));
        }
        let process = child.id();
        let (kill, killed) = mpsc::unbounded_channel();
        let (ended, exited) = oneshot::channel();
        tokio::spawn(watch(child, killed, ended));
        Ok(Launched {
            port: start.port,
            process,
            kill: Box::new(move || {
                // An error means that it has exited.
                let _ = kill.send(());
            }),
            exited: Box::pin(async move { exited.await.unwrap_or(Exit(None)) }),
        })
    }
}

fn command(start: &Start) -> Command {
    let inside = start.directory.join(&start.executable);
    // A plain name that is not a file of the app (`node`) is looked up in the PATH.
    let executable = if inside.is_file() { &inside } else { &start.executable };
    let mut command = Command::new(executable);
    command
        .args(&start.arguments)
        .current_dir(&start.directory)
        // The environment variables of the sandbox's own process must not reach the handler.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(&start.environment);
    command
}

async fn watch(mut child: Child, mut killed: mpsc::UnboundedReceiver<()>, ended: oneshot::Sender<Exit>) {
    let status = tokio::select! {
        status = child.wait() => status,
        // Also when the host is dropped: a handler never outlives its host.
        _ = killed.recv() => {
            if let Err(error) = child.start_kill() {
                tracing::debug!(%error, "the handler had exited before it was killed");
            }
            child.wait().await
        }
    };
    let code = status.ok().and_then(|status| status.code());
    // There is no receiver after the host is gone.
    let _ = ended.send(Exit(code));
}

fn error_level(line: &str) -> Level {
    if line.to_ascii_lowercase().contains("warn") { Level::Warning } else { Level::Error }
}

async fn forward(stream: impl AsyncRead + Unpin, output: Sink, level: fn(&str) -> Level) {
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        output(level(line), line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Lines = Arc<Mutex<Vec<(Level, String)>>>;

    fn shell(script: &str) -> (Start, Lines) {
        let lines = Lines::default();
        let output = lines.clone();
        let start = Start {
            executable: "sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            directory: std::env::temp_dir(),
            environment: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            port: 1,
            output: Arc::new(move |level, line: &str| output.lock().unwrap().push((level, line.to_owned()))),
        };
        (start, lines)
    }

    #[tokio::test]
    async fn output_has_the_levels_of_the_host() {
        let (start, lines) = shell("echo $GREETING; echo Warning: hm >&2; echo oh >&2; exit 7");
        let launched = Process.launch(start).await.unwrap();
        assert_eq!(launched.exited.await, Exit(Some(7)));
        // The last lines may still be in the pipe when the process has exited.
        while lines.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        let mut lines = lines.lock().unwrap().clone();
        lines.sort_by_key(|(_, line)| line.clone());
        assert_eq!(
            lines,
            [
                (Level::Warning, "Warning: hm".to_owned()),
                (Level::Information, "hello".to_owned()),
                (Level::Error, "oh".to_owned()),
            ]
        );
    }

    #[tokio::test]
    async fn a_kill_cannot_be_ignored() {
        let (start, _) = shell("trap '' TERM INT; while :; do sleep 1; done");
        let launched = Process.launch(start).await.unwrap();
        (launched.kill)();
        assert_eq!(launched.exited.await, Exit(None));
    }

    #[tokio::test]
    async fn a_handler_does_not_outlive_its_host() {
        let (start, _) = shell("while :; do sleep 1; done");
        let Launched { kill, exited, .. } = Process.launch(start).await.unwrap();
        drop(kill);
        assert_eq!(exited.await, Exit(None));
    }
}
