//! Partition keys, and the effective partition keys by which they are spread over partitions.

use serde_json::Value;

use super::reply::{ServiceError, ServiceResult};

/// A hash of a partition key. Partitions hold ranges of them.
pub(super) type Epk = u128;

/// Effective partition keys from the first on, before the second.
pub(super) type EpkRange = (Epk, Epk);

/// All there are: the two highest bits of a hash are always zero.
pub(super) const ALL: EpkRange = (0, 0xFF << 120);

/// The value of a partition key; `None` if the item has no such property.
pub(super) type PartitionKey = Option<Value>;

/// Reads the partition key from a request's header, a JSON array: `["x"]`, `[null]`, and `[{}]` for undefined.
pub(super) fn from_header(header: &str) -> ServiceResult<Option<PartitionKey>> {
    let invalid = || ServiceError::bad_request(format!("Partition key {header} is invalid."));
    let mut values = match serde_json::from_str(header).map_err(|_| invalid())? {
        Value::Array(values) => values,
        _ => return Err(invalid()),
    };
    match (values.pop(), values.is_empty()) {
        (None, _) => Ok(None),
        (Some(Value::Object(fields)), true) if fields.is_empty() => Ok(Some(None)),
        (Some(Value::Object(_) | Value::Array(_)), true) | (_, false) => Err(invalid()),
        (value, true) => Ok(Some(value)),
    }
}

/// The partition key of an item.
pub(super) fn of_item(item: &Value, path: &[String]) -> ServiceResult<PartitionKey> {
    match path.iter().try_fold(item, |value, name| value.get(name)) {
        Some(Value::Object(_) | Value::Array(_)) => {
            Err(ServiceError::bad_request("Partition key must be a string, a number, a boolean or null."))
        }
        key => Ok(key.cloned()),
    }
}

/// The effective partition key: version 2 of the hash that the service and its clients share.
pub(super) fn effective(key: &PartitionKey) -> Epk {
    let mut bytes = Vec::new();
    match key {
        None => bytes.push(0),
        Some(Value::Null) => bytes.push(1),
        Some(Value::Bool(value)) => bytes.push(if *value { 3 } else { 2 }),
        Some(Value::Number(number)) => {
            bytes.push(5);
            bytes.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Some(value) => {
            bytes.push(8);
            bytes.extend(value.as_str().unwrap_or_default().as_bytes());
            bytes.push(0xFF);
        }
    }
    murmur(&bytes) & (u128::MAX >> 2)
}

/// Of one partition key.
pub(super) fn only(epk: Epk) -> EpkRange {
    (epk, epk + 1)
}

pub(super) fn intersection(a: EpkRange, b: EpkRange) -> EpkRange {
    (a.0.max(b.0), a.1.min(b.1))
}

/// As clients write it; the two ends have short forms.
pub(super) fn to_hex(epk: Epk) -> String {
    match epk {
        0 => String::new(),
        _ if epk == ALL.1 => "FF".to_owned(),
        _ => format!("{epk:032X}"),
    }
}

/// Reads what [`to_hex`] writes, also without trailing zeros.
pub(super) fn from_hex(text: &str) -> Option<Epk> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.get(..text.len().min(32))?;
    Some(Epk::from_str_radix(text, 16).ok()? << (128 - 4 * text.len()))
}

/// The bounds of `count` partitions of the same size.
pub(super) fn split(count: u32) -> Vec<EpkRange> {
    let count = Epk::from(count.max(1));
    let bound = |index| if index == count { ALL.1 } else { (1 << 126) / count * index };
    (0..count).map(|index| (bound(index), bound(index + 1))).collect()
}

/// MurmurHash3, x64, 128 bits, seed 0.
fn murmur(data: &[u8]) -> u128 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let first = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let second = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = data.chunks_exact(16);
    for block in &mut blocks {
        h1 ^= first(word(&block[..8]));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= second(word(&block[8..]));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let rest = blocks.remainder();
    h2 ^= second(word(rest.get(8..).unwrap_or_default()));
    h1 ^= first(word(&rest[..rest.len().min(8)]));
    let length = data.len() as u64;
    (h1, h2) = (h1 ^ length, h2 ^ length);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (mix(h1), mix(h2));
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (u128::from(h2) << 64) | u128::from(h1)
}

fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The values are those of the SDKs' own tests.
    #[test]
    fn hashes_are_those_of_the_service() {
        for (key, expected) in [
            (Some(json!("")), "32E9366E637A71B4E710384B2F4970A0"),
            (Some(json!("partitionKey")), "013AEFCF77FA271571CF665A58C933F1"),
            (Some(json!("a".repeat(1024))), "332BDF5512AE49615F32C7D98C2DB86C"),
            (Some(json!(null)), "378867E4430E67857ACE5C908374FE16"),
            (Some(json!(true)), "0E711127C5B5A8E4726AC6DD306A3E59"),
            (Some(json!(5)), "19C08621B135968252FB34B4CF66F811"),
            (Some(json!(-128.0)), "01DAEDABF913540367FE219B2AD06148"),
        ] {
            assert_eq!(to_hex(effective(&key)), expected, "{key:?}");
        }
    }

    #[test]
    fn partitions_cover_everything() {
        for count in [1, 2, 7] {
            let ranges = split(count);
            assert_eq!((to_hex(ranges[0].0), to_hex(ranges[ranges.len() - 1].1)), (String::new(), "FF".to_owned()));
            assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ranges:?}");
            assert!(ranges.iter().all(|range| from_hex(&to_hex(range.0)) == Some(range.0)));
        }
    }

    #[test]
    fn headers_hold_one_simple_value() {
        assert_eq!(from_header("[\"x\"]"), Ok(Some(Some(json!("x")))));
        assert_eq!(from_header("[{}]"), Ok(Some(None)));
        assert_eq!(from_header("[]"), Ok(None));
        for header in ["x", "[[1]]", "[1,2]", "{}"] {
            assert_eq!(from_header(header).unwrap_err().status, 400, "{header}");
        }
    }
}
