//! Shutdown: requests to stop, from the server and from the operating system.

use tokio::sync::watch;

/// Requests the shutdown.
pub(super) struct StopSender(watch::Sender<bool>);

impl StopSender {
    pub(super) fn send(&self) {
        self.0.send_replace(true);
    }
}

/// Waits for the request.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(super) fn new() -> (StopSender, Self) {
        let (sendr, stop) = watch::channel(false);
        (StopSender(sendr), Self(stop))
    }

    pub(super) async fn wait(mut self) {
        // Without a sender, the server has ended.
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

/// If the signal cannot be received, the default of the operating system applies: the process ends.
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
