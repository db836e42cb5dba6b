//! Text as people read it: without the spaces around it, and labels of enums as their numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, Int32Array, StringArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

/// The number for a label that is not known: no number of an enum is negative.
pub(super) const UNKNOWN_LABEL: i32 = -1;

/// Removes what is not seen around text: spaces of all kinds, tabs, ends of lines, and byte order marks.
pub(super) fn trim_text() -> ScalarUDF {
    let trim = |values: &[ColumnarValue]| -> Result<ColumnarValue> {
        let text = text_of(values)?;
        let text = as_string_array(&text)?;
        if text.iter().flatten().all(|value| trimmed(value).len() == value.len()) {
            return Ok(ColumnarValue::Array(Arc::new(text.clone())));
        }
        let all: StringArray = text.iter().map(|value| value.map(trimmed)).collect();
        Ok(ColumnarValue::Array(Arc::new(all)))
    };
    create_udf("trim_text", vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(trim))
}

/// The numbers of an enum that is exported as numbers or as labels.
pub(super) fn enum_number(labels: &BTreeMap<String, i32>) -> ScalarUDF {
    let labels = labels.clone();
    let parse = move |values: &[ColumnarValue]| -> Result<ColumnarValue> {
        let text = text_of(values)?;
        let numbers: Int32Array =
            as_string_array(&text)?.iter().map(|value| value.and_then(|value| number(&labels, value))).collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    };
    create_udf("enum_number", vec![DataType::Utf8], DataType::Int32, Volatility::Immutable, Arc::new(parse))
}

fn text_of(values: &[ColumnarValue]) -> Result<ArrayRef> {
    let arrays = ColumnarValue::values_to_arrays(values)?;
    Ok(if arrays[0].data_type() == &DataType::Utf8 {
        Arc::clone(&arrays[0])
    } else {
        cast(&arrays[0], &DataType::Utf8)?
    })
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|sign: char| sign.is_whitespace() || matches!(sign, '\u{200b}' | '\u{feff}'))
}

fn number(labels: &BTreeMap<String, i32>, text: &str) -> Option<i32> {
    let text = trimmed(text);
    if text.is_empty() {
        return None;
    }
    Some(text.parse().ok().or_else(|| labels.get(&plain_label(text)).copied()).unwrap_or(UNKNOWN_LABEL))
}

/// A label without case, and without other signs than letters and digits.
pub(super) fn plain_label(text: &str) -> String {
    text.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_around_text_is_removed() {
        assert_eq!(trimmed("\u{feff} Main Street\u{a0}\t\r\n"), "Main Street");
        assert_eq!(trimmed("\u{a0}"), "");
    }

    #[test]
    fn labels_of_enums_are_numbers() {
        let labels = BTreeMap::from([("openorder".to_owned(), 1)]);
        let numbers = ["Open order", "4", " ", "Lost"].map(|text| number(&labels, text));
        assert_eq!(numbers, [Some(1), Some(4), None, Some(UNKNOWN_LABEL)]);
    }
}
