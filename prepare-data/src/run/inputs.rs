//! The silver tables of a run, their changes, and the shared tables made of them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use deltalake::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::arrow::util::pretty::pretty_format_batches;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::SessionContext;

use super::companies::chosen;
use super::context::Run;
use crate::engine::{Constants, Engine, empty, in_memory, register, run_script, timestamp_literal};
use crate::error::{Context, Error, Result};
use crate::lake::Position;
use crate::sql::{Parameter, data_type};

/// The table of the run's parameters.
const PARAMETERS: &str = "parameters";

/// What changed in a table since the last run.
#[derive(Clone, Debug)]
pub(super) enum Changes {
    /// No rows.
    None,
    /// These rows, as they were and as they are.
    Rows(Arc<dyn TableProvider>),
    /// Not known.
    Unknown,
}

/// A silver table.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) rows: Arc<dyn TableProvider>,
    pub(super) changes: Changes,
    /// Its version before this run and now; `None` for a view, or if the table is not exported.
    pub(super) before: Option<u64>,
    pub(super) now: Option<u64>,
    /// Whether the table is exported.
    pub(super) exported: bool,
    /// The position before this run; `None` if this run read all rows.
    pub(super) since: Option<Position>,
}

/// All silver and shared tables.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) silver: BTreeMap<String, Input>,
    shared: BTreeMap<String, (Arc<dyn TableProvider>, String)>,
}

impl Inputs {
    /// Computes the shared tables.
    pub(super) async fn compute_shared(&mut self, run: &Run<'_>) -> Result<()> {
        for (name, script) in &run.catalog.shared {
            let session = self.session(run, run.engine, None)?;
            let (table, _) = in_memory(name, run_script(&session, script).await?).await?;
            let batches = session.read_table(Arc::clone(&table) as _).context(format!("read {name}"))?;
            let mut lines = pretty_format_batches(&batches.collect().await.context(format!("read {name}"))?)
                .map(|text| text.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
                .unwrap_or_default();
            lines.sort();
            let mut hasher = DefaultHasher::new();
            lines.hash(&mut hasher);
            self.shared.insert(name.clone(), (table, format!("{:016x}", hasher.finish())));
        }
        Ok(())
    }

    /// A session with all silver and shared tables.
    pub(super) fn session(
        &self,
        run: &Run<'_>,
        engine: &Engine,
        previous: Option<DateTime<Utc>>,
    ) -> Result<SessionContext> {
        let session = engine.session();
        for (name, input) in &self.silver {
            register(&session, name, chosen(run, &session, name, Arc::clone(&input.rows))?)?;
        }
        for (name, (table, _)) in &self.shared {
            register(&session, name, Arc::clone(table) as _)?;
        }
        let parameters = parameters(run, previous)?;
        register(&session, PARAMETERS, table_of(&parameters)?)?;
        session.add_analyzer_rule(Arc::new(Constants::new(PARAMETERS, parameters)));
        register(&session, "party_type_names", party_types(run)?)?;
        Ok(session)
    }

    /// Registers `changed_<table>` for each of the tables; `false` if the changes of one are not known.
    pub(super) fn register_changes(&self, run: &Run<'_>, session: &SessionContext, tables: &[String]) -> Result<bool> {
        for name in tables {
            let Some(input) = self.silver.get(name) else { continue };
            let changed: Arc<dyn TableProvider> = match &input.changes {
                Changes::Unknown => return Ok(false),
                Changes::Rows(rows) => Arc::clone(rows) as _,
                Changes::None => empty(input.rows.schema())?,
            };
            register(session, &format!("changed_{name}"), chosen(run, session, name, changed)?)?;
        }
        Ok(true)
    }

    /// Versions of these tables now, by name.
    pub(super) fn now(&self, tables: &[String]) -> BTreeMap<String, String> {
        self.versions(tables, |input| input.now)
    }

    /// Versions of these tables before this run, by name.
    pub(super) fn before(&self, tables: &[String]) -> BTreeMap<String, String> {
        self.versions(tables, |input| input.before)
    }

    /// Whether a table is exported. A table that is not a source counts as exported.
    pub(super) fn has(&self, table: &str) -> bool {
        self.silver.get(table).is_none_or(|input| input.exported)
    }

    pub(super) fn unchanged(&self, tables: &[String]) -> bool {
        let mut inputs = tables.iter().filter_map(|name| self.silver.get(name));
        inputs.all(|input| matches!(input.changes, Changes::None))
    }

    fn versions(&self, tables: &[String], version: impl Fn(&Input) -> Option<u64>) -> BTreeMap<String, String> {
        let silver = tables.iter().filter_map(|name| {
            let input = self.silver.get(name)?;
            Some((name.clone(), version(input).map_or_else(|| "none".to_owned(), |version| version.to_string())))
        });
        let shared = tables.iter().filter_map(|name| Some((name.clone(), self.shared.get(name)?.1.clone())));
        silver.chain(shared).collect()
    }
}

/// The rows of a Delta table.
pub(super) async fn rows_of(run: &Run<'_>, table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
    let session = run.engine.session();
    table.table_provider().with_session(Arc::new(session.state())).await.context("read a table")
}

fn parameters(run: &Run<'_>, previous: Option<DateTime<Utc>>) -> Result<Vec<(String, ScalarValue)>> {
    run.catalog.sources.check_parameters(&run.settings.parameters)?;
    let value = |parameter: &Parameter| match parameter.name.as_str() {
        "as_of" => Ok(timestamp_literal(run.as_of.timestamp_micros())),
        "previous_as_of" => Ok(timestamp_literal(previous.unwrap_or(run.as_of).timestamp_micros())),
        _ => parameter_value(run, parameter),
    };
    let declared = run.catalog.sources.parameters.iter();
    declared.map(|parameter| Ok((parameter.name.clone(), value(parameter)?))).collect()
}

/// The table of one row.
fn table_of(values: &[(String, ScalarValue)]) -> Result<Arc<dyn TableProvider>> {
    let fields = values.iter().map(|(name, value)| Field::new(name, value.data_type(), true));
    let columns = values.iter().map(|(_, value)| value.to_array_of_size(1).context("make the parameters"));
    one_batch(Schema::new(fields.collect::<Vec<_>>()), columns.collect::<Result<_>>()?)
}

fn parameter_value(run: &Run<'_>, parameter: &Parameter) -> Result<ScalarValue> {
    let wrong = |why: &str| Error::Settings(format!("the parameter {} {why}", parameter.name));
    let kind = data_type(&parameter.kind).ok_or_else(|| wrong("has an unknown type"))?;
    let default = parameter.default.as_ref().filter(|value| !value.is_null());
    let default = default.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match run.settings.parameters.get(&parameter.name).cloned().or(default) {
        None => ScalarValue::try_from(&kind).context("make a NULL"),
        Some(text) => ScalarValue::try_from_string(text.clone(), &kind)
            .map_err(|_| wrong(&format!("cannot be `{text}`, it is a {}", parameter.kind))),
    }
}

fn party_types(run: &Run<'_>) -> Result<Arc<dyn TableProvider>> {
    let fields = vec![Field::new("type", DataType::Int64, true), Field::new("name", DataType::Utf8, true)];
    let types: Int64Array = run.settings.party_types.keys().copied().map(Some).collect();
    let names: StringArray = run.settings.party_types.values().map(Some).collect();
    one_batch(Schema::new(fields), vec![Arc::new(types), Arc::new(names)])
}

fn one_batch(schema: Schema, columns: Vec<ArrayRef>) -> Result<Arc<dyn TableProvider>> {
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(deltalake::DeltaTableError::from)
        .context("make a table of settings")?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).context("make a table of settings")?))
}
