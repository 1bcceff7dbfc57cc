//! Dates without the library's time zones, which a signal handler cannot ask.

use std::fmt;

/// A moment, in seconds since 1970; shown as `2026-11-21T03:04:05`.
pub(super) struct Moment(pub i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// The date so many days after 1970-01-01, by the proleptic Gregorian calendar. The year is taken to begin in March,
/// so that the leap day is its last, and 400 years are 146,097 days (H. Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_century_is_what_the_library_says() {
        for day in 0..=36_600 {
            let seconds = day * 86_400 + 86_399 - day % 86_400;
            let library = jiff::Timestamp::from_second(seconds).unwrap();
            let library = library.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            assert_eq!(Moment(seconds).to_string(), library);
        }
        assert_eq!(Moment(-1).to_string(), "1969-12-31T23:59:59");
    }
}
