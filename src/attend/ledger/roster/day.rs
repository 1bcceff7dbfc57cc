//! The day from which a line holds, and the time at which a person's day begins.

use jiff::civil::{Date, DateTime, Time, date};
use unicode_normalization::UnicodeNormalization as _;

/// Day 0 of spreadsheet programs.
const SHEET_DAY_0: Date = date(1899, 12, 30);
/// Their numbers of the days of 1982 to 2119.
const SHEET_DAYS: std::ops::RangeInclusive<i64> = 30_000..=80_000;

/// A day as people and programs write it, perhaps with a time behind it: `2026-12-01`, `2026/12/1 9:00`, `2026年12月1日`,
/// `20261201`, `令和8年12月1日`, `1.12.2026`, a spreadsheet's number of the day. None for one that can be read in two ways.
pub(super) fn day(field: &str) -> Option<DateTime> {
    let text: String = field.nfkc().collect();
    let text = text.trim();
    let (digits, rest) = leading_digits(text);
    if digits.len() == 8 && rest.is_empty() {
        let part = |range: std::ops::Range<usize>| digits[range].parse().ok();
        return at(part(0..4)?, part(4..6)?, part(6..8)?, Time::midnight());
    }
    if digits.len() == 5 && rest.trim_start_matches(['.', '0']).is_empty() {
        let number: i64 = digits.parse().ok()?;
        return SHEET_DAYS
            .contains(&number)
            .then(|| SHEET_DAY_0.checked_add(jiff::Span::new().days(number)).ok())
            .flatten()
            .map(|d| d.to_datetime(Time::midnight()));
    }
    let (era, text) = era(text);
    let mut numbers = Vec::new();
    let mut signs = Vec::new();
    let mut rest = text.replace('元', "1");
    while numbers.len() < 3 {
        let (digits, behind) = leading_digits(&rest);
        numbers.push(digits.parse::<i64>().ok().filter(|_| digits.len() <= 4)?);
        let mut behind = behind.chars();
        signs.push(behind.next());
        rest = behind.as_str().trim_start().to_owned();
    }
    let clock = match signs[2] {
        None | Some('日') if rest.is_empty() => Time::midnight(),
        Some(' ' | 'T' | '日') => time(&rest)?,
        _ => return None,
    };
    let [a, b, c] = numbers[..] else { return None };
    match (era, signs[0], signs[1]) {
        (Some(before), Some('年' | '.' | '/' | '-'), Some('月' | '.' | '/' | '-')) => {
            at(a + before, b, c, clock)
        }
        (None, Some('年'), Some('月')) if a >= 1000 => at(a, b, c, clock),
        (None, Some('-' | '/' | '.'), one) if signs[0] == one && a >= 1000 => at(a, b, c, clock),
        // German and its neighbours.
        (None, Some('.'), Some('.')) if c >= 1000 => at(c, b, a, clock),
        // Month or day first: told where only one can be.
        (None, Some('/' | '-'), one) if signs[0] == one && c >= 1000 => match (a > 12, b > 12) {
            (true, false) => at(c, b, a, clock),
            (false, true) => at(c, a, b, clock),
            _ if a == b => at(c, a, b, clock),
            _ => None,
        },
        _ => None,
    }
}

/// A time of day, `5:00` or `05:00:00`.
pub(super) fn time(field: &str) -> Option<Time> {
    let text: String = field.nfkc().collect();
    let text = text.trim();
    let mut parts = text.split(':');
    let mut number = |most: usize| -> Option<i8> {
        let part = parts.next()?;
        let plain =
            !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse().ok()).flatten()
    };
    let (hour, minute) = (number(2)?, number(2)?);
    let second = if text.matches(':').count() == 2 {
        number(2)?
    } else {
        0
    };
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, 0).ok()
}

/// Years before the era's first, and what stands behind its name.
fn era(text: &str) -> (Option<i64>, &str) {
    for (names, before) in [(["令和", "R", "r"], 2018), (["平成", "H", "h"], 1988)] {
        for name in names {
            if let Some(rest) = text.strip_prefix(name) {
                return (Some(before), rest.trim_start_matches(['.', ' ']));
            }
        }
    }
    (None, text)
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn at(year: i64, month: i64, day: i64, time: Time) -> Option<DateTime> {
    let year = i16::try_from(year)
        .ok()
        .filter(|y| (1990..2200).contains(y))?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Some(Date::new(year, month, day).ok()?.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        for text in [
            "2026-12-01",
            "2026/12/1",
            "2026.12.01",
            "2026年12月1日",
            "２０２６／１２／１",
            "20261201",
            "令和8年12月1日",
            "R8.12.1",
            "R8/12/1",
            "1.12.2026",
            "2026-12-01 00:00:00",
            "2026/12/01 0:00",
            "46357",
        ] {
            assert_eq!(day(text), Some(date(2026, 12, 1).at(0, 0, 0, 0)), "{text}");
        }
        assert_eq!(day("13/12/2026"), Some(date(2026, 12, 13).at(0, 0, 0, 0)));
        assert_eq!(day("12/13/2026"), Some(date(2026, 12, 13).at(0, 0, 0, 0)));
        assert_eq!(
            day("2026-12-01T09:30"),
            Some(date(2026, 12, 1).at(9, 30, 0, 0))
        );
        assert_eq!(day("令和元年5月1日"), Some(date(2019, 5, 1).at(0, 0, 0, 0)));
    }

    #[test]
    fn what_can_be_read_in_two_ways_or_in_none_is_no_day() {
        for text in [
            "",
            "1/12/2026",
            "soon",
            "2026-13-01",
            "2026-02-30",
            "12",
            "2026",
            "99999",
            "26/12/1",
            "2026-12",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(time("5:00"), Time::new(5, 0, 0, 0).ok());
        assert_eq!(time("12:00:00"), Time::new(12, 0, 0, 0).ok());
        for text in ["", "25:00", "noon", "5", "5:00:00:00", "005:00"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
