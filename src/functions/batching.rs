//! Splits a stream of items into batches by size.

use std::pin::{Pin, pin};

use futures::stream::{self, Stream, StreamExt as _};

/// Splits items into batches with a total size of at most `limit`. A larger item becomes a batch of its own. A batch is
/// complete when the next item does not fit, when there are no more items, or when `linger` ends, which starts with its
/// first item. So an item that is late holds up no other.
pub(super) fn in_batches<T, L: Future<Output = ()>>(
    items: impl Stream<Item = T>,
    limit: usize,
    size: impl Fn(&T) -> usize,
    linger: impl Fn() -> L,
) -> impl Stream<Item = Vec<T>> {
    let state = State { items: Box::pin(items), next: None };
    stream::unfold((state, size, linger), move |(mut state, size, linger)| async move {
        let batch = state.next_batch(limit, &size, &linger).await;
        (!batch.is_empty()).then_some((batch, (state, size, linger)))
    })
}

struct State<S: Stream> {
    items: Pin<Box<S>>,
    /// An item that did not fit into the last batch.
    next: Option<S::Item>,
}

impl<S: Stream> State<S> {
    /// The next batch. It is empty at the end.
    async fn next_batch<L: Future<Output = ()>>(
        &mut self,
        limit: usize,
        size: impl Fn(&S::Item) -> usize,
        linger: impl Fn() -> L,
    ) -> Vec<S::Item> {
        let Some(first) = self.next_item().await else { return Vec::new() };
        let mut batch_size = size(&first);
        let mut batch = vec![first];
        let mut linger = pin!(linger());
        loop {
            let next = tokio::select! {
                biased;
                next = self.items.next() => next,
                () = &mut linger => return batch,
            };
            let Some(item) = next else { return batch };
            let item_size = size(&item);
            if batch_size + item_size > limit {
                self.next = Some(item);
                return batch;
            }
            batch_size += item_size;
            batch.push(item);
        }
    }

    async fn next_item(&mut self) -> Option<S::Item> {
        match self.next.take() {
            Some(item) => Some(item),
            None => self.items.next().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn batches_are_as_full_as_the_limit_permits() {
        let sizes = stream::iter([4_usize, 4, 3, 20, 1, 9, 1]);
        let batches: Vec<Vec<usize>> = in_batches(sizes, 10, |size| *size, std::future::pending).collect().await;
        assert_eq!(batches, [vec![4, 4], vec![3], vec![20], vec![1, 9], vec![1]]);
    }

    #[tokio::test]
    async fn an_item_that_is_late_holds_up_no_other() {
        let items = stream::iter([1, 2]).chain(stream::pending());
        let mut batches = std::pin::pin!(in_batches(items, 10, |size| *size, async || ()));
        assert_eq!(batches.next().await, Some(vec![1, 2]));
    }
}
