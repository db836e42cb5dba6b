//! Own columns, joined to the shipped rows by the key of the table: rows neither vanish nor multiply.

use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Int64Type};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use crate::engine::{register, run_script, sql};
use crate::error::{Context, OverlayError, Result};
use crate::sql::{GoldTable, OwnColumns};

/// The shipped rows of a table with its own columns, if it has any.
pub(crate) async fn join_own_columns(
    session: &SessionContext,
    table: &GoldTable,
    shipped: DataFrame,
) -> Result<DataFrame> {
    let Some(columns) = &table.columns else { return Ok(shipped) };
    register(session, "shipped_rows", shipped.into_view())?;
    let names = register_own_columns(session, table, columns).await?;
    let own: Vec<_> = names.iter().map(|name| format!("own_columns.{name}")).collect();
    let (key, own) = (&table.key, own.join(", "));
    let statement = format!(
        "select shipped_rows.*, {own} from shipped_rows left join own_columns on own_columns.{key} = shipped_rows.{key}"
    );
    sql(session, &columns.script.name, &statement).await
}

/// Registers the rows of own columns as `own_columns`; returns the names of the columns.
pub(crate) async fn register_own_columns(
    session: &SessionContext,
    table: &GoldTable,
    columns: &OwnColumns,
) -> Result<Vec<String>> {
    let own = run_script(session, &columns.script).await?;
    let names = own.schema().fields().iter().map(|field| field.name().clone());
    let names = names.filter(|name| *name != table.key).collect();
    register(session, "own_columns", own.into_view())?;
    refuse_repeated_keys(session, table, columns).await?;
    Ok(names)
}

async fn refuse_repeated_keys(session: &SessionContext, table: &GoldTable, columns: &OwnColumns) -> Result<()> {
    let (key, name) = (&table.key, &columns.script.name);
    let statement = format!(
        "select cast(count(*) as bigint) as keys, min(key) as example from (\
         select cast({key} as string) as key from own_columns where {key} is not null group by {key} having count(*) > 1)"
    );
    let comparing = || format!("compare the keys of {name}");
    let batches = sql(session, name, &statement).await?.collect().await.context(comparing())?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(()) };
    let keys = batch.column(0).as_primitive::<Int64Type>().value(0).unsigned_abs();
    if keys == 0 {
        return Ok(());
    }
    let examples = cast(batch.column(1), &DataType::Utf8).map_err(DataFusionError::from).context(comparing())?;
    let example = examples.as_string::<i32>().value(0).to_owned();
    Err(OverlayError::RepeatedKey { file: columns.file.clone(), key: key.clone(), keys, example }.into())
}
