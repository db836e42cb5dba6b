//! One connection, and which replies never left through it.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// The effects of which nobody was told.
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

/// A connection's memory of replies that are on their way out. What has not been written when the connection ends
/// (a dependency taken off the network, a caller that hung up) was withheld.
#[derive(Clone)]
pub(super) struct Link(Arc<Unsent>);

struct Unsent {
    effects: Mutex<Vec<u64>>,
    withheld: UndeliveredEffects,
}

impl Link {
    pub(super) fn new(withheld: &UndeliveredEffects) -> Self {
        Self(Arc::new(Unsent { effects: Mutex::default(), withheld: withheld.clone() }))
    }

    /// The reply that tells of this effect is next to be written.
    pub(super) fn is_to_send(&self, effect: u64) {
        self.0.lock().push(effect);
    }

    /// Something was written. Within HTTP/1 there is one reply at a time, so that was the one.
    fn written(&self) {
        self.0.lock().clear();
    }
}

impl Unsent {
    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let effects = std::mem::take(&mut *self.lock());
        effects.into_iter().for_each(|effect| self.withheld.add(effect));
    }
}

/// A stream that tells its link when something was written.
pub(super) struct Noted<S> {
    stream: S,
    link: Link,
}

impl<S> Noted<S> {
    pub(super) fn new(stream: S, link: Link) -> Self {
        Self { stream, link }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.link.written();
        }
        written
    }
}

impl<S: Read + Unpin> Read for Noted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: Write + Unpin> Write for Noted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(written)
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
