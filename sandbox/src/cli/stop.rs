//! Waits until somebody ends the sandbox. Then everything that it started is ended too.

use super::Failure;

/// Waits for Ctrl-C, for the end of the terminal, or for the request of another program to end.
pub(crate) async fn stop_requested() -> Result<(), Failure> {
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        ended = system::ended() => Ok(ended?),
    }
}

#[cfg(unix)]
mod system {
    use tokio::signal::unix::{SignalKind, signal};

    pub(super) async fn ended() -> std::io::Result<()> {
        let (mut terminated, mut hung_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        tokio::select! {
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
        Ok(())
    }
}

#[cfg(windows)]
mod system {
    use tokio::signal::windows::{ctrl_break, ctrl_close};

    pub(super) async fn ended() -> std::io::Result<()> {
        let (mut interrupted, mut closed) = (ctrl_break()?, ctrl_close()?);
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = closed.recv() => {}
        }
        Ok(())
    }
}
