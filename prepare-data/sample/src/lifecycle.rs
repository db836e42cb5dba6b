//! The lifecycle of a row in the export: which of its versions are written to which place.

use crate::{
    random::Subject,
    record::{Record, RowData},
    shop::Shop,
    timestamp::{DAY, HOUR, MINUTE, Timestamp},
};

/// Where rows are being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The table's files in the order of time (Delta).
    Main,
    /// The file after them, with what the merging left behind (Delta).
    Late,
    /// One of the change folders of the first state (CSV).
    Folder(u8),
    /// The change folder of a later round (CSV).
    Round(u32),
}

/// Change folders of a lake's first state.
pub(crate) const FIRST_FOLDERS: u8 = 3;

/// How a row appears in the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifecycle {
    Plain,
    Outdated,
    Repeated,
    Deleted,
    DeletedInATie,
    DeletedBeside,
    Recreated,
}

/// One of the versions that a row has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Present,
    /// Before the latest change.
    Outdated,
    /// Deleted some time after the latest change.
    Deleted,
    /// The same, without a version.
    DeletedUnversioned,
    /// Deleted, with the present version's number.
    DeletedInATie,
    /// Deleted between the outdated and the present version.
    DeletedBetween,
}

/// Writes the versions of a row for this place.
pub(crate) fn versions_at<B: RowData>(shop: &Shop, group: u32, place: Place, row: &Record<B>, to: &mut Vec<Record<B>>) {
    let lifecycle = lifecycle_of(shop, group, row);
    let versions = versions(lifecycle, place, row.metadata.round).iter().map(|version| in_version(shop, *version, row));
    to.extend(versions.filter(|version| !is_purged(shop, place, lifecycle, version, shop.purged_before)));
}

/// Whether the shop's purge removes versions of the row that the purge up to `last` did not remove.
pub(crate) fn purged_since<B: RowData>(
    shop: &Shop,
    group: u32,
    place: Place,
    row: &Record<B>,
    last: Timestamp,
) -> bool {
    let lifecycle = lifecycle_of(shop, group, row);
    versions(lifecycle, place, row.metadata.round).iter().map(|version| in_version(shop, *version, row)).any(
        |version| {
            is_purged(shop, place, lifecycle, &version, shop.purged_before)
                && !is_purged(shop, place, lifecycle, &version, last)
        },
    )
}

/// Whether the rows of a family have more than the plain lifecycle.
pub(crate) fn is_eventful(shop: &Shop, group: u32, family: u64) -> bool {
    random_lifecycle(shop, group, family) != Lifecycle::Plain
}

fn lifecycle_of<B>(shop: &Shop, group: u32, row: &Record<B>) -> Lifecycle {
    if row.metadata.round > 0 || row.metadata.settled {
        return Lifecycle::Plain;
    }
    random_lifecycle(shop, group, row.metadata.family)
}

fn random_lifecycle(shop: &Shop, group: u32, family: u64) -> Lifecycle {
    let dirt = &shop.dirt;
    let shares = [
        (dirt.outdated, Lifecycle::Outdated),
        (dirt.repeated, Lifecycle::Repeated),
        (dirt.deleted, Lifecycle::Deleted),
        (dirt.deleted_in_a_tie, Lifecycle::DeletedInATie),
        (dirt.deleted_beside, Lifecycle::DeletedBeside),
        (dirt.recreated, Lifecycle::Recreated),
    ];
    shop.random_again(Subject::Lifecycle, family, group).weighted(&shares, Lifecycle::Plain)
}

fn versions(lifecycle: Lifecycle, place: Place, changed_in: u32) -> &'static [Version] {
    use Version as V;
    match (place, lifecycle) {
        (Place::Round(round), _) if round == changed_in => &[V::Present],
        (Place::Round(_), _) => &[],

        (Place::Main, Lifecycle::Deleted | Lifecycle::DeletedBeside) => &[V::Deleted],
        (Place::Main, _) => &[V::Present],
        (Place::Late, Lifecycle::Outdated) => &[V::Outdated],
        (Place::Late, Lifecycle::Repeated) => &[V::Present],
        (Place::Late, Lifecycle::DeletedInATie) => &[V::DeletedInATie],
        (Place::Late, Lifecycle::Recreated) => &[V::DeletedBetween],
        (Place::Late, _) => &[],

        (Place::Folder(_), _) if changed_in > 0 => &[],
        (Place::Folder(0), Lifecycle::Plain | Lifecycle::Deleted) => &[V::Present],
        (Place::Folder(0), Lifecycle::Outdated) => &[V::Present, V::Outdated],
        (Place::Folder(0), Lifecycle::Repeated) => &[V::Present, V::Present],
        (Place::Folder(0), Lifecycle::DeletedInATie) => &[V::Present, V::DeletedInATie],
        (Place::Folder(0), Lifecycle::DeletedBeside) => &[V::Present, V::DeletedUnversioned],
        (Place::Folder(0), Lifecycle::Recreated) => &[V::Outdated],
        (Place::Folder(1), Lifecycle::Deleted) => &[V::DeletedUnversioned],
        (Place::Folder(1), Lifecycle::Recreated) => &[V::DeletedBetween],
        (Place::Folder(2), Lifecycle::Recreated) => &[V::Present],
        (Place::Folder(_), _) => &[],
    }
}

fn in_version<B: RowData>(shop: &Shop, version: Version, row: &Record<B>) -> Record<B> {
    let mut row = row.clone();
    let metadata = &mut row.metadata;
    match version {
        Version::Present => {}
        Version::Outdated => {
            metadata.modified = metadata.modified.plus(-2 * HOUR);
            metadata.created = metadata.created.min(metadata.modified);
            row.data.outdate();
        }
        Version::Deleted | Version::DeletedUnversioned => {
            metadata.modified = deleted_at(shop, metadata.family).max(metadata.modified.plus(10 * MINUTE));
            metadata.deleted = true;
            metadata.unversioned = version == Version::DeletedUnversioned;
        }
        Version::DeletedInATie => metadata.deleted = true,
        Version::DeletedBetween => {
            metadata.modified = metadata.modified.plus(-HOUR);
            metadata.created = metadata.created.min(metadata.modified);
            metadata.deleted = true;
        }
    }
    row
}

/// Soft deletes stay in Delta tables for 28 days: those of the first state are younger.
fn deleted_at(shop: &Shop, family: u64) -> Timestamp {
    let mut random = shop.random_again(Subject::Lifecycle, family, u32::MAX);
    shop.rounds[0].as_of.plus(-(random.below(27 * DAY as u64) as i64) - HOUR).to_second()
}

/// A purge removes deletes, and with a delete the row beside it.
fn is_purged<B>(shop: &Shop, place: Place, lifecycle: Lifecycle, row: &Record<B>, before: Timestamp) -> bool {
    let in_delta = matches!(place, Place::Main | Place::Late);
    let gone = row.metadata.deleted || lifecycle == Lifecycle::DeletedInATie;
    in_delta && gone && row.metadata.exported_at(shop) < before
}
