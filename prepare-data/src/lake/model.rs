//! `model.json`: the columns of an export without header rows.
//! <https://learn.microsoft.com/common-data-model/model-json>

use serde::Deserialize;

use crate::error::{Error, Result};

/// Name of the file, in whatever case it is written.
pub(super) const FILE: &str = "model.json";

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    entities: Vec<Entity>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity {
    pub(super) name: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    partitions: Vec<Partition>,
}

#[derive(Clone, Debug, Deserialize)]
struct Attribute {
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    file_format_settings: Option<FormatSettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FormatSettings {
    #[serde(default)]
    column_headers: bool,
    delimiter: Option<String>,
}

/// How the files of a table are read: the names of its columns in their order, and the format.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    pub(super) columns: Vec<String>,
    pub(super) has_header: bool,
    pub(super) delimiter: u8,
}

impl Model {
    /// Parses the text of a model. `None` if it is empty, cut or names no table: the export did not finish writing it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let model: Self = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        (!model.entities.is_empty()).then_some(model)
    }

    pub(super) fn entities(&self) -> &[Entity] {
        &self.entities
    }
}

impl Entity {
    /// # Errors
    /// [`Error::Export`] if it names a column twice, or none.
    pub(super) fn layout(&self, model: &str) -> Result<Layout> {
        let columns: Vec<String> = self.attributes.iter().map(|attribute| attribute.name.clone()).collect();
        let mut names: Vec<String> = columns.iter().map(|name| name.to_lowercase()).collect();
        names.sort_unstable();
        let wrong =
            |what: String| Error::Export(format!("{model} {what} for the table {}: export the table again", self.name));
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(wrong(format!("names the column {} twice", twice[0])));
        }
        if columns.is_empty() {
            return Err(wrong("names no columns".to_owned()));
        }
        let settings = self.partitions.iter().find_map(|partition| partition.file_format_settings.clone());
        let FormatSettings { column_headers, delimiter } = settings.unwrap_or_default();
        let delimiter = delimiter.and_then(|text| text.bytes().next()).unwrap_or(b',');
        Ok(Layout { columns, has_header: column_headers, delimiter })
    }
}

impl Layout {
    /// Place of the first of these columns, whatever its case.
    pub(super) fn place(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|wanted| self.columns.iter().position(|name| name.eq_ignore_ascii_case(wanted)))
    }
}
