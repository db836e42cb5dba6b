//! Server-sent events: the board's changes as they come.
//!
//! Each frame's id names the run of the sandbox and the version of the board. A browser that comes back says which it
//! saw last and gets what has changed since; one that saw another run gets everything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::Shared;

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
pub(super) struct Since {
    /// The same as `Last-Event-ID`, for those who cannot set a header.
    after: Option<String>,
}

pub(super) async fn serve(
    State(shared): State<Arc<Shared>>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned).or(since.after);
    let seen = last.and_then(|last| shared.board().version_of(&last));
    let reader = Reader { version: shared.version.subscribe(), shared, seen, first: true };
    let frames = futures::stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Sse::new(frames).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

struct Reader {
    shared: Arc<Shared>,
    version: watch::Receiver<u64>,
    /// The version that the browser has; nothing if it has none of this run.
    seen: Option<u64>,
    first: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        let seen = self.seen;
        if !self.first {
            self.version.wait_for(|version| seen.is_none_or(|seen| *version > seen)).await.ok()?;
        }
        let frame = self.shared.board().frame(seen, self.shared.now());
        self.seen = Some(frame.version);
        let event = Event::default().id(frame.id()).json_data(&frame);
        let event = event.inspect_err(|error| tracing::error!(%error, "a frame could not be written")).ok()?;
        Some(if std::mem::take(&mut self.first) { event.retry(RETRY) } else { event })
    }
}
