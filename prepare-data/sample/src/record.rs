//! A row of the export: its data, and the metadata that the export adds.

use crate::{
    random::Subject,
    shop::Shop,
    timestamp::{MINUTE, Timestamp},
};

/// Record ids of finance and operations apps begin here.
pub(crate) const FIRST_RECID: i64 = 5_637_144_576;

/// The data of a row. Copies are cheap: rows of one entity share it.
pub(crate) trait RowData: Clone + Send + Sync + 'static {
    /// Changes the row to its version before the latest change.
    fn outdate(&mut self) {}
}

/// A row with its metadata.
#[derive(Debug, Clone)]
pub(crate) struct Record<B> {
    pub(crate) metadata: RowMetadata,
    pub(crate) data: B,
}

/// The metadata of a row.
#[derive(Debug, Clone)]
pub(crate) struct RowMetadata {
    /// Number of the record within its table.
    pub(crate) number: u64,
    /// Rows of one family share their lifecycle: an order and its lines are deleted together.
    pub(crate) family: u64,
    /// Index of the company, in tables that have one.
    pub(crate) company: usize,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// The round that the row last changed in; 0 for those that never did.
    pub(crate) round: u32,
    pub(crate) deleted: bool,
    /// The row has no further versions.
    pub(crate) settled: bool,
    /// The row is a delete without a version, as deletes in change folders are.
    pub(crate) unversioned: bool,
}

impl RowMetadata {
    /// A row that has never changed.
    pub(crate) fn new(number: u64, company: usize, created: (Timestamp, u32)) -> Self {
        let (created, round) = created;
        Self {
            number,
            family: number,
            company,
            created,
            modified: created,
            round,
            deleted: false,
            settled: false,
            unversioned: false,
        }
    }

    pub(crate) fn of_family(mut self, family: u64) -> Self {
        self.family = family;
        self
    }

    /// The row changed in this round.
    pub(crate) fn changed(mut self, round: u32, when: Timestamp) -> Self {
        if round >= self.round {
            self.round = round;
            self.modified = when;
        }
        self
    }

    pub(crate) fn recid(&self) -> i64 {
        recid(self.number)
    }

    /// The row version of the database: grows with every change of any row.
    pub(crate) fn version(&self) -> i64 {
        const EPOCH: Timestamp = Timestamp(1_420_070_400_000_000); // 2015
        (self.modified.0 - EPOCH.0) / 1000 * 1024 + (self.number % 1024) as i64
    }

    /// When the export wrote the row.
    pub(crate) fn exported_at(&self, shop: &Shop) -> Timestamp {
        self.modified.plus(15 * MINUTE).max(shop.linked())
    }

    /// When the export first wrote the row.
    pub(crate) fn first_exported_at(&self, shop: &Shop) -> Timestamp {
        self.created.plus(15 * MINUTE).max(shop.linked())
    }
}

/// The record id of the table's record with this number.
pub(crate) fn recid(number: u64) -> i64 {
    FIRST_RECID + number as i64
}

/// The export's row id: table id and record id as a GUID. The record id's bytes are little-endian, so ids do not sort by
/// time.
pub(crate) fn guid(table_id: u32, recid: i64) -> String {
    let b = recid.to_le_bytes();
    format!(
        "{table_id:08x}-0000-0000-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]
    )
}

/// The company code as this row spells it.
pub(crate) fn spelled(shop: &Shop, code: &str, number: u64) -> String {
    let mut random = shop.random(Subject::Spelling, number);
    if !random.chance(shop.dirt.mixed_case) {
        return code.to_owned();
    }
    let upper = code.to_uppercase();
    if random.chance(0.5) { upper } else { upper.chars().take(1).chain(code.chars().skip(1)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_the_record_id_backwards() {
        assert_eq!(guid(0x286b, FIRST_RECID + 1), "0000286b-0000-0000-0100-005001000000");
    }
}
