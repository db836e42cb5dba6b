//! What Customer Insights - Data can read.
//! <https://learn.microsoft.com/dynamics365/customer-insights/data/connect-delta-lake>

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::engine::plain_type;
use crate::error::{Context, Error, Result};
use crate::sql::utc_timestamp;

/// Its connector reads up to this version of the protocol, without table features.
const READER: i32 = 2;

/// The highest writer version without table features. The connector cannot read tables with features (7).
const WRITER: i32 = 6;

/// The schema in which rows are written: one type for text, and timestamps in UTC microseconds.
pub fn written_schema(rows: &Schema) -> SchemaRef {
    let written = |field: &Arc<Field>| Field::new(field.name(), written_type(field.data_type()), true);
    Arc::new(Schema::new(rows.fields().iter().map(written).collect::<Vec<_>>()))
}

fn written_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Timestamp(..) => utc_timestamp(),
        DataType::Dictionary(_, value) => written_type(value),
        other => plain_type(other),
    }
}

/// Refuses columns that the connector cannot read, before anything is written.
///
/// # Errors
/// [`Error::Unreadable`] names the column.
pub fn check_schema(table: &str, schema: &Schema) -> Result<()> {
    let refuse = |why: String| Err(Error::Unreadable { table: table.to_owned(), why });
    if !is_name(table) {
        return refuse(format!(
            "the name {table} must start with a letter and contain only letters, digits and underscores"
        ));
    }
    for field in schema.fields() {
        if !is_name(field.name()) {
            return refuse(format!(
                "the column name {} must start with a letter and contain only letters, digits and underscores",
                field.name()
            ));
        }
        let readable = matches!(
            field.data_type(),
            DataType::Utf8 | DataType::Int32 | DataType::Int64 | DataType::Boolean | DataType::Decimal128(..)
        ) || *field.data_type() == utc_timestamp();
        if !readable {
            return refuse(format!(
                "the column {} has the type {}: cast it in the SQL file",
                field.name(),
                field.data_type()
            ));
        }
    }
    Ok(())
}

/// Refuses a table whose protocol the connector cannot read. Called after every write.
///
/// # Errors
/// [`Error::Unreadable`] names the versions of the protocol.
pub fn check_table(name: &str, table: &DeltaTable) -> Result<()> {
    let protocol = table.snapshot().context(format!("read the protocol of {name}"))?.protocol();
    let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
    if reader > READER || writer > WRITER {
        return Err(Error::Unreadable {
            table: name.to_owned(),
            why: format!(
                "it requires reader version {reader} and writer version {writer}; the connector reads at most {READER} and {WRITER}"
            ),
        });
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use deltalake::arrow::datatypes::TimeUnit;

    use super::*;

    fn schema(name: &str, kind: DataType) -> Schema {
        Schema::new(vec![Field::new(name, kind, true)])
    }

    #[test]
    fn a_time_without_zone_is_refused() {
        let naive = schema("ordered_at", DataType::Timestamp(TimeUnit::Microsecond, None));
        assert!(check_schema("orders", &naive).is_err());
        assert!(check_schema("orders", &written_schema(&naive)).is_ok());
    }

    #[test]
    fn names_with_spaces_are_refused() {
        assert!(check_schema("orders", &schema("order number", DataType::Utf8)).is_err());
        assert!(check_schema("1orders", &schema("a", DataType::Utf8)).is_err());
    }
}
