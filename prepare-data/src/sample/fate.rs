//! What became of a row between the database and the lake: which of its versions stand where.

use super::{
    draw::Subject,
    moment::{DAY, HOUR, MINUTE, Moment},
    record::{Body, Record},
    world::World,
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

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
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
    /// The same, telling no version.
    DeletedUnversioned,
    /// Deleted, with the present version's number.
    DeletedInATie,
    /// Deleted between the outdated and the present version.
    DeletedBetween,
}

/// Writes the versions of a row that stand in this place.
pub(crate) fn spread<B: Body>(world: &World, fates: u32, place: Place, row: &Record<B>, to: &mut Vec<Record<B>>) {
    let fate = fate_of(world, fates, row);
    let versions = versions(fate, place, row.stamp.round).iter().map(|version| in_version(world, *version, row));
    to.extend(versions.filter(|version| !is_purged(world, place, fate, version, world.purged_before)));
}

/// Whether the world's purge takes versions of the row away that one up to `last` left.
pub(crate) fn purged_since<B: Body>(world: &World, fates: u32, place: Place, row: &Record<B>, last: Moment) -> bool {
    let fate = fate_of(world, fates, row);
    versions(fate, place, row.stamp.round).iter().map(|version| in_version(world, *version, row)).any(|version| {
        is_purged(world, place, fate, &version, world.purged_before) && !is_purged(world, place, fate, &version, last)
    })
}

/// Whether anything happened to the rows of a family between database and lake.
pub(crate) fn is_eventful(world: &World, fates: u32, family: u64) -> bool {
    drawn(world, fates, family) != Fate::Plain
}

fn fate_of<B>(world: &World, fates: u32, row: &Record<B>) -> Fate {
    if row.stamp.round > 0 || row.stamp.settled {
        return Fate::Plain;
    }
    drawn(world, fates, row.stamp.family)
}

fn drawn(world: &World, fates: u32, family: u64) -> Fate {
    let dirt = &world.dirt;
    let shares = [
        (dirt.outdated, Fate::Outdated),
        (dirt.repeated, Fate::Repeated),
        (dirt.deleted, Fate::Deleted),
        (dirt.deleted_in_a_tie, Fate::DeletedInATie),
        (dirt.deleted_beside, Fate::DeletedBeside),
        (dirt.recreated, Fate::Recreated),
    ];
    world.draw_again(Subject::Fate, family, fates).weighted(&shares, Fate::Plain)
}

fn versions(fate: Fate, place: Place, changed_in: u32) -> &'static [Version] {
    use Version as V;
    match (place, fate) {
        (Place::Round(round), _) if round == changed_in => &[V::Present],
        (Place::Round(_), _) => &[],

        (Place::Main, Fate::Deleted | Fate::DeletedBeside) => &[V::Deleted],
        (Place::Main, _) => &[V::Present],
        (Place::Late, Fate::Outdated) => &[V::Outdated],
        (Place::Late, Fate::Repeated) => &[V::Present],
        (Place::Late, Fate::DeletedInATie) => &[V::DeletedInATie],
        (Place::Late, Fate::Recreated) => &[V::DeletedBetween],
        (Place::Late, _) => &[],

        (Place::Folder(_), _) if changed_in > 0 => &[],
        (Place::Folder(0), Fate::Plain | Fate::Deleted) => &[V::Present],
        (Place::Folder(0), Fate::Outdated) => &[V::Present, V::Outdated],
        (Place::Folder(0), Fate::Repeated) => &[V::Present, V::Present],
        (Place::Folder(0), Fate::DeletedInATie) => &[V::Present, V::DeletedInATie],
        (Place::Folder(0), Fate::DeletedBeside) => &[V::Present, V::DeletedUnversioned],
        (Place::Folder(0), Fate::Recreated) => &[V::Outdated],
        (Place::Folder(1), Fate::Deleted) => &[V::DeletedUnversioned],
        (Place::Folder(1), Fate::Recreated) => &[V::DeletedBetween],
        (Place::Folder(2), Fate::Recreated) => &[V::Present],
        (Place::Folder(_), _) => &[],
    }
}

fn in_version<B: Body>(world: &World, version: Version, row: &Record<B>) -> Record<B> {
    let mut row = row.clone();
    let stamp = &mut row.stamp;
    match version {
        Version::Present => {}
        Version::Outdated => {
            stamp.modified = stamp.modified.plus(-2 * HOUR);
            stamp.created = stamp.created.min(stamp.modified);
            row.body.outdate();
        }
        Version::Deleted | Version::DeletedUnversioned => {
            stamp.modified = deleted_at(world, stamp.family).max(stamp.modified.plus(10 * MINUTE));
            stamp.deleted = true;
            stamp.unversioned = version == Version::DeletedUnversioned;
        }
        Version::DeletedInATie => stamp.deleted = true,
        Version::DeletedBetween => {
            stamp.modified = stamp.modified.plus(-HOUR);
            stamp.created = stamp.created.min(stamp.modified);
            stamp.deleted = true;
        }
    }
    row
}

/// Soft deletes stay in Delta tables for 28 days: those of the first state are younger.
fn deleted_at(world: &World, family: u64) -> Moment {
    let mut draw = world.draw_again(Subject::Fate, family, u32::MAX);
    world.rounds[0].as_of.plus(-(draw.below(27 * DAY as u64) as i64) - HOUR).to_second()
}

/// A purge takes deletes away, and with a delete the row that it stood beside.
fn is_purged<B>(world: &World, place: Place, fate: Fate, row: &Record<B>, before: Moment) -> bool {
    let in_delta = matches!(place, Place::Main | Place::Late);
    let gone = row.stamp.deleted || fate == Fate::DeletedInATie;
    in_delta && gone && row.stamp.sunk(world) < before
}
