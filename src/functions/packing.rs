//! Packs a stream of things into batches by size.

use futures::stream::{self, Stream, StreamExt as _};

/// Groups items so that the sizes of a group do not exceed `limit` (a larger item makes a group of its own). A group
/// is given out when the next item no longer fits, or when there are no more.
pub(super) fn packed<T>(
    items: impl Stream<Item = T>,
    limit: usize,
    size: impl Fn(&T) -> usize,
) -> impl Stream<Item = Vec<T>> {
    struct Open<S, T> {
        items: std::pin::Pin<Box<S>>,
        waiting: Option<T>,
    }
    let open = Open { items: Box::pin(items), waiting: None };
    stream::unfold((open, size), move |(mut open, size)| async move {
        let mut group = Vec::new();
        let mut filled = 0;
        loop {
            let next = match open.waiting.take() {
                Some(item) => Some(item),
                None => open.items.next().await,
            };
            let Some(item) = next else { break };
            let item_size = size(&item);
            if !group.is_empty() && filled + item_size > limit {
                open.waiting = Some(item);
                break;
            }
            filled += item_size;
            group.push(item);
        }
        if group.is_empty() { None } else { Some((group, (open, size))) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn groups_are_as_full_as_the_limit_allows() {
        let sizes = stream::iter([4_usize, 4, 3, 20, 1, 9, 1]);
        let groups: Vec<Vec<usize>> = packed(sizes, 10, |size| *size).collect().await;
        assert_eq!(groups, [vec![4, 4], vec![3], vec![20], vec![1, 9], vec![1]]);
    }
}
