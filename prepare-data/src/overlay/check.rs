//! Plans what an overlay adds, without rows: what is wrong with it is said before a run begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafusion::prelude::SessionContext;
use serde::Serialize;

use super::empty_session::empty_session;
use crate::delta::{check_schema, written_schema};
use crate::engine::{Engine, empty, register, run_script, sql};
use crate::error::{Context, Error, OverlayError, Result};
use crate::sql::{Catalog, GoldTable, OwnColumns, Script};

/// What an overlay adds to the published tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Additions {
    /// Own tables.
    pub tables: Vec<String>,
    /// Own columns, by table.
    pub columns: BTreeMap<String, Vec<String>>,
}

impl Additions {
    /// Whether there is no overlay, or it adds nothing to the published tables.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty()
    }
}

impl std::fmt::Display for Additions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (table, columns) in &self.columns {
            writeln!(f, "own columns of {table}: {}", columns.join(", "))?;
        }
        match &self.tables[..] {
            [] => Ok(()),
            tables => writeln!(f, "own tables: {}", tables.join(", ")),
        }
    }
}

/// Refuses an overlay that cannot be computed or would not be kept up to date; returns what it adds.
///
/// # Errors
/// [`Error::Overlay`] names the file and what to do; [`Error::Statement`] a statement that cannot be planned.
pub async fn check(catalog: &Catalog) -> Result<Additions> {
    let mut additions = Additions::default();
    if !catalog.has_overlay() {
        return Ok(additions);
    }
    check_source_columns(catalog).await?;
    let session = empty_session(catalog).await?;
    for table in &catalog.gold {
        if let Some(file) = &table.own_file {
            check_table(&session, table, file).await?;
            additions.tables.push(table.name().to_owned());
        }
        if let Some(columns) = &table.columns {
            let names = check_columns(&session, table, columns).await?;
            additions.columns.insert(table.name().to_owned(), names);
        }
    }
    Ok(additions)
}

/// Own columns of a source have other names than the columns that its silver file makes.
async fn check_source_columns(catalog: &Catalog) -> Result<()> {
    for table in &catalog.sources.tables {
        let (Some(own), Some(silver)) = (catalog.source_columns.get(&table.name), catalog.silver.get(&table.name))
        else {
            continue;
        };
        let session = Engine::new(1 << 24, 1)?.session();
        register(&session, &format!("current_{}", table.name), empty(Arc::new(table.current_schema()?))?)?;
        let Some(shipped) = silver.steps.first() else { continue };
        let shipped = sql(&session, &silver.name, &shipped.sql).await?;
        if let Some(column) = own.iter().find(|own| shipped.schema().has_column_with_unqualified_name(own)) {
            let (table, column) = (table.name.clone(), column.clone());
            return Err(
                OverlayError::ShippedColumn { file: "sources.json of the overlay".to_owned(), table, column }.into()
            );
        }
    }
    Ok(())
}

async fn check_table(session: &SessionContext, table: &GoldTable, file: &str) -> Result<()> {
    require_declared(session, &table.rows, &table.reads, file)?;
    if let Some(rejected) = &table.rejected {
        require_declared(session, rejected, &table.reads, &format!("rejected/{}.sql of the overlay", table.name()))?;
    }
    let schema = planned(session, &table.rows).await?;
    if schema.field_with_name(&table.key).is_err() {
        return Err(wrong_columns(table, file, &schema, "string"));
    }
    check_schema(table.name(), &schema)
}

/// The names of the columns.
async fn check_columns(session: &SessionContext, table: &GoldTable, columns: &OwnColumns) -> Result<Vec<String>> {
    let file = &columns.file;
    require_declared(session, &columns.script, &columns.reads, file)?;
    let shipped = planned(session, &table.rows).await?;
    let own = planned(session, &columns.script).await?;
    let kind = shipped.field_with_name(&table.key).map(|key| key.data_type().to_string()).unwrap_or_default();
    let names: Vec<String> =
        own.fields().iter().map(|field| field.name().clone()).filter(|name| *name != table.key).collect();
    let has_key = own.field_with_name(&table.key).is_ok_and(|key| key.data_type().to_string() == kind);
    if !has_key || names.is_empty() {
        return Err(wrong_columns(table, file, &own, &kind));
    }
    if let Some(column) = names.iter().find(|name| shipped.field_with_name(name).is_ok()) {
        let (file, table, column) = (file.clone(), table.name().to_owned(), column.clone());
        return Err(OverlayError::ShippedColumn { file, table, column }.into());
    }
    check_schema(table.name(), &own)?;
    Ok(names)
}

async fn planned(session: &SessionContext, script: &Script) -> Result<SchemaRef> {
    Ok(written_schema(run_script(session, script).await?.schema().as_arrow()))
}

fn wrong_columns(table: &GoldTable, file: &str, found: &Schema, kind: &str) -> Error {
    let found: Vec<_> =
        found.fields().iter().map(|field| format!("{} ({})", field.name(), field.data_type())).collect();
    let (key, kind) = (table.key.clone(), kind.to_owned());
    OverlayError::Columns { file: file.to_owned(), found: found.join(", "), key, kind }.into()
}

/// A run computes a table after changes of the tables that `-- reads:` names. So a statement reads no other table.
fn require_declared(session: &SessionContext, script: &Script, reads: &[String], file: &str) -> Result<()> {
    let state = session.state();
    let dialect = state.config_options().sql_parser.dialect;
    let is_step = |name: &str| script.steps.iter().any(|step| step.name == name);
    for step in &script.steps {
        let reading = || format!("read the statement of {file}");
        let statement = state.sql_to_statement(&step.sql, &dialect).context(reading())?;
        for reference in state.resolve_table_references(&statement).context(reading())? {
            let table = reference.table();
            let is_known = reads.iter().any(|read| read == table) || is_step(table) || ALWAYS.contains(&table);
            if !is_known && session.table_exist(table).context(reading())? {
                let (file, table) = (file.to_owned(), table.to_owned());
                return Err(OverlayError::NotDeclared { file, table }.into());
            }
        }
    }
    Ok(())
}

/// Tables of settings, whose changes a run notices by itself.
const ALWAYS: [&str; 2] = ["parameters", "party_type_names"];
