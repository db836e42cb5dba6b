//! The shape of a table: its columns, each with the way it is read from a row, and the columns that the export adds.

use std::{borrow::Cow, ops::Range, sync::Arc};

use deltalake::arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
};

use crate::{
    columns::{RowColumns, leading_fields, trailing_fields},
    lifecycle::{Place, is_eventful, purged_since, versions_at},
    record::{Record, RowData},
    shop::Shop,
    timestamp::Timestamp,
};

/// How a column's value is read from a row.
pub(crate) enum Read<B> {
    /// Empty texts become '' or NULL.
    Text(fn(&B) -> Cow<'_, str>),
    /// Numbers, references and enumerations: all 64-bit in the export.
    Long(fn(&B) -> i64),
    /// In millionths.
    Decimal(fn(&B) -> i64),
    /// [`Timestamp::NEVER`] becomes 1900-01-01 or NULL.
    Time(fn(&B) -> Timestamp),
}

/// A column of a table.
pub(crate) struct Column<B> {
    name: &'static str,
    read: Read<B>,
}

/// Form of the rows: Delta tables keep the texts of deleted rows and have types for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Delta,
    Csv,
}

/// A table of the export.
pub(crate) struct Shape<B> {
    name: &'static str,
    table_id: u32,
    /// The table has `dataareaid`.
    per_company: bool,
    /// Reference data, which nothing happens to between database and lake.
    settled: bool,
    /// Tables of one group share the group of their families.
    group: u32,
    /// All rows of a thing are one family, whose number is the thing's.
    one_family: bool,
    columns: Vec<Column<B>>,
    /// How many of the things that rows are made from there are up to a round.
    count: fn(&Shop, u32) -> u64,
    /// The rows of one of them.
    rows: fn(&Shop, u64, &mut Vec<Record<B>>),
    /// Whether one of them may have changed in a round. The rows contain the exact answer.
    touched: fn(&Shop, u64, u32) -> bool,
}

/// A table, independent of the type of its rows.
pub(crate) trait Table: Send + Sync {
    /// The table's name, in lower case.
    fn name(&self) -> &'static str;
    /// Its columns in the order of the export.
    fn schema(&self, layout: Layout) -> SchemaRef;
    /// How many things its rows are made from, up to a round.
    fn count(&self, shop: &Shop, round: u32) -> u64;
    /// The rows of these things in one place; none for an empty range.
    fn batch(&self, shop: &Shop, things: Range<u64>, place: Place, layout: Layout) -> Result<RecordBatch, ArrowError>;
    /// Whether any row of these things changed in this round.
    fn has_changes(&self, shop: &Shop, things: Range<u64>, round: u32) -> bool;
    /// Whether the shop's purge takes rows of these things away that an earlier one left.
    fn has_purged(&self, shop: &Shop, things: Range<u64>, place: Place, last: Timestamp) -> bool;
    /// Reference data, which nothing happens to between database and lake.
    fn is_settled(&self) -> bool;
    /// Rows of a change folder that is still being written.
    fn unfinished(&self, shop: &Shop) -> Result<RecordBatch, ArrowError>;
}

impl<B: RowData> Shape<B> {
    /// A table without company whose rows are made from the things counted.
    pub(crate) fn new(
        name: &'static str,
        table_id: u32,
        count: fn(&Shop, u32) -> u64,
        rows: fn(&Shop, u64, &mut Vec<Record<B>>),
    ) -> Self {
        Self {
            name,
            table_id,
            per_company: false,
            settled: false,
            group: table_id,
            one_family: false,
            columns: Vec::new(),
            count,
            rows,
            touched: |_, _, _| false,
        }
    }

    pub(crate) fn per_company(mut self) -> Self {
        self.per_company = true;
        self
    }

    pub(crate) fn settled(mut self) -> Self {
        self.settled = true;
        self
    }

    /// All rows of a thing share their lifecycle with those of the other tables of the group.
    pub(crate) fn sharing_lifecycle(mut self, group: u32) -> Self {
        self.group = group;
        self.one_family = true;
        self
    }

    pub(crate) fn changing(mut self, touched: fn(&Shop, u64, u32) -> bool) -> Self {
        self.touched = touched;
        self
    }

    pub(crate) fn text(self, name: &'static str, read: fn(&B) -> Cow<'_, str>) -> Self {
        self.column(name, Read::Text(read))
    }

    pub(crate) fn long(self, name: &'static str, read: fn(&B) -> i64) -> Self {
        self.column(name, Read::Long(read))
    }

    pub(crate) fn decimal(self, name: &'static str, read: fn(&B) -> i64) -> Self {
        self.column(name, Read::Decimal(read))
    }

    pub(crate) fn time(self, name: &'static str, read: fn(&B) -> Timestamp) -> Self {
        self.column(name, Read::Time(read))
    }

    fn column(mut self, name: &'static str, read: Read<B>) -> Self {
        self.columns.push(Column { name, read });
        self
    }

    /// Whether the table's own columns take the name: the dictionary of tables has a `tableid` that is not its own.
    fn declares(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    fn records(&self, shop: &Shop, things: Range<u64>, place: Place) -> Vec<Record<B>> {
        let (mut rows, mut written) = (Vec::new(), Vec::new());
        for thing in things {
            if !self.may_be_in(shop, thing, place) {
                continue;
            }
            rows.clear();
            (self.rows)(shop, thing, &mut rows);
            self.place(shop, place, &mut rows, &mut written);
        }
        written
    }

    fn place(&self, shop: &Shop, place: Place, rows: &mut Vec<Record<B>>, written: &mut Vec<Record<B>>) {
        match place {
            Place::Main | Place::Folder(0) if self.settled => {
                written.extend(rows.drain(..).filter(|row| place == Place::Main || row.metadata.round == 0));
            }
            Place::Late | Place::Folder(_) if self.settled => {}
            _ => rows.iter().for_each(|row| versions_at(shop, self.group, place, row, written)),
        }
    }

    /// Spares making the rows of things that have none in a place: few have any outside the first.
    fn may_be_in(&self, shop: &Shop, thing: u64, place: Place) -> bool {
        match place {
            Place::Main | Place::Folder(0) => true,
            Place::Late | Place::Folder(_) => !self.one_family || is_eventful(shop, self.group, thing),
            Place::Round(round) => self.concerns(shop, thing, round),
        }
    }

    /// Whether the thing is new in this round or may have changed.
    fn concerns(&self, shop: &Shop, thing: u64, round: u32) -> bool {
        let new = round.checked_sub(1).map_or(0, |before| (self.count)(shop, before));
        thing >= new || (self.touched)(shop, thing, round)
    }

    fn to_batch(&self, shop: &Shop, rows: &[Record<B>], layout: Layout) -> Result<RecordBatch, ArrowError> {
        let columns = RowColumns { shop, table_id: self.table_id, layout, rows };
        let mut arrays = columns.leading();
        for column in &self.columns {
            arrays.push(columns.read(&column.read)?);
        }
        let trailing = trailing_fields(self.per_company, layout).into_iter().zip(columns.trailing(self.per_company));
        arrays.extend(trailing.filter(|(field, _)| !self.declares(field.name())).map(|(_, array)| array));
        RecordBatch::try_new(self.schema(layout), arrays)
    }
}

impl<B: RowData> Table for Shape<B> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn schema(&self, layout: Layout) -> SchemaRef {
        let mut fields = leading_fields(layout);
        fields.extend(self.columns.iter().map(|column| Field::new(column.name, column.read.data_type(), true)));
        fields
            .extend(trailing_fields(self.per_company, layout).into_iter().filter(|field| !self.declares(field.name())));
        Arc::new(Schema::new(fields))
    }

    fn count(&self, shop: &Shop, round: u32) -> u64 {
        (self.count)(shop, round)
    }

    fn batch(&self, shop: &Shop, things: Range<u64>, place: Place, layout: Layout) -> Result<RecordBatch, ArrowError> {
        self.to_batch(shop, &self.records(shop, things, place), layout)
    }

    fn has_changes(&self, shop: &Shop, things: Range<u64>, round: u32) -> bool {
        let mut rows = Vec::new();
        things.filter(|thing| self.concerns(shop, *thing, round)).any(|thing| {
            rows.clear();
            (self.rows)(shop, thing, &mut rows);
            rows.iter().any(|row| row.metadata.round == round)
        })
    }

    fn has_purged(&self, shop: &Shop, things: Range<u64>, place: Place, last: Timestamp) -> bool {
        let mut rows = Vec::new();
        !self.settled
            && things.into_iter().any(|thing| {
                rows.clear();
                (self.rows)(shop, thing, &mut rows);
                rows.iter().any(|row| purged_since(shop, self.group, place, row, last))
            })
    }

    fn is_settled(&self) -> bool {
        self.settled
    }

    fn unfinished(&self, shop: &Shop) -> Result<RecordBatch, ArrowError> {
        let mut rows = Vec::new();
        (self.rows)(shop, 0, &mut rows);
        for row in &mut rows {
            row.metadata.modified = shop.as_of();
            row.data.outdate();
        }
        self.to_batch(shop, &rows, Layout::Csv)
    }
}
