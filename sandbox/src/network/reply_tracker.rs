//! Tracks which replies were written to their connection.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The effects whose replies did not reach the caller.
#[derive(Clone, Default)]
pub(super) struct UndeliveredEffects(Arc<Mutex<BTreeSet<u64>>>);

impl UndeliveredEffects {
    pub(super) fn add(&self, effect: u64) {
        self.lock().insert(effect);
    }

    pub(super) fn all(&self) -> BTreeSet<u64> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The replies of one connection that are not yet written. A reply is undelivered if it is still here when the
/// connection ends: the dependency was taken off the network, or the caller disconnected.
#[derive(Clone)]
pub(super) struct ReplyTracker(Arc<Pending>);

struct Pending {
    effects: Mutex<Vec<u64>>,
    undelivered: UndeliveredEffects,
}

impl ReplyTracker {
    pub(super) fn new(undelivered: &UndeliveredEffects) -> Self {
        Self(Arc::new(Pending { effects: Mutex::default(), undelivered: undelivered.clone() }))
    }

    /// The reply that reports this effect is written next.
    pub(super) fn will_send(&self, effect: u64) {
        self.0.lock().push(effect);
    }

    /// Something was written. HTTP/1 has one reply at a time, so it was the pending one.
    fn written(&self) {
        self.0.lock().clear();
    }
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let effects = std::mem::take(&mut *self.lock());
        effects.into_iter().for_each(|effect| self.undelivered.add(effect));
    }
}

/// A stream that reports writes to its tracker.
pub(super) struct TrackedStream<S> {
    stream: S,
    tracker: ReplyTracker,
}

impl<S> TrackedStream<S> {
    pub(super) fn new(stream: S, tracker: ReplyTracker) -> Self {
        Self { stream, tracker }
    }

    fn track(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.tracker.written();
        }
        written
    }
}

impl<S: Read + Unpin> Read for TrackedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for TrackedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.track(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.track(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
