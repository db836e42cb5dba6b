//! `sources.json`: the tables of the export that are read, and the parameters of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde::Deserialize;

use crate::error::{Error, Result};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
pub struct Sources {
    /// The parameters of a run.
    pub parameters: Vec<Parameter>,
    /// The tables.
    pub tables: Vec<SourceTable>,
}

/// A value that statements read from the table `parameters`.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type, as that of a column.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its default value.
    pub default: Option<serde_json::Value>,
    /// What it is for.
    pub about: String,
}

/// A table of the export.
#[derive(Clone, Debug, Deserialize)]
pub struct SourceTable {
    /// Its name, in lower case.
    pub name: String,
    /// What its rows are.
    pub about: String,
    /// Whether a run fails without it.
    #[serde(default)]
    pub required: bool,
    /// Whether its rows belong to a company.
    #[serde(default)]
    pub company: bool,
    /// Columns that name the company of a row where there is no `dataareaid`: the first that is not NULL.
    #[serde(default)]
    pub companies_by: Vec<String>,
    /// The columns that are read.
    pub columns: Vec<Column>,
}

/// A column of a table of the export.
#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    /// Its name, in lower case.
    pub name: String,
    /// `string`, `int`, `bigint`, `boolean`, `timestamp` or `decimal(p,s)`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a run fails without it.
    #[serde(default)]
    pub required: bool,
    /// Of an enum, its numbers by label: in lower case, and without other signs than letters and digits.
    #[serde(default)]
    pub labels: BTreeMap<String, i32>,
}

impl Sources {
    /// Whether there is a table with this name.
    pub fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name)
    }

    /// Refuses values for parameters that do not exist.
    ///
    /// # Errors
    /// [`Error::Settings`] names the parameters that exist.
    pub fn check_parameters(&self, values: &BTreeMap<String, String>) -> Result<()> {
        let unknown = values.keys().find(|name| self.parameters.iter().all(|known| known.name != **name));
        let Some(unknown) = unknown else { return Ok(()) };
        let names: Vec<_> = self.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        Err(Error::Settings(format!("there is no parameter `{unknown}`; there are {}", names.join(", "))))
    }
}

impl Column {
    /// The column's type in memory.
    ///
    /// # Errors
    /// [`Error::Catalog`] for any other type.
    pub fn data_type(&self) -> Result<DataType> {
        data_type(&self.kind).ok_or_else(|| {
            Error::Catalog(format!("sources.json: column {} has the unknown type {}", self.name, self.kind))
        })
    }
}

/// Microseconds in UTC, the only timestamp that Customer Insights - Data reads.
pub fn utc_timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(crate) fn data_type(kind: &str) -> Option<DataType> {
    Some(match kind {
        "string" => DataType::Utf8,
        "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "boolean" => DataType::Boolean,
        "timestamp" => utc_timestamp(),
        _ => {
            let (precision, scale) = kind.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
            DataType::Decimal128(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
        }
    })
}

impl SourceTable {
    /// All columns of `bronze_<table>`: those of every table, and the declared ones.
    ///
    /// # Errors
    /// [`Error::Catalog`] for a column of an unknown type.
    pub fn bronze_columns(&self) -> Result<Vec<Column>> {
        let column = |name: &str, kind: &str, required| Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
            required,
            labels: BTreeMap::new(),
        };
        let mut columns = vec![column("id", "string", true), column("recid", "bigint", true)];
        if self.company {
            columns.push(column("dataareaid", "string", true));
        }
        columns.extend(self.columns.iter().cloned());
        columns.extend([
            column("isdelete", "boolean", false),
            column("versionnumber", "bigint", false),
            column("sinkmodifiedon", "timestamp", false),
        ]);
        Ok(columns)
    }

    /// The expression for the company of a row; `None` if rows belong to no company.
    pub fn company_expression(&self) -> Option<String> {
        match (self.company, &self.companies_by[..]) {
            (true, _) => Some("dataareaid".to_owned()),
            (false, []) => None,
            (false, columns) => Some(format!("coalesce({})", columns.join(", "))),
        }
    }

    /// Schema of `bronze_<table>`.
    ///
    /// # Errors
    /// [`Error::Catalog`] for a column of an unknown type.
    pub fn bronze_schema(&self) -> Result<Schema> {
        let mut fields = self
            .bronze_columns()?
            .iter()
            .map(|column| Ok(Field::new(&column.name, column.data_type()?, true)))
            .collect::<Result<Vec<_>>>()?;
        fields.push(Field::new("lakefolder", DataType::Utf8, true));
        Ok(Schema::new(fields))
    }

    /// Schema of `current_<table>`: that of `bronze_<table>` and the columns that `silver/current_rows.sql` adds.
    ///
    /// # Errors
    /// As [`Self::bronze_schema`].
    pub fn current_schema(&self) -> Result<Schema> {
        let bronze = self.bronze_schema()?;
        let added = ["version_position", "place"].map(|name| Arc::new(Field::new(name, DataType::Int64, true)));
        Ok(Schema::new(bronze.fields().iter().cloned().chain(added).collect::<Vec<_>>()))
    }
}
