//! Being asked to stop: by whoever serves, and by the operating system.

use tokio::sync::watch;

/// Announces that it is time to stop.
pub(super) struct Announcer(watch::Sender<bool>);

impl Announcer {
    pub(super) fn announce(&self) {
        self.0.send_replace(true);
    }
}

/// Waits for the announcement.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(super) fn new() -> (Announcer, Self) {
        let (announcer, stop) = watch::channel(false);
        (Announcer(announcer), Self(stop))
    }

    pub(super) async fn wait(mut self) {
        // Without an announcer nobody serves any more, which is as good as being asked to stop.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Completes when this process is interrupted (Ctrl+C) or, on Unix, terminated (SIGTERM).
pub async fn asked_to_stop() {
    tokio::select! {
        () = interrupted() => {}
        () = terminated() => {}
    }
}

/// Where a signal cannot be listened for, the operating system's own way with it holds: the process ends.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            terminate.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}
