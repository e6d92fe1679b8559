//! How playlists write numbers and dates (RFC 8216bis §4.2, §4.4.4.6).

use std::fmt;

/// A duration as decimal seconds with five digits, to the nearest.
pub(super) struct Seconds(pub i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (self.0.max(0) + 5_000) / 10_000;
        write!(f, "{}.{:05}", digits / 100_000, digits % 100_000)
    }
}

/// The same, rounded up: for limits that no rounded duration may exceed.
pub(super) struct SecondsUp(pub i64);

impl fmt::Display for SecondsUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = (self.0.max(0) + 9_999) / 10_000;
        write!(f, "{}.{:05}", digits / 100_000, digits % 100_000)
    }
}

/// Nanoseconds since 1970 as an ISO 8601 date, UTC, to the millisecond.
pub(super) struct DateTime(pub i64);

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.div_euclid(1_000_000);
        let (day, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, date) = civil(day);
        let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (seconds, millis) = (of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{date:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01. Counts in years that begin
/// in March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    const MARCH_0000_TO_1970: i64 = 719_468;
    let days = days + MARCH_0000_TO_1970;
    let (era, of_era) = (days.div_euclid(DAYS_IN_400_YEARS), days.rem_euclid(DAYS_IN_400_YEARS));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_five_digits() {
        assert_eq!(Seconds(200_000_000).to_string(), "0.20000");
        assert_eq!(Seconds(333_333_333).to_string(), "0.33333");
        assert_eq!(SecondsUp(333_333_333).to_string(), "0.33334");
        assert_eq!(Seconds(-1).to_string(), "0.00000");
        assert_eq!(Seconds(12_345_678_901_234).to_string(), "12345.67890");
    }

    #[test]
    fn dates_across_leap_days_and_before_1970() {
        let at = |seconds: i64| DateTime(seconds * 1_000_000_000).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59.000Z");
        assert_eq!(at(1_795_255_200), "2026-11-21T10:00:00.000Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59.000Z");
        assert_eq!(DateTime(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }
}
