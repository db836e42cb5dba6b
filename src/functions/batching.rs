//! Splits a stream of items into batches by size.

use futures::stream::{self, Stream, StreamExt as _};

/// Splits items into batches with a total size of at most `limit`. A larger item becomes a batch of its own. A batch is
/// complete when the next item does not fit, or when there are no more items.
pub(super) fn in_batches<T>(
    items: impl Stream<Item = T>,
    limit: usize,
    size: impl Fn(&T) -> usize,
) -> impl Stream<Item = Vec<T>> {
    struct State<S, T> {
        items: std::pin::Pin<Box<S>>,
        next: Option<T>,
    }
    let state = State { items: Box::pin(items), next: None };
    stream::unfold((state, size), move |(mut state, size)| async move {
        let mut batch = Vec::new();
        let mut batch_size = 0;
        loop {
            let next = match state.next.take() {
                Some(item) => Some(item),
                None => state.items.next().await,
            };
            let Some(item) = next else { break };
            let item_size = size(&item);
            if !batch.is_empty() && batch_size + item_size > limit {
                state.next = Some(item);
                break;
            }
            batch_size += item_size;
            batch.push(item);
        }
        if batch.is_empty() { None } else { Some((batch, (state, size))) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn batches_are_as_full_as_the_limit_permits() {
        let sizes = stream::iter([4_usize, 4, 3, 20, 1, 9, 1]);
        let batches: Vec<Vec<usize>> = in_batches(sizes, 10, |size| *size).collect().await;
        assert_eq!(batches, [vec![4, 4], vec![3], vec![20], vec![1, 9], vec![1]]);
    }
}
