//! Labels of enums, as an export lists them beside its tables: `GlobalOptionsetMetadata` and `OptionsetMetadata`.
//! <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-link-choice-labels>

use std::collections::BTreeMap;

use deltalake::DeltaTable;
use deltalake::arrow::array::{Array, RecordBatch};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::SessionContext;

use super::text::plain_label;
use crate::error::{Context, Result};
use crate::sql::SourceTable;

/// Names of the lists, and the columns that their files have without a header.
pub(super) const LISTS: [(&str, &[&str]); 2] = [
    (
        "globaloptionsetmetadata",
        &["optionsetname", "option", "", "", "localizedlabel", "globaloptionsetname", "entityname", "externalvalue"],
    ),
    ("optionsetmetadata", &["entityname", "optionsetname", "option", "", "", "localizedlabel"]),
];

/// What identifies an enum value, then its labels.
const COLUMNS: [&str; 5] = ["entityname", "optionsetname", "option", "localizedlabel", "externalvalue"];

/// Numbers of enum values by table and column, and by label. A label with several numbers has none.
#[derive(Debug, Default)]
pub(super) struct OptionLabels(BTreeMap<(String, String), BTreeMap<String, Option<i32>>>);

impl OptionLabels {
    /// Adds the rows of a list. `value` gives the value of a column in a row.
    fn add<'a>(&mut self, value: impl Fn(&str) -> Option<&'a str>) {
        let text = |name| value(name).unwrap_or_default().trim();
        let [table, column, number, labels @ ..] = COLUMNS.map(text);
        let Ok(number) = number.parse::<i32>() else { return };
        let known = self.0.entry((table.to_lowercase(), column.to_lowercase())).or_default();
        for label in labels.map(plain_label).into_iter().filter(|label| !label.is_empty()) {
            let entry = known.entry(label).or_insert(Some(number));
            *entry = entry.filter(|same| *same == number);
        }
    }

    /// Adds a row of a file. A header is no row, because its option is no number.
    pub(super) fn add_record(&mut self, names: &[&str], values: &[String]) {
        self.add(|name| values.get(names.iter().position(|known| *known == name)?).map(String::as_str));
    }

    /// Adds the rows of a Delta table.
    pub(super) async fn add_table(&mut self, table: &DeltaTable) -> Result<()> {
        let what = "read the labels of enums";
        let session = SessionContext::new();
        table.update_datafusion_session(&session.state()).context(what)?;
        let provider = table.table_provider().with_session(std::sync::Arc::new(session.state())).await.context(what)?;
        for batch in session.read_table(provider).context(what)?.collect().await.context(what)? {
            self.add_batch(&batch)?;
        }
        Ok(())
    }

    fn add_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let what = "read the labels of enums";
        let mut columns = BTreeMap::new();
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let text = cast(column, &DataType::Utf8).map_err(DataFusionError::from).context(what)?;
            columns.insert(field.name().to_lowercase(), text);
        }
        let mut texts = BTreeMap::new();
        for (name, column) in &columns {
            texts.insert(name.as_str(), as_string_array(column).context(what)?);
        }
        for row in 0..batch.num_rows() {
            self.add(|name| texts.get(name).and_then(|column| column.is_valid(row).then(|| column.value(row))));
        }
        Ok(())
    }

    /// Gives the columns of a table the labels of the list. The list is that of this environment, so it wins.
    pub(super) fn extend(&self, table: &mut SourceTable) {
        for column in table.columns.iter_mut().filter(|column| column.kind == "int") {
            let Some(known) = self.0.get(&(table.name.clone(), column.name.clone())) else { continue };
            for (label, number) in known {
                match number {
                    Some(number) => column.labels.insert(label.clone(), *number),
                    None => column.labels.remove(label),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_with_two_numbers_is_not_known() {
        let mut labels = OptionLabels::default();
        let (name, columns) = LISTS[1];
        assert_eq!(name, "optionsetmetadata");
        for (number, label) in [("1", "Offen"), ("4", "Storniert"), ("2", "offen"), ("Option", "LocalizedLabel")] {
            let row = ["SalesTable", "SalesStatus", number, "", "1031", label, ""].map(str::to_owned);
            labels.add_record(columns, &row);
        }
        let mut table: SourceTable = serde_json::from_str(
            r#"{"name": "salestable", "about": "", "columns": [{"name": "salesstatus", "type": "int", "labels": {"none": 0}}]}"#,
        )
        .unwrap();
        labels.extend(&mut table);
        let expected = BTreeMap::from([("none".to_owned(), 0), ("storniert".to_owned(), 4)]);
        assert_eq!(table.columns[0].labels, expected);
    }
}
