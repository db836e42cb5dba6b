//! A table with own columns, updated by changes. What the shipped columns need is known from `<table>.changes.sql`. Own columns
//! may depend on anything, so they are computed for all rows and compared with the stored ones.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::datatypes::{Field, Schema};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::prelude::SessionContext;
use futures::FutureExt;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::layer::Layer;
use crate::delta::{PendingCommit, written_schema};
use crate::engine::{Engine, materialize, register, sql, with_dynamic_filters};
use crate::error::Result;
use crate::overlay::register_own_columns;
use crate::sql::{GoldTable, OwnColumns};

/// The rows that the shipped columns need, without the own ones.
pub(super) struct ShippedChanges {
    /// The keys that may have changed.
    pub(super) affected: Arc<dyn TableProvider>,
    /// All rows of these keys.
    pub(super) rows: Arc<dyn TableProvider>,
}

/// Prepares the changes of all columns; `None` if nothing changes.
pub(super) async fn changes(
    run: &Run<'_>,
    inputs: &Inputs,
    table: &GoldTable,
    current: &DeltaTable,
    shipped: Option<ShippedChanges>,
) -> Result<Option<PendingCommit>> {
    let Some(columns) = &table.columns else { return Ok(None) };
    let _exclusive = run.memory.write().await;
    let update = Update { run, inputs, table, columns, current, shipped };
    run.engine.within_memory(table.name(), |engine| update.prepare(engine).boxed()).await
}

struct Update<'a> {
    run: &'a Run<'a>,
    inputs: &'a Inputs,
    table: &'a GoldTable,
    columns: &'a OwnColumns,
    current: &'a DeltaTable,
    shipped: Option<ShippedChanges>,
}

impl Update<'_> {
    async fn prepare(&self, engine: Engine) -> Result<Option<PendingCommit>> {
        let (key, name) = (&self.table.key, self.table.name());
        let session = self.inputs.session(self.run, &engine, None)?;
        let own = register_own_columns(&session, self.table, self.columns).await?;
        let existing = rows_of(self.run, self.current).await?;
        let schema = written_schema(&existing.schema());
        register(&session, "existing", existing)?;
        self.register_shipped(&session, &own, &schema).await?;

        let different: Vec<_> = fields(&schema, &own).map(|field| format!("({})", is_different(field))).collect();
        let different = format!(
            "select existing.{key} as key from existing left join own_columns on own_columns.{key} = existing.{key} \
             left anti join shipped_affected on shipped_affected.key = existing.{key} where {}",
            different.join(" or ")
        );
        materialize(&session, "own_affected", sql(&session, name, &different).await?).await?;
        let affected = "select key from shipped_affected union select key from own_affected";
        if materialize(&session, "affected", sql(&session, name, affected).await?).await? == 0 {
            return Ok(None);
        }
        let own_rows = format!(
            "select own_columns.* from own_columns left semi join affected on affected.key = own_columns.{key}"
        );
        materialize(&session, "own_rows", sql(&session, name, &own_rows).await?).await?;
        let stored =
            format!("select existing.* from existing left semi join own_affected on own_affected.key = existing.{key}");
        materialize(&session, "stored_rows", with_dynamic_filters(sql(&session, name, &stored).await?)).await?;

        let with_own = |rows: &str| {
            let cast = |field: &Field| {
                if own.contains(field.name()) { as_stored("own_rows", field) } else { as_stored(rows, field) }
            };
            let list: Vec<_> = schema.fields().iter().map(|field| cast(field)).collect();
            format!("select {} from {rows} left join own_rows on own_rows.{key} = {rows}.{key}", list.join(", "))
        };
        let target = format!("{} union all {}", with_own("changed_rows"), with_own("stored_rows"));
        let target = sql(&session, name, &target).await?;
        let affected = sql(&session, name, "select distinct key from affected").await?;
        self.run.table_writer(&engine, Layer::Gold, name)?.changes(self.current.clone(), target, affected).await
    }

    /// Registers the keys that the shipped columns need, and their rows.
    async fn register_shipped(&self, session: &SessionContext, own: &[String], schema: &Schema) -> Result<()> {
        if let Some(ShippedChanges { affected, rows }) = &self.shipped {
            register(session, "shipped_affected", Arc::clone(affected) as _)?;
            return register(session, "changed_rows", Arc::clone(rows) as _);
        }
        let (key, name) = (&self.table.key, self.table.name());
        let none = format!("select {key} as key from existing where false");
        materialize(session, "shipped_affected", sql(session, name, &none).await?).await?;
        let shipped = schema.fields().iter().map(|field| field.name().as_str());
        let shipped: Vec<_> = shipped.filter(|column| !own.iter().any(|own| own == column)).collect();
        let none = format!("select {} from existing where false", shipped.join(", "));
        materialize(session, "changed_rows", sql(session, name, &none).await?).await.map(drop)
    }
}

/// The stored fields of these columns.
fn fields<'a>(schema: &'a Schema, columns: &'a [String]) -> impl Iterator<Item = &'a Field> {
    schema.fields().iter().map(AsRef::as_ref).filter(|field: &&Field| columns.contains(field.name()))
}

fn is_different(field: &Field) -> String {
    let (name, kind) = (field.name(), field.data_type());
    format!("existing.{name} is distinct from arrow_cast(own_columns.{name}, '{kind}')")
}

/// A column of some rows in its stored type, so that the parts of a union agree.
fn as_stored(rows: &str, field: &Field) -> String {
    let (name, kind) = (field.name(), field.data_type());
    format!("arrow_cast({rows}.{name}, '{kind}') as {name}")
}
