//! Sends the changes of the dashboard as server-sent events.
//!
//! Each frame's id contains the run of the sandbox and the version of the dashboard. A browser that reconnects sends its
//! last id and receives what has changed since then. After a restart of the sandbox it receives everything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::state::PageState;

/// The delay before a browser reconnects.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
pub(super) struct Since {
    /// The same as `Last-Event-ID`, for clients that cannot set a header.
    after: Option<String>,
}

pub(super) async fn serve(
    State(state): State<Arc<PageState>>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned).or(since.after);
    let seen = last.and_then(|last| state.dashboard().version_of(&last));
    let reader = Reader { version: state.version.subscribe(), state, seen, first: true };
    let frames = futures::stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Sse::new(frames).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

struct Reader {
    state: Arc<PageState>,
    version: watch::Receiver<u64>,
    /// The version that the browser has. `None` if it has no version of this run.
    seen: Option<u64>,
    first: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        let seen = self.seen;
        if !self.first {
            self.version.wait_for(|version| seen.is_none_or(|seen| *version > seen)).await.ok()?;
        }
        let frame = self.state.dashboard().frame(seen, self.state.now());
        self.seen = Some(frame.version);
        let event = Event::default().id(frame.id()).json_data(&frame);
        let event = event.inspect_err(|error| tracing::error!(%error, "a frame could not be serialized")).ok()?;
        Some(if std::mem::take(&mut self.first) { event.retry(RETRY) } else { event })
    }
}
