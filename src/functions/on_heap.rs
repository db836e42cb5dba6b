//! Futures that are made on the heap.

use futures::FutureExt as _;
use futures::future::BoxFuture;

/// Makes a future on the heap. A future contains those that it awaits, and an unoptimised build keeps room on the stack for
/// each of them: with the clients of the Azure SDK below, that exceeds the stack of a thread. This function's room is free
/// again before the future runs.
#[inline(never)]
pub(super) fn on_heap<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    make().boxed()
}
