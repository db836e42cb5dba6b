//! `model.json`: the columns of an export without header rows.
//! <https://learn.microsoft.com/common-data-model/model-json>

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::location::Location;

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(default)]
    entities: Vec<Entity>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity {
    name: String,
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

impl Model {
    pub(super) async fn read(lake: &Location, file: &str) -> Result<Option<Self>> {
        let Some(text) = lake.read(file).await? else { return Ok(None) };
        let model = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| Error::Export(format!("{lake}{file} is not a valid model: {error}")))?;
        Ok(Some(model))
    }

    pub(super) fn entity(&self, table: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name.eq_ignore_ascii_case(table))
    }
}

impl Entity {
    pub(super) fn columns(&self) -> Vec<String> {
        self.attributes.iter().map(|attribute| attribute.name.clone()).collect()
    }

    pub(super) fn has_header(&self) -> bool {
        self.settings().column_headers
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.settings().delimiter.and_then(|text| text.bytes().next()).unwrap_or(b',')
    }

    fn settings(&self) -> FormatSettings {
        self.partitions.iter().find_map(|partition| partition.file_format_settings.clone()).unwrap_or_default()
    }
}
