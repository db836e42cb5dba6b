//! Reads a CSV file with a header: some columns of a table, in their types.

use std::io::Cursor;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::concat_batches;
use deltalake::arrow::csv::ReaderBuilder;
use deltalake::arrow::csv::reader::Format;
use deltalake::arrow::datatypes::{Field, Schema};
use deltalake::arrow::error::ArrowError;

use super::case::{CsvFile, text};
use super::error::CaseError;
use crate::names::meant;

/// The rows of a file. `known` are all columns of the table.
pub(super) fn read(file: &CsvFile, table: &str, known: &Schema) -> Result<RecordBatch, CaseError> {
    let text = text(&file.path)?;
    let wrong = |source: ArrowError| CaseError::Csv { file: file.name.clone(), source };
    let (header, _) = Format::default().with_header(true).infer_schema(text.as_bytes(), Some(0)).map_err(wrong)?;
    let schema = Arc::new(typed(&header, file, table, known)?);
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_header(true).build(Cursor::new(text)).map_err(wrong)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    concat_batches(&schema, &batches).map_err(wrong)
}

/// The named columns in the types of the table.
fn typed(header: &Schema, file: &CsvFile, table: &str, known: &Schema) -> Result<Schema, CaseError> {
    let file = || file.name.clone();
    let mut fields: Vec<Arc<Field>> = Vec::new();
    for named in header.fields() {
        let column = named.name().trim().to_lowercase();
        if fields.iter().any(|field| *field.name() == column) {
            return Err(CaseError::RepeatedColumn { file: file(), column });
        }
        let Some((_, field)) = known.column_with_name(&column) else {
            let names: Vec<&str> = known.fields().iter().map(|field| field.name().as_str()).collect();
            let hint = meant(&column, &names);
            return Err(CaseError::UnknownColumn { file: file(), table: table.to_owned(), column, hint });
        };
        fields.push(Arc::new(field.clone()));
    }
    if fields.is_empty() {
        return Err(CaseError::NoHeader { file: file() });
    }
    Ok(Schema::new(fields))
}
