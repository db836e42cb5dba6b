//! Rows of about the same age share files. What happens between two runs happens to young rows: the files that hold them are
//! few and small, and those of older ones stay as they are.

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::arrow::array::{AsArray, BooleanArray, RecordBatch};
use deltalake::arrow::compute::filter_record_batch;
use deltalake::arrow::datatypes::TimestampMicrosecondType;
use deltalake::arrow::error::ArrowError;

/// Rows up to so many days old share files: those of orders and receipts that still change, of the rest of a quarter, of a
/// year. Older ones, and those without a time, share the last.
const DAYS: [i64; 3] = [31, 92, 366];

/// How many ages are told apart.
pub(super) const AGES: usize = DAYS.len() + 1;

/// Tells how old rows are.
#[derive(Clone, Debug)]
pub struct Age {
    column: String,
    /// Where the ages begin, in microseconds, the youngest first.
    since: [i64; DAYS.len()],
}

impl Age {
    /// By a column of times.
    pub fn of(column: &str, now: DateTime<Utc>) -> Self {
        Self { column: column.to_owned(), since: DAYS.map(|days| (now - TimeDelta::days(days)).timestamp_micros()) }
    }

    /// The rows of each age, the youngest first.
    pub(super) fn parts(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        let column = batch.column_by_name(&self.column);
        let times = column.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| ArrowError::SchemaError(format!("{} is no column of times", self.column)))?;
        let age = |time: Option<i64>| {
            time.map_or(DAYS.len(), |time| self.since.iter().take_while(|since| time < **since).count())
        };
        let ages: Vec<usize> = times.iter().map(age).collect();
        let part = |age| {
            let chosen: BooleanArray = ages.iter().map(|of_row| Some(*of_row == age)).collect();
            filter_record_batch(batch, &chosen)
        };
        (0..AGES).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn each_row_is_in_the_part_of_its_age() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let at = |days: i64| Some((now - TimeDelta::days(days)).timestamp_micros());
        let times = TimestampMicrosecondArray::from(vec![at(400), at(0), None, at(91), at(-1), at(31), at(366)]);
        let columns: [(_, ArrayRef); 2] =
            [("at", Arc::new(times)), ("row", Arc::new(Int64Array::from_iter_values(0..7)))];
        let parts = Age::of("at", now).parts(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let rows = |part: &RecordBatch| {
            part.column(1).as_primitive::<deltalake::arrow::datatypes::Int64Type>().values().to_vec()
        };
        let rows: Vec<_> = parts.iter().map(rows).collect();
        assert_eq!(rows, [vec![1, 4, 5], vec![3], vec![6], vec![0, 2]]);
    }

    #[test]
    fn a_column_that_holds_no_times_is_refused() {
        let number: (_, ArrayRef) = ("at", Arc::new(Int64Array::from_iter_values(0..7)));
        let batch = RecordBatch::try_from_iter([number]).unwrap();
        assert!(Age::of("at", Utc::now()).parts(&batch).is_err());
    }
}
