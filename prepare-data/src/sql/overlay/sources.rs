//! `sources.json` of an overlay: own source tables, and own columns of shipped ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Overlay;
use crate::error::OverlayError;
use crate::sql::{Column, Parameter, Script, SourceTable, Sources, data_type};

/// Name of the file.
pub(super) const FILE: &str = "sources.json";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnSources {
    /// For people.
    #[serde(default, rename = "about")]
    _about: Vec<String>,
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    tables: Vec<OwnTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnTable {
    name: String,
    about: Option<String>,
    required: Option<bool>,
    company: Option<bool>,
    companies_by: Option<Vec<String>>,
    columns: Vec<Column>,
}

impl Overlay {
    /// Adds the overlay's tables, columns and parameters to the shipped ones; returns the columns that shipped tables get.
    pub(super) fn extend_sources(&self, sources: &mut Sources) -> Result<BTreeMap<String, Vec<Column>>, OverlayError> {
        let wrong = |problem: String| OverlayError::Sources { file: self.named(FILE), problem };
        let own = match self.files.get(FILE) {
            Some(text) => serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?,
            None => OwnSources::default(),
        };
        for parameter in own.parameters {
            if sources.parameters.iter().any(|known| known.name == parameter.name) {
                return Err(wrong(format!("there is a parameter {} already. Give yours another name", parameter.name)));
            }
            sources.parameters.push(parameter);
        }
        let shipped: Vec<String> = sources.tables.iter().map(|table| table.name.clone()).collect();
        let mut extended = BTreeMap::new();
        for table in own.tables {
            check_table(&table).map_err(wrong)?;
            match sources.tables.iter_mut().find(|known| known.name == table.name) {
                Some(known) if shipped.contains(&table.name) && !extended.contains_key(&table.name) => {
                    self.add_columns(known, &table)?;
                    extended.insert(table.name, table.columns);
                }
                Some(_) => return Err(wrong(format!("the table {} is listed twice", table.name))),
                None => sources.tables.push(self.new_table(table).map_err(wrong)?),
            }
        }
        self.require_sources(sources)?;
        Ok(extended)
    }

    fn add_columns(&self, known: &mut SourceTable, own: &OwnTable) -> Result<(), OverlayError> {
        let wrong = |problem| OverlayError::Sources { file: self.named(FILE), problem };
        if own.about.is_some() || own.required.is_some() || own.company.is_some() || own.companies_by.is_some() {
            return Err(wrong(format!(
                "{} is a shipped table: its about, required, company and companies_by stay as shipped. Give only name and \
                 columns",
                own.name
            )));
        }
        for column in &own.columns {
            let columns = known.bronze_columns().map_err(|error| wrong(error.to_string()))?;
            if columns.iter().any(|shipped| shipped.name == column.name) {
                let (table, column) = (own.name.clone(), column.name.clone());
                return Err(OverlayError::ShippedColumn { file: self.named(FILE), table, column });
            }
        }
        known.columns.extend(own.columns.iter().cloned());
        Ok(())
    }

    fn new_table(&self, own: OwnTable) -> Result<SourceTable, String> {
        let OwnTable { name, about, required, company, companies_by, columns } = own;
        if !self.files.contains_key(&format!("silver/{name}.sql")) {
            return Err(format!("the table {name} needs a file silver/{name}.sql, which standardises its rows"));
        }
        let about = about.ok_or_else(|| format!("the table {name} needs `about`: what its rows are"))?;
        Ok(SourceTable {
            name,
            about,
            required: required.unwrap_or_default(),
            company: company.unwrap_or_default(),
            companies_by: companies_by.unwrap_or_default(),
            columns,
        })
    }

    /// A silver file of the overlay standardises a source of the overlay.
    fn require_sources(&self, sources: &Sources) -> Result<(), OverlayError> {
        let silver = self.files.keys().filter_map(|path| path.strip_prefix("silver/")?.strip_suffix(".sql"));
        for name in silver {
            if !sources.has(name) {
                return Err(OverlayError::NoTarget {
                    file: self.named(&format!("silver/{name}.sql")),
                    wanted: format!("a table {name} in sources.json of the overlay"),
                    hint: String::new(),
                    remedy: "Add it there, with its columns. Own columns of a shipped table need no file in silver/"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Names in lower case, known types, nothing twice.
fn check_table(table: &OwnTable) -> Result<(), String> {
    let mut names = std::iter::once(&table.name).chain(table.columns.iter().map(|column| &column.name));
    if let Some(name) = names.find(|name| **name != name.to_lowercase()) {
        return Err(format!("write {name} in lower case: names are found in any case"));
    }
    let mut listed = BTreeSet::new();
    for Column { name, kind, .. } in &table.columns {
        let table = &table.name;
        if data_type(kind).is_none() {
            return Err(format!(
                "the column {name} of {table} has the unknown type {kind}: there are string, int, bigint, boolean, timestamp \
                 and decimal(precision,scale)"
            ));
        }
        if !listed.insert(name) {
            return Err(format!("the column {name} of {table} is listed twice"));
        }
    }
    Ok(())
}

/// The standardised rows of a shipped table with its own columns: empty marks are NULL there, too.
pub(super) fn with_own_columns(shipped: Script, columns: &[Column]) -> Script {
    let table = shipped.name.clone();
    let own: String = columns.iter().map(|column| format!(",\n    {}", standardised(column))).collect();
    let statement = format!(
        "select\n    shipped.*{own}\nfrom shipped_{table} shipped\nleft join current_{table} own on own.id = shipped.id\n"
    );
    shipped.followed_by(&format!("shipped_{table}"), &statement)
}

/// What rows depend on besides statements: the types of an own table.
pub(super) fn types(table: &SourceTable) -> String {
    table.columns.iter().map(|Column { name, kind, .. }| format!("/* {name} {kind} */")).collect()
}

/// What rows depend on besides statements: the defaults of own parameters.
pub(super) fn defaults(parameters: &[Parameter]) -> String {
    let text = |parameter: &Parameter| format!("/* {} {:?} */", parameter.name, parameter.default);
    parameters.iter().map(text).collect()
}

/// The expression for a column, and its type: another type is another statement.
fn standardised(column: &Column) -> String {
    let Column { name, kind, .. } = column;
    let value = match kind.as_str() {
        "string" => format!("nullif(trim(own.{name}), '')"),
        "timestamp" => format!("case when own.{name} > timestamp '1900-01-01 00:00:00' then own.{name} end"),
        _ => format!("own.{name}"),
    };
    format!("{value} as {name} /* {kind} */")
}
