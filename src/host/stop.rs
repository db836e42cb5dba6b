//! When the handler has to stop: it is asked to, or the Functions host has ended without it.

/// Completes when the process is asked to stop (Ctrl-C or SIGTERM), or when its parent has ended. Signals and parent count
/// from this call on, so it belongs to the start of the process.
pub fn stop_requested() -> impl Future<Output = ()> + Send {
    let (terminated, orphaned) = (unix::terminated(), unix::orphaned());
    async {
        tokio::select! {
            () = interrupted() => {}
            () = terminated => {}
            () = orphaned => {}
        }
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

    pub(super) fn terminated() -> impl Future<Output = ()> + Send {
        let terminate = signal(SignalKind::terminate());
        async {
            match terminate {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// A process whose parent has ended gets another parent. The host gives invocations ten seconds when it stops, and then
    /// ends without its handler.
    pub(super) fn orphaned() -> impl Future<Output = ()> + Send {
        let parent = parent_id();
        async move {
            while parent_id() == parent {
                tokio::time::sleep(PAUSE).await;
            }
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
