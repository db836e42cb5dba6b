//! The data dictionary, made from the comments of the SQL files.

use std::fmt::Write;

use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::prelude::SessionContext;

use crate::delta::written_schema;
use crate::engine::run_script;
use crate::error::{Error, Result};
use crate::overlay::{check, empty_session};
use crate::sql::{Catalog, GoldTable, Script};

const HEAD: &str = "# Data dictionary\n\n\
    What `prepare-data` publishes, column by column. Made by `prepare-data dictionary` from the comments in \
    [prepare-data/sql/gold](../../prepare-data/sql/gold); a test compares the two. Times are UTC. Text that the source \
    leaves empty is NULL.\n";

/// The page, in Markdown.
///
/// # Errors
/// [`Error::Catalog`] names a column without a comment; [`Error::Statement`] a statement that cannot be planned;
/// [`Error::Overlay`] what is wrong with the overlay.
pub async fn markdown(catalog: &Catalog) -> Result<String> {
    check(catalog).await?;
    let session = empty_session(catalog).await?;
    let mut page = HEAD.to_owned();
    for table in &catalog.gold {
        describe(&mut page, &session, table).await?;
    }
    Ok(page)
}

async fn describe(page: &mut String, session: &SessionContext, table: &GoldTable) -> Result<()> {
    let category = table.rows.directive("category").unwrap_or_default();
    write!(page, "\n## {}\n\n{}\n\nCategory: {category}. Key: `{}`.", table.name(), table.rows.about, table.key)
        .map_err(written)?;
    if let Some(time) = table.rows.directive("time") {
        write!(page, " Time of the activity: `{time}`.").map_err(written)?;
    }
    if table.own_file.is_some() {
        page.push_str(" A table of the overlay.");
    }
    if let Some(columns) = &table.columns {
        write!(page, " The last columns are of the overlay: {}", columns.script.about).map_err(written)?;
    }
    page.push_str("\n\n| column | type | meaning |\n|---|---|---|\n");
    list_columns(page, session, &table.rows, "").await?;
    match &table.columns {
        Some(columns) => list_columns(page, session, &columns.script, &table.key).await,
        None => Ok(()),
    }
}

/// Lists the columns that a file makes, without the one that was listed already.
async fn list_columns(page: &mut String, session: &SessionContext, script: &Script, listed: &str) -> Result<()> {
    let rows = run_script(session, script).await?;
    let comments = script.column_comments();
    for field in written_schema(rows.schema().as_arrow()).fields().iter().filter(|field| field.name() != listed) {
        let Some(meaning) = comments.get(field.name()) else {
            return Err(Error::Catalog(format!("{}.sql: the column {} has no comment", script.name, field.name())));
        };
        writeln!(page, "| `{}` | {} | {meaning} |", field.name(), type_name(field.data_type())).map_err(written)?;
    }
    Ok(())
}

fn written(error: std::fmt::Error) -> Error {
    Error::Catalog(error.to_string())
}

fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 => "string".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        other => other.to_string(),
    }
}
