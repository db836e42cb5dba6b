//! `model.json`: the columns of each table in their order, and its files.

use deltalake::arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};

use crate::shape::{Layout, Table};

/// Name of the file.
pub(super) const FILE: &str = "model.json";

/// Describes the tables of a change folder and their files there.
pub(super) fn describe<'a>(folder: &str, tables: impl Iterator<Item = (&'a dyn Table, &'a [String])>) -> String {
    let entities: Vec<_> = tables.map(|(table, files)| entity(folder, table, files)).collect();
    let model = json!({
        "name": "cdm",
        "description": "cdm",
        "version": "1.0",
        "culture": "en-US",
        "annotations": [],
        "entities": entities,
    });
    format!("{model:#}\n")
}

fn entity(folder: &str, table: &dyn Table, files: &[String]) -> Value {
    let name = table.name();
    let schema = table.schema(Layout::Csv);
    let attributes: Vec<_> = schema.fields().iter().map(|field| attribute(field)).collect();
    let partitions: Vec<_> = files.iter().map(|file| partition(&format!("{folder}/{name}"), file)).collect();
    json!({
        "$type": "LocalEntity",
        "name": name,
        "description": name,
        "annotations": [
            { "name": "Athena:PartitionGranularity", "value": "Year" },
            { "name": "Athena:InitialSyncState", "value": "Completed" },
        ],
        "attributes": attributes,
        "partitions": partitions,
    })
}

fn attribute(field: &Field) -> Value {
    let name = field.name().as_str();
    let mut attribute = json!({ "name": name, "dataType": data_type(name, field.data_type()), "maxLength": -1 });
    if let DataType::Decimal128(precision, scale) = field.data_type() {
        attribute["cdm:traits"] = json!([{
            "traitReference": "is.dataFormat.numeric.shaped",
            "arguments": [
                { "name": "precision", "value": precision },
                { "name": "scale", "value": scale },
            ],
        }]);
    }
    attribute
}

fn data_type(name: &str, kind: &DataType) -> &'static str {
    match (name, kind) {
        ("Id", _) => "guid",
        ("SinkCreatedOn" | "SinkModifiedOn", _) => "dateTime",
        (_, DataType::Int64) => "int64",
        (_, DataType::Decimal128(..)) => "decimal",
        (_, DataType::Timestamp(..)) => "dateTimeOffset",
        (_, DataType::Boolean) => "boolean",
        _ => "string",
    }
}

fn partition(folder: &str, file: &str) -> Value {
    json!({
        "name": file,
        "location": format!("{folder}/{file}.csv"),
        "fileFormatSettings": {
            "$type": "CsvFormatSettings",
            "columnHeaders": false,
            "delimiter": ",",
            "quoteStyle": "QuoteStyle.Csv",
            "csvStyle": "CsvStyle.QuoteAlways",
            "encoding": "UTF-8",
        },
    })
}
