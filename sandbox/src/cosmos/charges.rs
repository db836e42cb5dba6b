//! Request units: <https://learn.microsoft.com/azure/cosmos-db/key-value-store-cost>. Writes are charged without what
//! they add to the index.

/// Largest size in KiB, charge of a read, charge of a write.
const BY_SIZE: [(usize, f64, f64); 6] =
    [(1, 1.0, 4.95), (2, 1.04, 6.29), (4, 1.14, 6.67), (8, 1.33, 7.04), (16, 1.67, 9.52), (64, 10.0, 48.0)];

/// What a query costs at least, and for every item that it reads.
const QUERY: (f64, f64) = (2.3, 0.05);

/// What is neither an item nor a query.
pub(super) const METADATA: f64 = 1.0;

/// What is refused before it reaches an item.
pub(super) const REFUSED: f64 = 1.0;

fn of_size(bytes: usize) -> (f64, f64) {
    let fits = BY_SIZE.iter().find(|(kibibytes, _, _)| bytes <= kibibytes * 1024);
    let (_, read, write) = fits.unwrap_or(&BY_SIZE[BY_SIZE.len() - 1]);
    (*read, *write)
}

/// Reading an item by its id.
pub(super) fn read(bytes: usize) -> f64 {
    of_size(bytes).0
}

/// Creating, replacing or deleting an item.
pub(super) fn write(bytes: usize) -> f64 {
    of_size(bytes).1
}

/// A query, by the items that it read.
pub(super) fn query(items: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "there are never so many items")]
    let items = items as f64;
    QUERY.0 + QUERY.1 * items
}
