//! Compares what was published with what was expected.

use std::collections::BTreeMap;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};

/// A row as text; `None` is NULL.
type Row = Vec<Option<String>>;

/// Some columns of some rows.
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// Differences of a table that are listed; of the others there is the number.
const LISTED: usize = 20;

impl Rows {
    /// The rows of batches that have these columns, in this order.
    pub(super) fn of(columns: Vec<String>, batches: &[RecordBatch]) -> Result<Self, ArrowError> {
        let options = FormatOptions::default();
        let mut rows = Vec::new();
        for batch in batches {
            let formats = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
            let formats = formats.collect::<Result<Vec<_>, _>>()?;
            rows.extend((0..batch.num_rows()).map(|row| {
                let cell = |(column, format): (usize, &ArrayFormatter<'_>)| {
                    batch.column(column).is_valid(row).then(|| format.value(row).to_string())
                };
                formats.iter().enumerate().map(cell).collect()
            }));
        }
        Ok(Self { columns, rows })
    }

    /// The first key that is in several rows.
    pub(super) fn repeated(&self, key: &str) -> Option<String> {
        let place = self.place(key)?;
        let mut keys: Vec<_> = self.rows.iter().map(|row| cell(row, place)).collect();
        keys.sort();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| shown(pair[0].as_deref()))
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }
}

/// The differences as sentences. Rows are the same if their keys are, or if all compared columns are.
pub(super) fn differences(expected: &Rows, found: &Rows, key: &str, no_other_rows: bool) -> Vec<String> {
    let mut all = match expected.place(key) {
        Some(place) => by_key(expected, found, place, no_other_rows),
        None => by_row(expected, found, no_other_rows),
    };
    if all.len() > LISTED {
        let more = all.len() - LISTED;
        all.truncate(LISTED);
        all.push(format!("and {more} more differences"));
    }
    all
}

fn by_key(expected: &Rows, found: &Rows, place: usize, no_other_rows: bool) -> Vec<String> {
    let mut published: BTreeMap<_, &Row> = found.rows.iter().map(|row| (cell(row, place), row)).collect();
    let mut all = Vec::new();
    for row in &expected.rows {
        match published.remove(&cell(row, place)) {
            None => all.push(format!("missing: {}", described(&expected.columns, row))),
            Some(other) => {
                let values = expected.columns.iter().zip(row.iter().zip(other));
                let different =
                    values.filter(|(_, (wanted, other))| wanted != other).map(|(column, (wanted, other))| {
                        format!("{column} is {}, expected {}", shown(other.as_deref()), shown(wanted.as_deref()))
                    });
                let different: Vec<_> = different.collect();
                if !different.is_empty() {
                    all.push(format!("{}: {}", shown(cell(row, place).as_deref()), different.join("; ")));
                }
            }
        }
    }
    if no_other_rows {
        all.extend(published.values().map(|row| format!("not expected: {}", described(&expected.columns, row))));
    }
    all
}

fn by_row(expected: &Rows, found: &Rows, no_other_rows: bool) -> Vec<String> {
    let mut counts: BTreeMap<&Row, i64> = BTreeMap::new();
    found.rows.iter().for_each(|row| *counts.entry(row).or_default() += 1);
    expected.rows.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
    let mut all = Vec::new();
    for (row, count) in counts {
        let (what, times) = if count < 0 { ("missing", -count) } else { ("not expected", count) };
        if times == 0 || (count > 0 && !no_other_rows) {
            continue;
        }
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        all.push(format!("{what}: {}{times}", described(&expected.columns, row)));
    }
    all
}

fn cell(row: &[Option<String>], place: usize) -> Option<String> {
    row.get(place).cloned().flatten()
}

fn described(columns: &[String], row: &[Option<String>]) -> String {
    let cells = columns.iter().zip(row).map(|(column, value)| format!("{column} {}", shown(value.as_deref())));
    cells.collect::<Vec<_>>().join(", ")
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[&str]]) -> Rows {
        let cell = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
        Rows {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
        }
    }

    #[test]
    fn rows_with_a_key_are_compared_value_by_value() {
        let expected = rows(&["id", "city"], &[&["1", "Ghent"], &["2", ""], &["3", "Riga"]]);
        let found = rows(&["id", "city"], &[&["2", "Oslo"], &["1", "Ghent"], &["4", "Rome"]]);
        let all = ["2: city is Oslo, expected NULL", "missing: id 3, city Riga", "not expected: id 4, city Rome"];
        assert_eq!(differences(&expected, &found, "id", true), all);
        assert_eq!(differences(&expected, &found, "id", false), all[..2]);
    }

    #[test]
    fn rows_without_a_key_are_counted() {
        let expected = rows(&["city"], &[&["Ghent"], &["Ghent"], &["Riga"]]);
        let found = rows(&["city"], &[&["Ghent"], &["Oslo"], &["Oslo"]]);
        let all = ["missing: city Ghent", "not expected: city Oslo (2 times)", "missing: city Riga"];
        assert_eq!(differences(&expected, &found, "id", true), all);
        assert_eq!(differences(&expected, &found, "id", false), [all[0], all[2]]);
        assert_eq!(expected.repeated("city").as_deref(), Some("Ghent"));
    }
}
