//! Converts the columns of an export to the types that statements expect.

use deltalake::arrow::datatypes::{DataType, Schema};
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::functions::core::expr_fn::nullif;
use deltalake::datafusion::functions::expr_fn::lower;
use deltalake::datafusion::prelude::{Expr, ident, lit, try_cast, when};

use super::text::{UNKNOWN_LABEL, enum_number, trim_text};
use super::timestamps::lake_timestamp;
use crate::error::{Context, Error, Result};
use crate::sql::{Column, SourceTable};

/// Expressions for the columns of `bronze_<table>` without `lakefolder`. Names are compared without case. A column that is
/// not exported and not required is NULL.
pub(super) fn columns(schema: &Schema, table: &SourceTable) -> Result<Vec<Expr>> {
    table.bronze_columns()?.iter().map(|column| one(schema, table, column)).collect()
}

fn one(schema: &Schema, table: &SourceTable, column: &Column) -> Result<Expr> {
    let kind = column.data_type()?;
    let Some(found) = source_column(schema, &column.name) else {
        if column.required {
            return Err(Error::Export(format!("{} of the export has no column {}", table.name, column.name)));
        }
        let null = ScalarValue::try_from(&kind).context("make a NULL")?;
        return Ok(lit(null).alias(&column.name));
    };
    let (name, from) = (found.name().as_str(), found.data_type());
    let value = match (is_text(from), is_text(&kind)) {
        (true, false) => from_text(ident(name), column)?,
        // Ids are as the export writes them, so that conditions on them are pushed down to the files.
        (true, true) if column.name != "id" => trim_text().call(vec![try_cast(ident(name), DataType::Utf8)]),
        _ => converted(name, from, &kind),
    };
    Ok(value.alias(&column.name))
}

/// The export renames a field `Id` to `FnO_Id` and adds `_` to reserved words; older Dataverse exports write `isDeleted`.
/// <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-link-select-fno-data>
pub(super) fn source_column<'a>(schema: &'a Schema, name: &str) -> Option<&'a deltalake::arrow::datatypes::FieldRef> {
    let other = match name {
        "isdelete" => "isdeleted",
        "versionnumber" => "sysrowversion",
        "sinkmodifiedon" => "sinkcreatedon",
        _ => "",
    };
    let names = [name.to_owned(), format!("{name}_"), other.to_owned()];
    names.iter().find_map(|wanted| schema.fields().iter().find(|field| field.name().to_lowercase() == *wanted))
}

/// A column of the right type has no cast, so that conditions on it are pushed down to the files.
fn converted(name: &str, from: &DataType, kind: &DataType) -> Expr {
    if from == kind || (is_text(from) && is_text(kind)) { ident(name) } else { try_cast(ident(name), kind.clone()) }
}

/// Parses a value that was written as text. Text that cannot be parsed is NULL.
pub(super) fn from_text(value: Expr, column: &Column) -> Result<Expr> {
    if !column.labels.is_empty() {
        return Ok(enum_number(&column.labels).call(vec![value]));
    }
    let trimmed = nullif(trim_text().call(vec![value]), lit(""));
    match column.data_type()? {
        DataType::Timestamp(..) => Ok(lake_timestamp().call(vec![trimmed])),
        DataType::Boolean => {
            let word = lower(trimmed);
            when(word.clone().in_list(vec![lit("true"), lit("1"), lit("yes")], false), lit(true))
                .when(word.in_list(vec![lit("false"), lit("0"), lit("no")], false), lit(false))
                .end()
                .context("read a boolean")
        }
        other => Ok(try_cast(trimmed, other)),
    }
}

/// Whether text could not be parsed.
pub(super) fn is_unreadable(text: &Expr, column: &Column) -> Result<Expr> {
    let value = from_text(text.clone(), column)?;
    let is_known = if column.labels.is_empty() { value.is_not_null() } else { value.not_eq(lit(UNKNOWN_LABEL)) };
    let trimmed = trim_text().call(vec![text.clone()]);
    Ok(trimmed.not_eq(lit("")).and(is_known.is_not_true()))
}

/// The meaning of text as a boolean, as [`from_text`] reads it.
pub(super) fn flag(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    match () {
        () if is_one_of(["true", "1", "yes"]) => Some(true),
        () if is_one_of(["false", "0", "no"]) => Some(false),
        () => None,
    }
}

pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
