//! An export of Delta tables made of the rows of a case.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::DeltaTableError;
use deltalake::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use deltalake::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::SaveMode;

use crate::error::{Context, Result};
use crate::location::Location;
use crate::sql::{SourceTable, Sources};

/// Record ids that the files do not give begin here, beyond those that people write.
const FIRST_RECORD: i64 = 9_000_000_000;

/// The company of rows whose file has no company.
const COMPANY: &str = "usmf";

/// The time of writing of the first export, in microseconds.
const WRITTEN: i64 = 1_767_225_600_000_000;

/// The export, which grows with each run of the case.
pub(super) struct CaseExport {
    location: Location,
    exports: i64,
    records: i64,
}

impl CaseExport {
    pub(super) fn new(location: Location) -> Self {
        Self { location, exports: 0, records: FIRST_RECORD }
    }

    /// Exports these rows, by table: new ones, and new versions of those with the same id. Required tables exist always.
    pub(super) async fn add(&mut self, sources: &Sources, rows: &BTreeMap<String, RecordBatch>) -> Result<()> {
        self.exports += 1;
        for table in &sources.tables {
            let given = rows.get(&table.name);
            if given.is_some() || (table.required && self.exports == 1) {
                let schema = Arc::new(exported_schema(table)?);
                let given = given.cloned().unwrap_or_else(|| RecordBatch::new_empty(Arc::new(Schema::empty())));
                let columns = self.columns(table, &schema, &given);
                let batch = RecordBatch::try_new(schema, columns)
                    .map_err(DeltaTableError::from)
                    .context(format!("make rows of {}", table.name))?;
                self.write(&table.name, batch).await?;
            }
        }
        Ok(())
    }

    /// All columns of the table: the given ones, what every row of an export has, and NULL.
    fn columns(&mut self, table: &SourceTable, schema: &Schema, given: &RecordBatch) -> Vec<ArrayRef> {
        let rows = given.num_rows();
        let records = self.records(given);
        let of = |name: &str| given.column_by_name(name);
        let column = |name: &str, kind: &DataType| -> ArrayRef {
            match (name, of(name)) {
                ("recid", _) => Arc::new(records.clone()),
                ("id", ids) => {
                    let ids = ids.map(|ids| ids.as_string::<i32>());
                    let id = |row| match ids.filter(|ids| ids.is_valid(row)) {
                        Some(ids) => ids.value(row).to_owned(),
                        None => format!("{}-{}", table.name, records.value(row)),
                    };
                    Arc::new((0..rows).map(|row| Some(id(row))).collect::<StringArray>())
                }
                (_, Some(values)) => Arc::clone(values),
                ("dataareaid", None) => Arc::new(StringArray::from(vec![COMPANY; rows])),
                ("isdelete", None) => Arc::new(BooleanArray::from(vec![false; rows])),
                ("versionnumber", None) => Arc::new(Int64Array::from(vec![self.exports * 100; rows])),
                ("sinkmodifiedon", None) => {
                    let written = WRITTEN + self.exports * 60_000_000;
                    Arc::new(TimestampMicrosecondArray::from(vec![written; rows]).with_timezone("UTC"))
                }
                (_, None) => new_null_array(kind, rows),
            }
        };
        schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect()
    }

    /// The record ids, of which those that are not given are new.
    fn records(&mut self, given: &RecordBatch) -> Int64Array {
        let records = given.column_by_name("recid").map(|column| column.as_primitive::<Int64Type>());
        let record = |row| match records.filter(|records| records.is_valid(row)) {
            Some(records) => records.value(row),
            None => {
                self.records += 1;
                self.records
            }
        };
        (0..given.num_rows()).map(record).map(Some).collect()
    }

    async fn write(&self, name: &str, batch: RecordBatch) -> Result<()> {
        let location = self.location.join("deltalake").join(name);
        let what = format!("export {name}");
        let table = match location.open().await? {
            Some(table) => table,
            None => {
                location.create()?;
                let columns: StructType =
                    batch.schema().as_ref().try_into_kernel().map_err(DeltaTableError::from).context(&what)?;
                let made =
                    CreateBuilder::new().with_location(location.url().as_str()).with_columns(columns.fields().cloned());
                made.await.context(&what)?
            }
        };
        if batch.num_rows() > 0 {
            table.write([batch]).with_save_mode(SaveMode::Append).await.context(&what)?;
        }
        Ok(())
    }
}

/// The columns of an exported table.
pub(super) fn exported_schema(table: &SourceTable) -> Result<Schema> {
    let columns = table.bronze_columns()?;
    let fields = columns.iter().map(|column| Ok(Field::new(&column.name, column.data_type()?, true)));
    Ok(Schema::new(fields.collect::<Result<Vec<_>>>()?))
}
