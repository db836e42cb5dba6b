//! Which entities are in which file: always the same for a lake of a given size, so that a later change finds them.

use std::ops::Range;

use crate::{lifecycle::Place, shape::Table, shop::Shop};

/// Files that a table has at first, unless they would become too large.
const FIRST_FILES: u64 = 4;
/// Most things (orders, customers) in a file.
const MOST_THINGS: u64 = 200_000;
/// Things whose rows are made at once.
const BATCH: u64 = 8_192;

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number of the file within its table.
    pub(crate) number: u32,
    /// The entities whose rows it contains.
    pub(crate) things: Range<u64>,
    pub(crate) place: Place,
    /// The round in which it was first written.
    pub(crate) born: u32,
}

impl Segment {
    /// The things in portions that fit into memory.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        batches(self.things.clone())
    }
}

/// Things in portions that fit into memory.
pub(crate) fn batches(things: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = things.end;
    things.step_by(BATCH as usize).map(move |start| start..(start + BATCH).min(end))
}

/// Things of one round, divided into those of a file each.
pub(crate) fn divided(table: &dyn Table, shop: &Shop, round: u32) -> Vec<Range<u64>> {
    let first = round.checked_sub(1).map_or(0, |before| table.count(shop, before));
    let end = table.count(shop, round);
    let size = table.count(shop, 0).div_ceil(FIRST_FILES).clamp(1, MOST_THINGS);
    (first..end).step_by(size as usize).map(|start| start..(start + size).min(end)).collect()
}

/// All files of a Delta table: those of the first state in the order of time, the one with what merging left behind, and
/// those that later rounds added.
pub(crate) fn segments(table: &dyn Table, shop: &Shop) -> Vec<Segment> {
    let mut files: Vec<(Range<u64>, Place, u32)> = Vec::new();
    for round in 0..=shop.round() {
        files.extend(divided(table, shop, round).into_iter().map(|things| (things, Place::Main, round)));
        if round == 0 && !table.is_settled() {
            files.push((0..table.count(shop, 0), Place::Late, 0));
        }
    }
    let numbered = (0..).zip(files);
    numbered.map(|(number, (things, place, born))| Segment { number, things, place, born }).collect()
}
