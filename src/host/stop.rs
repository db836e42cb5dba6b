//! When the handler has to stop: it is asked to, or the Functions host has ended without it.

/// Completes when the process is asked to stop (Ctrl-C or SIGTERM), or when its parent has ended.
pub async fn stop_requested() {
    tokio::select! {
        () = interrupted() => {}
        () = unix::terminated() => {}
        () = unix::orphaned() => {}
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::process::parent_id;
    use std::time::Duration;

    use tokio::signal::unix::{SignalKind, signal};

    /// How often the parent is checked.
    const PAUSE: Duration = Duration::from_secs(1);

    pub(super) async fn terminated() {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    }

    /// A process whose parent has ended gets another parent. The host gives invocations ten seconds when it stops, and then
    /// ends without its handler.
    pub(super) async fn orphaned() {
        let parent = parent_id();
        while parent_id() == parent {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Windows ends the handler with the host, because both are in one job.
#[cfg(not(unix))]
mod unix {
    pub(super) async fn terminated() {
        std::future::pending().await
    }

    pub(super) async fn orphaned() {
        std::future::pending().await
    }
}
