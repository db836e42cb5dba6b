//! Runs a case: the export, the preparation of the tables that are expected, and the comparison.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::datafusion::error::DataFusionError;

use super::case::{Case, CaseRun, CsvFile};
use super::compare::{Rows, differences};
use super::error::CaseError;
use super::export::{CaseExport, exported_schema};
use super::table;
use crate::delta::written_schema;
use crate::engine::{Engine, register, sql};
use crate::error::Context;
use crate::location::Location;
use crate::names::meant;
use crate::run::{GateError, Report, prepare_tables};
use crate::settings::Settings;
use crate::sql::Catalog;

/// The table of rejected rows.
const REJECTED: &str = "rejected";

/// What is not as expected.
pub(super) async fn run(case: &Case, mut catalog: Catalog) -> Result<Vec<String>, CaseError> {
    for file in case.runs.iter().flat_map(|run| &run.expected) {
        require_table(&catalog, file)?;
    }
    keep_expected(&mut catalog, case);
    let folder = tempfile::tempdir().map_err(|source| CaseError::Unreadable { path: std::env::temp_dir(), source })?;
    let place = |name: &str| Location::parse(&folder.path().join(name).to_string_lossy());
    let mut export = CaseExport::new(place("export")?);
    let mut settings = Settings::new(place("export")?, place("results")?);
    settings.as_of = Some(case.settings.as_of);
    settings.companies = case.settings.companies.iter().map(|code| code.to_lowercase()).collect();
    settings.companies.sort();
    settings.parameters.clone_from(&case.settings.parameters);
    settings.party_types.clone_from(&case.settings.party_types);
    let mut all = Vec::new();
    for (number, run) in case.runs.iter().enumerate() {
        if number > 0 {
            settings.as_of = case.settings.change_as_of.or(settings.as_of);
        }
        export.add(&catalog.sources, &input(&catalog, run)?).await?;
        let report = prepare_tables(&settings, &catalog).await?;
        require_published(&report)?;
        let results = Results { folder: folder.path(), catalog: &catalog, no_other_rows: case.settings.no_other_rows };
        for (table, file) in &run.expected {
            let found = results.differences(table, file).await?;
            all.extend(found.into_iter().map(|difference| format!("{}{table}: {difference}", run.label)));
        }
    }
    Ok(all)
}

fn require_table(catalog: &Catalog, (table, file): (&String, &CsvFile)) -> Result<(), CaseError> {
    if catalog.has_table(table) {
        return Ok(());
    }
    let published = catalog.gold.iter().map(|table| table.name());
    let names: Vec<&str> = published.chain([REJECTED]).chain(catalog.silver.keys().map(String::as_str)).collect();
    Err(CaseError::UnknownTable { file: file.name.clone(), table: table.clone(), hint: meant(table, &names) })
}

/// Only tables that the case looks at are computed. The rejected rows need the tables that reject them.
fn keep_expected(catalog: &mut Catalog, case: &Case) {
    let rejections = case.expects(REJECTED);
    let is_exported = |driver: &str| case.runs.iter().any(|run| run.input.contains_key(driver));
    catalog.gold.retain(|table| {
        case.expects(table.name()) || (rejections && table.rejected.is_some() && is_exported(&table.driver))
    });
    if !rejections {
        catalog.gold.iter_mut().for_each(|table| table.rejected = None);
    }
    catalog.checks.clear();
}

/// The rows of the source tables.
fn input(catalog: &Catalog, run: &CaseRun) -> Result<BTreeMap<String, RecordBatch>, CaseError> {
    let mut rows = BTreeMap::new();
    for (name, file) in &run.input {
        let Some(source) = catalog.sources.tables.iter().find(|source| source.name == *name) else {
            let names: Vec<&str> = catalog.sources.tables.iter().map(|source| source.name.as_str()).collect();
            let hint = meant(name, &names);
            return Err(CaseError::UnknownTable { file: file.name.clone(), table: name.clone(), hint });
        };
        rows.insert(name.clone(), table::read(file, name, &exported_schema(source)?)?);
    }
    Ok(rows)
}

fn require_published(report: &Report) -> Result<(), CaseError> {
    if report.published_all() {
        return Ok(());
    }
    let problem = |problem: &GateError| format!("{}: {}", problem.table, problem.message);
    Err(CaseError::Stopped(report.problems.iter().map(problem).collect::<Vec<_>>().join("; ")))
}

/// What a run published.
struct Results<'a> {
    folder: &'a Path,
    catalog: &'a Catalog,
    no_other_rows: bool,
}

impl Results<'_> {
    async fn differences(&self, name: &str, file: &CsvFile) -> Result<Vec<String>, CaseError> {
        let gold = self.catalog.gold.iter().find(|table| table.name() == name);
        let (layer, key, driver) = match gold {
            Some(gold) => ("gold", gold.key.as_str(), gold.driver.as_str()),
            None if name == REJECTED => ("quality", "rejection_id", "(any)"),
            None => ("silver", "id", name),
        };
        let location = Location::parse(&self.folder.join("results").join(layer).join(name).to_string_lossy())?;
        let Some(table) = location.open().await? else {
            return Err(CaseError::NotPublished { table: name.to_owned(), driver: driver.to_owned() });
        };
        let reading = || format!("read {name}");
        let session = Engine::new(1 << 28, 1)?.session();
        let provider = table.table_provider().with_session(Arc::new(session.state())).await.context(reading())?;
        let expected = table::read(file, name, &written_schema(&provider.schema()))?;
        register(&session, name, provider)?;
        let columns: Vec<String> = expected.schema().fields().iter().map(|field| field.name().clone()).collect();
        let found = sql(&session, name, &format!("select {} from {name}", columns.join(", "))).await?;
        let found = found.collect().await.context(reading())?;
        let rows = |batches: &[RecordBatch]| {
            let rows = Rows::of(columns.clone(), batches).map_err(DataFusionError::from);
            rows.context(reading()).map_err(CaseError::from)
        };
        let expected = rows(&[expected])?;
        if let Some(key) = expected.repeated(key) {
            return Err(CaseError::RepeatedKey { file: file.name.clone(), key });
        }
        Ok(differences(&expected, &rows(&found)?, key, self.no_other_rows))
    }
}
