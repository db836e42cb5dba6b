//! Timestamps that an export writes as text.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use deltalake::arrow::array::{ArrayRef, TimestampMicrosecondArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::compute::kernels::cast_utils::string_to_datetime;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::sql::utc_timestamp;

/// Parses timestamps in ISO 8601 or in US format. Other text is NULL. Without an offset, the time is UTC.
pub(super) fn lake_timestamp() -> ScalarUDF {
    let parse = |values: &[ColumnarValue]| -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(values)?;
        let text = cast(&arrays[0], &DataType::Utf8)?;
        let times: TimestampMicrosecondArray =
            as_string_array(&text)?.iter().map(|text| text.and_then(micros)).collect();
        Ok(ColumnarValue::Array(Arc::new(times.with_timezone("UTC")) as ArrayRef))
    };
    create_udf("lake_timestamp", vec![DataType::Utf8], utc_timestamp(), Volatility::Immutable, Arc::new(parse))
}

/// Microseconds since 1970 of a time that is written as text.
pub(super) fn micros(text: &str) -> Option<i64> {
    if let Ok(time) = string_to_datetime(&Utc, text) {
        return Some(time.timestamp_micros());
    }
    ["%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y"]
        .iter()
        .find_map(|format| {
            let time = NaiveDateTime::parse_from_str(text, format).ok();
            time.or_else(|| NaiveDate::parse_from_str(text, format).ok()?.and_hms_opt(0, 0, 0))
        })
        .map(|time| time.and_utc().timestamp_micros())
        .or_else(|| DateTime::parse_from_rfc2822(text).ok().map(|time| time.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_parsed() {
        assert_eq!(micros("2026-01-02T03:04:05.0000000Z"), Some(1_767_323_045_000_000));
        assert_eq!(micros("1/2/2026 3:04:05 AM"), Some(1_767_323_045_000_000));
        assert_eq!(micros("1900-01-01 00:00:00"), Some(-2_208_988_800_000_000));
        assert_eq!(micros("yesterday"), None);
    }
}
