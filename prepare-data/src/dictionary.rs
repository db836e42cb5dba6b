//! The data dictionary, made from the comments of the SQL files.

use std::fmt::Write;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::datafusion::prelude::SessionContext;

use crate::delta::written_schema;
use crate::engine::{Engine, empty, register, run_script};
use crate::error::{Error, Result};
use crate::sql::{Catalog, GoldTable, data_type};

const HEAD: &str = "# Data dictionary\n\n\
    What `prepare-data` publishes, column by column. Made by `prepare-data dictionary` from the comments in \
    [prepare-data/sql/gold](../../prepare-data/sql/gold); a test compares the two. Times are UTC. Text that the source \
    leaves empty is NULL.\n";

/// The page, in Markdown.
///
/// # Errors
/// [`Error::Catalog`] names a column without a comment; [`Error::Statement`] a statement that cannot be planned.
pub async fn markdown(catalog: &Catalog) -> Result<String> {
    let session = empty_session(catalog).await?;
    let mut page = HEAD.to_owned();
    for table in &catalog.gold {
        describe(&mut page, &session, table).await?;
    }
    Ok(page)
}

async fn describe(page: &mut String, session: &SessionContext, table: &GoldTable) -> Result<()> {
    let rows = run_script(session, &table.rows).await?;
    let schema = written_schema(rows.schema().as_arrow());
    let comments = table.rows.column_comments();
    let written = |error: std::fmt::Error| Error::Catalog(error.to_string());
    let category = table.rows.directive("category").unwrap_or_default();
    write!(page, "\n## {}\n\n{}\n\nCategory: {category}. Key: `{}`.", table.name(), table.rows.about, table.key)
        .map_err(written)?;
    if let Some(time) = table.rows.directive("time") {
        write!(page, " Time of the activity: `{time}`.").map_err(written)?;
    }
    page.push_str("\n\n| column | type | meaning |\n|---|---|---|\n");
    for field in schema.fields() {
        let Some(meaning) = comments.get(field.name()) else {
            return Err(Error::Catalog(format!("{}.sql: the column {} has no comment", table.name(), field.name())));
        };
        writeln!(page, "| `{}` | {} | {meaning} |", field.name(), type_name(field.data_type())).map_err(written)?;
    }
    Ok(())
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

/// A session with all tables that gold files may read, without rows.
async fn empty_session(catalog: &Catalog) -> Result<SessionContext> {
    let session = Engine::new(64 * 1024 * 1024, 1)?.session();
    for table in &catalog.sources.tables {
        let bronze = empty(Arc::new(table.bronze_schema()?))?;
        register(&session, &format!("bronze_{}", table.name), bronze)?;
        let current = run_script(&session, &catalog.current_rows_of(&table.name)?).await?;
        register(&session, &format!("current_{}", table.name), current.into_view())?;
        if let Some(silver) = catalog.silver.get(&table.name) {
            let rows = run_script(&session, silver).await?;
            register(&session, &table.name, rows.into_view())?;
        }
    }
    let mut fields = Vec::new();
    for parameter in &catalog.sources.parameters {
        let kind = data_type(&parameter.kind);
        let kind = kind.ok_or_else(|| Error::Catalog(format!("parameter {} has an unknown type", parameter.name)))?;
        fields.push(Field::new(&parameter.name, kind, true));
    }
    register(&session, "parameters", empty(Arc::new(Schema::new(fields)))?)?;
    let types = vec![Field::new("type", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
    register(&session, "party_type_names", empty(Arc::new(Schema::new(types)))?)?;
    for (name, script) in &catalog.shared {
        let rows = run_script(&session, script).await?;
        register(&session, name, rows.into_view())?;
    }
    Ok(session)
}
