//! Converts rows to columns, and adds the columns of the export.

use std::sync::Arc;

use deltalake::arrow::{
    array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, TimeUnit},
    error::ArrowError,
};

use crate::{
    record::{Record, RowData, guid, spelled},
    shape::{Layout, Read},
    shop::Shop,
    timestamp::Timestamp,
};

/// Precision and scale of every decimal that the export writes.
const PRECISION: u8 = 32;
/// See [`PRECISION`].
const SCALE: i8 = 6;
/// Number of the partition in which finance and operations apps keep all data.
const PARTITION: i64 = 5_637_144_576;

impl<B> Read<B> {
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Text(_) => DataType::Utf8,
            Self::Long(_) => DataType::Int64,
            Self::Decimal(_) => DataType::Decimal128(PRECISION, SCALE),
            Self::Time(_) => time_type(),
        }
    }
}

/// Points in time carry their zone: without one the table would need a newer Delta protocol.
fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(crate) fn leading_fields(layout: Layout) -> Vec<Field> {
    let sink = if layout == Layout::Csv { DataType::Utf8 } else { time_type() };
    vec![
        Field::new("Id", DataType::Utf8, true),
        Field::new("SinkCreatedOn", sink.clone(), true),
        Field::new("SinkModifiedOn", sink, true),
        Field::new("sysdatastatecode", DataType::Int64, true),
    ]
}

pub(crate) fn trailing_fields(per_company: bool, layout: Layout) -> Vec<Field> {
    let mut fields = vec![
        Field::new("createddatetime", time_type(), true),
        Field::new("modifieddatetime", time_type(), true),
        Field::new("createdtransactionid", DataType::Int64, true),
        Field::new("modifiedtransactionid", DataType::Int64, true),
    ];
    if per_company {
        fields.push(Field::new("dataareaid", DataType::Utf8, true));
    }
    let longs = ["recversion", "partition", "sysrowversion", "recid", "tableid", "versionnumber"];
    fields.extend(longs.map(|name| Field::new(name, DataType::Int64, true)));
    fields.extend(["createdon", "modifiedon"].map(|name| Field::new(name, time_type(), true)));
    fields.push(Field::new("IsDelete", DataType::Boolean, true));
    if layout == Layout::Delta {
        fields.push(Field::new("PartitionId", DataType::Utf8, true));
    }
    fields
}

/// Rows that are converted to columns.
pub(crate) struct RowColumns<'a, B> {
    pub(crate) shop: &'a Shop,
    pub(crate) table_id: u32,
    pub(crate) layout: Layout,
    pub(crate) rows: &'a [Record<B>],
}

impl<B: RowData> RowColumns<'_, B> {
    pub(crate) fn leading(&self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.texts(|row| Some(guid(self.table_id, row.metadata.recid())))),
            self.sink(|row| row.metadata.first_exported_at(self.shop)),
            self.sink(|row| row.metadata.exported_at(self.shop)),
            self.longs(|row| self.has_values(row).then_some(0)),
        ]
    }

    pub(crate) fn trailing(&self, per_company: bool) -> Vec<ArrayRef> {
        let created = |row: &Record<B>| self.has_values(row).then_some(row.metadata.created);
        let modified = |row: &Record<B>| self.has_values(row).then_some(row.metadata.modified);
        let version = |row: &Record<B>| (!row.metadata.unversioned).then(|| row.metadata.version());
        let mut arrays = vec![
            self.times(created),
            self.times(modified),
            self.longs(|row| self.has_values(row).then(|| row.metadata.created.second_of_day())),
            self.longs(|row| self.has_values(row).then(|| row.metadata.modified.second_of_day())),
        ];
        if per_company {
            arrays.push(Arc::new(self.texts(|row| self.has_values(row).then(|| self.company(row)))));
        }
        arrays.extend([
            self.longs(|row| self.has_values(row).then(|| row.metadata.version() % 1_000_003)),
            self.longs(|row| self.has_values(row).then_some(PARTITION)),
            self.longs(version),
            self.longs(|row| self.has_values(row).then(|| row.metadata.recid())),
            self.longs(|row| self.has_values(row).then_some(i64::from(self.table_id))),
            self.longs(version),
            self.times(created),
            self.times(modified),
            Arc::new(self.rows.iter().map(is_delete).collect::<BooleanArray>()),
        ]);
        if self.layout == Layout::Delta {
            arrays.push(Arc::new(self.texts(|row| Some(row.metadata.created.year().to_string()))));
        }
        arrays
    }

    pub(crate) fn read(&self, read: &Read<B>) -> Result<ArrayRef, ArrowError> {
        Ok(match read {
            Read::Text(text) => Arc::new(self.texts(|row| {
                let value = self.has_values(row).then(|| text(&row.data))?;
                (!value.is_empty() || self.marks_empty(row)).then_some(value)
            })),
            Read::Long(number) => self.longs(|row| self.has_values(row).then(|| number(&row.data))),
            Read::Time(time) => self.times(|row| {
                let value = self.has_values(row).then(|| time(&row.data))?;
                (value != Timestamp::NEVER || self.marks_empty(row)).then_some(value)
            }),
            Read::Decimal(number) => Arc::new(
                self.rows
                    .iter()
                    .map(|row| self.has_values(row).then(|| i128::from(number(&row.data))))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(PRECISION, SCALE)?,
            ),
        })
    }

    /// Deletes in change folders have no data.
    fn has_values(&self, row: &Record<B>) -> bool {
        self.layout == Layout::Delta || !row.metadata.deleted
    }

    fn marks_empty(&self, row: &Record<B>) -> bool {
        (row.metadata.number % 100) < (self.shop.dirt.marks_for_empty * 100.0) as u64
    }

    fn company(&self, row: &Record<B>) -> String {
        spelled(self.shop, &self.shop.companies[row.metadata.company].code, row.metadata.number)
    }

    fn sink(&self, time: impl Fn(&Record<B>) -> Timestamp) -> ArrayRef {
        match self.layout {
            Layout::Delta => self.times(|row| Some(time(row))),
            Layout::Csv => Arc::new(self.texts(|row| Some(time(row).us_text()))),
        }
    }

    fn texts<'s, T: AsRef<str>>(&'s self, text: impl Fn(&'s Record<B>) -> Option<T>) -> StringArray {
        self.rows.iter().map(text).collect()
    }

    fn longs(&self, number: impl Fn(&Record<B>) -> Option<i64>) -> ArrayRef {
        Arc::new(self.rows.iter().map(number).collect::<Int64Array>())
    }

    fn times(&self, time: impl Fn(&Record<B>) -> Option<Timestamp>) -> ArrayRef {
        let times = self.rows.iter().map(|row| time(row).map(|moment| moment.0));
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    }
}

/// In the first export, the flag of rows that are not deleted is NULL; in later ones it is false.
fn is_delete<B>(row: &Record<B>) -> Option<bool> {
    (row.metadata.deleted || row.metadata.round > 0).then_some(row.metadata.deleted)
}
