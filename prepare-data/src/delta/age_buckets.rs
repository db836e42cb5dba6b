//! Rows of a similar age share files. Between two runs, mostly young rows change: they are in few and small files, and the
//! files of older rows stay as they are.

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::arrow::array::{AsArray, BooleanArray, RecordBatch};
use deltalake::arrow::compute::filter_record_batch;
use deltalake::arrow::datatypes::TimestampMicrosecondType;
use deltalake::arrow::error::ArrowError;

/// Upper limits of the buckets: orders and receipts that still change, the rest of a quarter, a year. Older rows, and rows
/// without a time, are in the last bucket.
const DAYS: [i64; 3] = [31, 92, 366];

/// Assigns rows to buckets by their age.
#[derive(Clone, Debug)]
pub struct AgeBuckets {
    column: String,
    /// Start of each bucket in microseconds, the youngest first.
    since: [i64; DAYS.len()],
}

impl AgeBuckets {
    /// Number of buckets.
    pub(super) const COUNT: usize = DAYS.len() + 1;

    /// By a timestamp column.
    pub fn of(column: &str, now: DateTime<Utc>) -> Self {
        Self { column: column.to_owned(), since: DAYS.map(|days| (now - TimeDelta::days(days)).timestamp_micros()) }
    }

    /// The rows of each bucket, the youngest first.
    pub(super) fn split(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        let column = batch.column_by_name(&self.column);
        let times = column.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times =
            times.ok_or_else(|| ArrowError::SchemaError(format!("{} is not a timestamp column", self.column)))?;
        let age = |time: Option<i64>| {
            time.map_or(DAYS.len(), |time| self.since.iter().take_while(|since| time < **since).count())
        };
        let ages: Vec<usize> = times.iter().map(age).collect();
        let part = |age| {
            let chosen: BooleanArray = ages.iter().map(|of_row| Some(*of_row == age)).collect();
            filter_record_batch(batch, &chosen)
        };
        (0..Self::COUNT).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn each_row_is_in_the_bucket_of_its_age() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |days: i64| Some((now - TimeDelta::days(days)).timestamp_micros());
        let times = TimestampMicrosecondArray::from(vec![at(400), at(0), None, at(91), at(-1), at(31), at(366)]);
        let columns: [(_, ArrayRef); 2] =
            [("at", Arc::new(times)), ("row", Arc::new(Int64Array::from_iter_values(0..7)))];
        let parts = AgeBuckets::of("at", now).split(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let rows = |part: &RecordBatch| {
            part.column(1).as_primitive::<deltalake::arrow::datatypes::Int64Type>().values().to_vec()
        };
        let rows: Vec<_> = parts.iter().map(rows).collect();
        assert_eq!(rows, [vec![1, 4, 5], vec![3], vec![6], vec![0, 2]]);
    }

    #[test]
    fn a_column_of_another_type_is_refused() {
        let number: (_, ArrayRef) = ("at", Arc::new(Int64Array::from_iter_values(0..7)));
        let batch = RecordBatch::try_from_iter([number]).unwrap();
        assert!(AgeBuckets::of("at", Utc::now()).split(&batch).is_err());
    }
}
