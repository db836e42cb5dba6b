//! The event framework's table: each row is visible once its transaction is committed.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use super::ShopError;
use super::fields::Fields;

/// A time in the precision of SQL Server's `datetime`: ticks of 1/300 of a second since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlDateTime(i64);

impl SqlDateTime {
    /// The nearest tick.
    pub fn nearest(time: DateTime<Utc>) -> Self {
        Self((time.timestamp_micros() * 3 + 5_000).div_euclid(10_000))
    }

    /// The start of the second that contains `time`.
    pub fn second_of(time: DateTime<Utc>) -> Self {
        Self(time.timestamp() * 300)
    }

    /// The next tick.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The time as SQL Server returns it, rounded to .000, .003 or .007 seconds.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis((self.0 * 10 + 1).div_euclid(3)).unwrap_or_default()
    }
}

/// The value of SQL columns without a date: 1900-01-01.
impl Default for SqlDateTime {
    fn default() -> Self {
        Self(-2_208_988_800 * 300)
    }
}

/// In the format of .NET's JSON writer, without trailing zeros: `2024-07-24T14:17:02.16Z`.
impl fmt::Display for SqlDateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
        let text = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
        write!(f, "{text}Z")
    }
}

/// One row of the table (`CommerceEventEntity`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// `EventTransactionId`: the cart's id, for a checkout too. At most 44 characters.
    pub transaction_id: String,
    /// `EventDateTime`: the server's time just before the commit.
    pub date_time: SqlDateTime,
    /// `EventType`, at most 20 characters.
    pub event_type: String,
    /// `EventDataAreaId`: the company, at most 4 characters.
    pub data_area_id: String,
    /// `EventData`, truncated to 64 characters.
    pub data: String,
    /// `EventChannelId`.
    pub channel_id: i64,
    /// `EventTerminalId`, at most 10 characters.
    pub terminal_id: String,
    /// `EventStaffId`, at most 25 characters.
    pub staff_id: String,
    /// `EventCustomerId`: the account number, empty for guests. At most 38 characters.
    pub customer_id: String,
}

impl EventRow {
    /// The row as the Retail Server returns it.
    pub(crate) fn body(&self) -> Fields {
        let mut fields = Fields::default();
        fields
            .set("EventTransactionId", &self.transaction_id)
            .set("EventDateTime", self.date_time.to_string())
            .set("EventType", &self.event_type)
            .set("EventDataAreaId", &self.data_area_id)
            .set("EventData", &self.data)
            .set("EventChannelId", self.channel_id)
            .set("EventTerminalId", &self.terminal_id)
            .set("EventStaffId", &self.staff_id)
            .set("EventCustomerId", &self.customer_id)
            .set("ExtensionProperties", super::fields::Json::from_iter([]));
        fields
    }

    /// Rejects values that are too long for their columns, and truncates the data like the extension.
    pub(super) fn fitted(mut self) -> Result<Self, ShopError> {
        let columns = [
            ("EventTransactionId", &self.transaction_id, 44),
            ("EventType", &self.event_type, 20),
            ("EventDataAreaId", &self.data_area_id, 4),
            ("EventTerminalId", &self.terminal_id, 10),
            ("EventStaffId", &self.staff_id, 25),
            ("EventCustomerId", &self.customer_id, 38),
        ];
        for (column, value, limit) in columns {
            if width(value) > limit {
                return Err(ShopError::TooLong { column, limit });
            }
        }
        if self.transaction_id.trim().is_empty() || self.event_type.trim().is_empty() {
            return Err(ShopError::BlankKey);
        }
        self.data = cut(&self.data, 64);
        Ok(self)
    }

    /// The key, the same for all rows of which the table can have only one.
    pub(super) fn key(&self) -> String {
        // The collation of the key is case-insensitive, so uniqueness is too.
        let fold = |text: &str| text.trim_end_matches(' ').to_lowercase();
        let (transaction, event_type) = (fold(&self.transaction_id), fold(&self.event_type));
        format!("{transaction}\n{event_type}\n{}\n{}", self.date_time.0, fold(&self.data_area_id))
    }
}

/// The length in `NVARCHAR` characters: UTF-16 code units.
fn width(text: &str) -> usize {
    text.encode_utf16().count()
}

fn cut(text: &str, limit: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.len_utf16();
            used <= limit
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SqlDateTime {
        SqlDateTime::nearest(text.parse().unwrap())
    }

    #[test]
    fn timestamps_have_sql_precision_and_no_trailing_zeros() {
        for (time, shown) in [
            ("2024-07-24T14:17:02.160Z", "2024-07-24T14:17:02.16Z"),
            ("2024-07-24T14:19:29.402Z", "2024-07-24T14:19:29.403Z"),
            ("2024-07-24T14:19:29.998Z", "2024-07-24T14:19:29.997Z"),
            ("2024-07-24T14:19:29.999Z", "2024-07-24T14:19:30Z"),
            ("2024-07-24T14:10:00Z", "2024-07-24T14:10:00Z"),
            ("2024-07-24T00:00:00.5Z", "2024-07-24T00:00:00.5Z"),
        ] {
            assert_eq!(at(time).to_string(), shown);
            assert_eq!(at(shown), at(time), "a parsed timestamp is the same timestamp");
        }
    }

    #[test]
    fn data_is_truncated_and_other_columns_reject_long_values() {
        let row = EventRow {
            transaction_id: "t".into(),
            date_time: at("2024-07-24T14:10:00Z"),
            event_type: "AddCartLines".into(),
            data_area_id: "usrt".into(),
            data: "é".repeat(80),
            channel_id: 1,
            terminal_id: String::new(),
            staff_id: String::new(),
            customer_id: String::new(),
        };
        assert_eq!(row.clone().fitted().unwrap().data, "é".repeat(64));
        let long = EventRow { transaction_id: "x".repeat(45), ..row.clone() };
        assert!(matches!(long.fitted(), Err(ShopError::TooLong { column: "EventTransactionId", limit: 44 })));
        let blank = EventRow { event_type: " ".into(), ..row };
        assert!(matches!(blank.fitted(), Err(ShopError::BlankKey)));
    }
}
