//! The rows of an exported table, read apart from the product's SQL: text of the columns that are asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::prelude::SessionContext;

use crate::lake::open;

/// A present row of an exported table. Empty texts, numbers that refer to nothing, and dates that mean "none" are empty.
pub(crate) struct Row(HashMap<String, String>);

impl Row {
    /// The text of a column; empty if the row has no value.
    pub(crate) fn text(&self, column: &str) -> &str {
        &self.0[column]
    }

    /// The number of a column; 0 if the row has no value.
    pub(crate) fn number(&self, column: &str) -> i64 {
        if self.text(column).is_empty() { 0 } else { self.text(column).parse().unwrap() }
    }

    /// The decimal number of a column in millionths; 0 if the row has no value.
    pub(crate) fn millionths(&self, column: &str) -> i128 {
        let text = self.text(column);
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        if text.is_empty() { 0 } else { format!("{whole}{part:0<6}").parse().unwrap() }
    }

    /// A number of the row's company, or of another company that a column names, as `usmf-C1`; `None` if one is empty.
    pub(crate) fn of_company(&self, company: &str, number: &str) -> Option<String> {
        let (company, number) = (self.text(company).to_lowercase(), self.text(number));
        (!company.is_empty() && !number.is_empty()).then(|| format!("{company}-{number}"))
    }
}

/// The newest version of each row of a table, without the deleted ones.
pub(crate) async fn present(export: &Path, table: &str, columns: &[&str]) -> Vec<Row> {
    let names: Vec<&str> = ["Id", "versionnumber", "IsDelete"].iter().chain(columns).copied().collect();
    let mut newest: HashMap<String, Row> = HashMap::new();
    for row in texts(export, table, &names).await {
        let rank = |row: &Row| (row.number("versionnumber"), row.text("IsDelete") == "true");
        let known = newest.get(row.text("Id"));
        if known.is_none_or(|known| rank(known) <= rank(&row)) {
            newest.insert(row.text("Id").to_owned(), row);
        }
    }
    newest.into_values().filter(|row| row.text("IsDelete") != "true").collect()
}

async fn texts(export: &Path, table: &str, columns: &[&str]) -> Vec<Row> {
    let session = SessionContext::new();
    let table = open(&export.join("deltalake").join(table)).await;
    table.update_datafusion_session(&session.state()).unwrap();
    session.register_table("t", table.table_provider().with_session(Arc::new(session.state())).await.unwrap()).unwrap();
    let list: Vec<_> = columns.iter().map(|name| format!("coalesce(cast(\"{name}\" as string), '')")).collect();
    let batches = session.sql(&format!("select {} from t", list.join(", "))).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let values: Vec<_> = batch.columns().iter().map(|column| cast(column, &DataType::Utf8).unwrap()).collect();
        for place in 0..batch.num_rows() {
            let values = columns.iter().zip(&values).map(|(name, column)| {
                let text = column.as_string::<i32>().value(place).trim();
                let text = if text.starts_with("1900-01-01") { "" } else { text };
                ((*name).to_owned(), text.to_owned())
            });
            rows.push(Row(values.collect()));
        }
    }
    rows
}
