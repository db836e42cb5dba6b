//! Points in time as the export knows them.

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// A point in time, in microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Timestamp(pub(crate) i64);

/// A second, in the microseconds that moments count.
pub(crate) const SECOND: i64 = 1_000_000;
/// A minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// A day.
pub(crate) const DAY: i64 = 24 * HOUR;

impl Timestamp {
    /// 1900-01-01: how finance and operations apps write "no date".
    pub(crate) const NEVER: Self = Self(-2_208_988_800 * SECOND);
    /// 2154-12-31 23:59:59: how they write "for ever".
    pub(crate) const FOREVER: Self = Self(5_838_047_999 * SECOND);

    pub(crate) fn plus(self, microseconds: i64) -> Self {
        Self(self.0 + microseconds)
    }

    /// Without parts of a second, which finance and operations apps do not keep.
    pub(crate) fn to_second(self) -> Self {
        Self(self.0.div_euclid(SECOND) * SECOND)
    }

    /// Midnight of the same day.
    pub(crate) fn date(self) -> Self {
        Self(self.0.div_euclid(DAY) * DAY)
    }

    /// Seconds since midnight.
    pub(crate) fn second_of_day(self) -> i64 {
        self.0.rem_euclid(DAY) / SECOND
    }

    pub(crate) fn year(self) -> i32 {
        self.utc().year()
    }

    /// Milliseconds since 1970, as Delta's log counts.
    pub(crate) fn milliseconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// As Synapse Link writes when it has written a row: `3/9/2026 4:05:06 PM`.
    pub(crate) fn us_text(self) -> String {
        let time = self.utc();
        let (afternoon, hour) = time.hour12();
        let half = if afternoon { "PM" } else { "AM" };
        format!(
            "{}/{}/{} {hour}:{:02}:{:02} {half}",
            time.month(),
            time.day(),
            time.year(),
            time.minute(),
            time.second()
        )
    }

    pub(crate) fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_micros(self.0).single().unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_forms() {
        assert_eq!(Timestamp::NEVER.utc().to_rfc3339(), "1900-01-01T00:00:00+00:00");
        assert_eq!(Timestamp::FOREVER.utc().to_rfc3339(), "2154-12-31T23:59:59+00:00");
        let afternoon = Timestamp(1_773_072_306 * SECOND);
        assert_eq!(afternoon.us_text(), "3/9/2026 4:05:06 PM");
        assert_eq!(afternoon.date().us_text(), "3/9/2026 12:00:00 AM");
        assert_eq!(afternoon.second_of_day(), 16 * 3600 + 5 * 60 + 6);
    }
}
