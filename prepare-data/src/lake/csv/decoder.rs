//! Converts the text of change files to batches of rows.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::arrow::error::ArrowError;

use super::deletes::{Deleted, Deletes};
use super::error::Cause;
use super::record::{Field, Malformed, next_record};
use crate::lake::conform::flag;
use crate::lake::model::Layout;

/// Rows of a batch.
pub(super) const BATCH: usize = 8192;

/// What is read of the files with one layout.
#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) layout: Arc<Layout>,
    /// Columns to read; the one after the last of the layout is the folder.
    pub(super) projection: Vec<usize>,
    pub(super) schema: SchemaRef,
    pub(super) deletes: Arc<Deletes>,
    is_delete: Option<usize>,
    stamps: [Option<usize>; 3],
}

impl ReadPlan {
    pub(super) fn new(layout: Arc<Layout>, projection: Vec<usize>, schema: SchemaRef, deletes: Arc<Deletes>) -> Self {
        let is_delete = layout.place(&["isdelete", "isdeleted"]);
        let version = layout.place(&["versionnumber", "sysrowversion"]);
        let stamps = [layout.place(&["id"]), version, layout.place(&["sinkmodifiedon", "sinkcreatedon"])];
        Self { layout, projection, schema, deletes, is_delete, stamps }
    }
}

/// Decodes one file after the other.
pub(super) struct Decoder {
    plan: Arc<ReadPlan>,
    columns: Vec<StringBuilder>,
    fields: Vec<Field>,
    folder: String,
    rows: usize,
    line: u64,
    widest: usize,
    skips_header: bool,
}

impl Decoder {
    pub(super) fn new(plan: Arc<ReadPlan>) -> Self {
        let columns = plan.projection.iter().map(|_| StringBuilder::new()).collect();
        Self {
            plan,
            columns,
            fields: Vec::new(),
            folder: String::new(),
            rows: 0,
            line: 1,
            widest: 0,
            skips_header: false,
        }
    }

    pub(super) fn start_file(&mut self, folder: &str) {
        folder.clone_into(&mut self.folder);
        (self.line, self.widest, self.skips_header) = (1, 0, self.plan.layout.has_header);
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Decodes complete rows until a batch is full; returns the number of bytes that were read.
    pub(super) fn decode(&mut self, text: &[u8], is_all: bool) -> Result<usize, Cause> {
        let mut at = 0;
        while self.rows < BATCH && at < text.len() {
            let rest = &text[at..];
            let record =
                next_record(rest, is_all, self.plan.layout.delimiter, &mut self.fields).map_err(
                    |wrong| match wrong {
                        Malformed::Unclosed => Cause::Unclosed,
                        Malformed::TextAfterQuote => Cause::TextAfterQuote,
                    },
                )?;
            let Some(record) = record else { break };
            let is_blank = self.fields.len() == 1 && self.fields[0].start == self.fields[0].end;
            if std::mem::take(&mut self.skips_header) || is_blank {
                (at, self.line) = (at + record.end, self.line + record.lines);
                continue;
            }
            let row = std::str::from_utf8(&rest[..record.end]).map_err(|error| self.not_utf8(error.valid_up_to()))?;
            self.check_width(row)?;
            self.append(row);
            (at, self.line) = (at + record.end, self.line + record.lines);
        }
        Ok(at)
    }

    /// The decoded rows.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        RecordBatch::try_new_with_options(Arc::clone(&self.plan.schema), columns, &options)
    }

    fn not_utf8(&self, at: usize) -> Cause {
        let place = self.fields.iter().position(|field| at < field.end);
        Cause::NotUtf8 { column: place.and_then(|place| self.plan.layout.columns.get(place).cloned()) }
    }

    /// Columns are added after `IsDelete`, also while a file is written: then it has narrow rows before wide ones.
    fn check_width(&mut self, row: &str) -> Result<(), Cause> {
        let (found, expected) = (self.fields.len(), self.plan.layout.columns.len());
        let least = self.plan.is_delete.map_or(expected, |place| place + 1);
        if found < least {
            return Err(Cause::TooFew { found, expected });
        }
        if found > expected && least < expected.max(1) {
            return Err(Cause::TooMany { found, expected });
        }
        let Some(place) = self.plan.is_delete else {
            return if found == expected { Ok(()) } else { Err(Cause::TooMany { found, expected }) };
        };
        let text = self.value(row, place);
        if !text.is_empty() && flag(&text).is_none() {
            return Err(if found > expected { Cause::TooMany { found, expected } } else { Cause::NoFlag });
        }
        if found > expected && !self.has_version(row) {
            return Err(Cause::TooMany { found, expected });
        }
        if found < self.widest {
            return Err(Cause::Narrower { found, before: self.widest });
        }
        self.widest = found;
        if flag(&text) == Some(true) {
            self.record_delete(row);
        }
        Ok(())
    }

    /// Whether the row version is in its place: a value with an unquoted delimiter would have moved it.
    fn has_version(&self, row: &str) -> bool {
        self.plan.stamps[1].is_none_or(|place| self.value(row, place).trim().parse::<i64>().is_ok())
    }

    fn record_delete(&self, row: &str) {
        let [id, version, written] = self.plan.stamps.map(|place| place.map(|place| self.value(row, place)));
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.plan.deletes.add(&id, Deleted::parse(version.as_deref(), written.as_deref()));
        }
    }

    fn append(&mut self, row: &str) {
        for number in 0..self.columns.len() {
            let place = self.plan.projection[number];
            if place == self.plan.layout.columns.len() {
                self.columns[number].append_value(&self.folder);
                continue;
            }
            let value = self.value(row, place);
            let column = &mut self.columns[number];
            if value.is_empty() { column.append_null() } else { column.append_value(&value) }
        }
        self.rows += 1;
    }

    fn value<'a>(&self, row: &'a str, place: usize) -> std::borrow::Cow<'a, str> {
        let Some(field) = self.fields.get(place) else { return "".into() };
        let text = row.get(field.start..field.end).unwrap_or_default();
        if field.is_escaped { text.replace("\"\"", "\"").into() } else { text.into() }
    }
}
