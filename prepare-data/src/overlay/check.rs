//! Plans what an overlay adds, without rows: what is wrong with it is said before a run begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Schema, SchemaRef};
use deltalake::datafusion::prelude::SessionContext;
use serde::Serialize;

use super::empty_session::empty_session;
use super::join::join_own_columns;
use crate::delta::{check_schema, written_schema};
use crate::engine::{Engine, empty, register, run_script, sql};
use crate::error::{Context, OverlayError, Result};
use crate::sql::{Catalog, GoldTable, OwnColumns, OwnFiles, Script, SourceTable};

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
/// [`crate::Error::Overlay`] names the file and what to do; [`crate::Error::Statement`] a statement that cannot be planned.
pub async fn check(catalog: &Catalog) -> Result<Additions> {
    let mut additions = Additions::default();
    let Some(own) = &catalog.overlay else { return Ok(additions) };
    check_source_columns(catalog, own).await?;
    let session = empty_session(catalog).await?;
    for source in catalog.sources.tables.iter().filter(|table| own.sources.contains(&table.name)) {
        check_source(&session, source).await?;
    }
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
    for check in catalog.checks.iter().filter(|check| own.checks.contains(&check.name)) {
        check_own_check(&session, catalog, check).await?;
    }
    Ok(additions)
}

/// Own columns of a source have other names than the columns that its silver file makes.
async fn check_source_columns(catalog: &Catalog, own: &OwnFiles) -> Result<()> {
    for table in &catalog.sources.tables {
        let (Some(own), Some(silver)) = (own.source_columns.get(&table.name), catalog.silver.get(&table.name)) else {
            continue;
        };
        let session = Engine::new(1 << 24, 1)?.session();
        register(&session, &format!("current_{}", table.name), empty(Arc::new(table.current_schema()?))?)?;
        let Some(shipped) = silver.steps.first() else { continue };
        let shipped = sql(&session, &silver.name, &shipped.sql).await?;
        if let Some(column) = own.iter().find(|own| shipped.schema().has_column_with_unqualified_name(own)) {
            let (table, column) = (table.name.clone(), column.clone());
            return Err(OverlayError::ShippedColumn { file: of_overlay("sources.json"), table, column }.into());
        }
    }
    Ok(())
}

/// The standardised rows of an own source have what a run needs of every source.
async fn check_source(session: &SessionContext, source: &SourceTable) -> Result<()> {
    let mut wanted = vec!["id", "versionnumber", "sinkmodifiedon"];
    if source.company {
        wanted.push("dataareaid");
    }
    wanted.extend(source.companies_by.iter().map(String::as_str));
    let file = format!("silver/{}.sql", source.name);
    let rows = session.table(&source.name).await.context(format!("read the statement of {file}"))?;
    require_columns(&of_overlay(&file), rows.schema().as_arrow(), &wanted)
}

async fn check_table(session: &SessionContext, table: &GoldTable, file: &str) -> Result<()> {
    require_declared(session, &table.rows, &table.reads, file)?;
    let schema = planned(session, &table.rows).await?;
    require_columns(file, &schema, &[&table.key])?;
    if let Some(rejected) = &table.rejected {
        let file = of_overlay(&format!("rejected/{}.sql", table.name()));
        require_declared(session, rejected, &table.reads, &file)?;
        let schema = planned(session, rejected).await?;
        require_columns(&file, &schema, &REJECTED)?;
    }
    check_schema(table.name(), &schema)
}

/// The names of the columns.
async fn check_columns(session: &SessionContext, table: &GoldTable, columns: &OwnColumns) -> Result<Vec<String>> {
    let (file, key) = (&columns.file, &table.key);
    require_declared(session, &columns.script, &columns.reads, file)?;
    let shipped = planned(session, &table.rows).await?;
    let own = planned(session, &columns.script).await?;
    let names = own.fields().iter().map(|field| field.name().clone()).filter(|name| name != key);
    let names: Vec<String> = names.collect();
    let kind = |schema: &Schema| schema.field_with_name(key).map(|field| field.data_type().clone()).ok();
    if kind(&own) != kind(&shipped) || names.is_empty() {
        let kind = kind(&shipped).map(|kind| kind.to_string()).unwrap_or_default();
        let wanted = format!("the key `{key}` ({kind}), as the shipped file does, and new columns");
        return Err(OverlayError::Columns { file: file.clone(), found: found(&own), wanted }.into());
    }
    if let Some(column) = names.iter().find(|name| shipped.field_with_name(name).is_ok()) {
        let (file, table, column) = (file.clone(), table.name().to_owned(), column.clone());
        return Err(OverlayError::ShippedColumn { file, table, column }.into());
    }
    check_schema(table.name(), &own)?;
    Ok(names)
}

/// A check runs after the tables are published: what is wrong with it must not stop a run then.
async fn check_own_check(session: &SessionContext, catalog: &Catalog, check: &Script) -> Result<()> {
    let published = Engine::new(1 << 24, 1)?.session();
    let reads: Vec<_> = check.directive("reads").unwrap_or_default().split(',').map(str::trim).collect();
    for table in catalog.gold.iter().filter(|table| reads.contains(&table.name())) {
        let rows = run_script(session, &table.rows).await?;
        let rows = join_own_columns(session, table, rows).await?;
        register(&published, table.name(), empty(written_schema(rows.schema().as_arrow()))?)?;
    }
    let schema = planned(&published, check).await?;
    let kinds: Vec<_> = schema.fields().iter().map(|field| field.data_type()).collect();
    if kinds == [&DataType::Int64, &DataType::Int64] {
        return Ok(());
    }
    let file = of_overlay(&format!("checks/{}.sql", check.name));
    let wanted = "two columns of type bigint: how many rows are wrong, and of how many".to_owned();
    Err(OverlayError::Columns { file, found: found(&schema), wanted }.into())
}

async fn planned(session: &SessionContext, script: &Script) -> Result<SchemaRef> {
    Ok(written_schema(run_script(session, script).await?.schema().as_arrow()))
}

fn require_columns(file: &str, schema: &Schema, wanted: &[&str]) -> Result<()> {
    if wanted.iter().all(|name| schema.field_with_name(name).is_ok()) {
        return Ok(());
    }
    let wanted = format!("at least {}", wanted.join(", "));
    Err(OverlayError::Columns { file: file.to_owned(), found: found(schema), wanted }.into())
}

fn found(schema: &Schema) -> String {
    let columns = schema.fields().iter().map(|field| format!("{} ({})", field.name(), field.data_type()));
    columns.collect::<Vec<_>>().join(", ")
}

fn of_overlay(file: &str) -> String {
    format!("{file} of the overlay")
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

/// What the table of rejected rows is made of.
const REJECTED: [&str; 6] = ["source_table", "source_id", "dataareaid", "key", "recorded_at", "reason"];

/// Tables of settings, whose changes a run notices by itself.
const ALWAYS: [&str; 2] = ["parameters", "party_type_names"];
