//! Resource ids (`_rid`): numbers of the resource and of those that contain it, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Set in the number of a container, which distinguishes it from a user.
const CONTAINER: u32 = 0x8000_0000;

/// Distinguishes a partition key range from an item.
const RANGE: u64 = 0x5 << 60;

pub(super) fn database(number: u32) -> String {
    encode(&number.to_be_bytes())
}

pub(super) fn container(database: u32, number: u32) -> String {
    encode(&parent(database, number))
}

pub(super) fn item(database: u32, container: u32, number: u64) -> String {
    encode(&[parent(database, container), number.to_le_bytes()].concat())
}

pub(super) fn range(database: u32, container: u32, number: u64) -> String {
    item(database, container, number | RANGE)
}

/// Whether this can be the resource id of an item in a container.
pub(super) fn is_item_of(id: &str, database: u32, container: u32) -> bool {
    let bytes = STANDARD.decode(id.replace('-', "/")).unwrap_or_default();
    bytes.len() == 16 && bytes.starts_with(&parent(database, container))
}

fn parent(database: u32, container: u32) -> [u8; 8] {
    ((u64::from(database) << 32) | u64::from(container | CONTAINER)).to_be_bytes()
}

/// A slash would end a segment of a path.
fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('/', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_with_those_of_their_parents() {
        assert_eq!(database(1), "AAAAAQ==");
        assert_eq!(container(1, 1), "AAAAAYAAAAE=");
        assert_eq!(item(1, 1, 1), "AAAAAYAAAAEBAAAAAAAAAA==");
    }
}
