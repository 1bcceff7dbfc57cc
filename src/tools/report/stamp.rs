//! The times at the beginning of log lines.
//!
//! Logs carry local time without an offset. It is read as it stands, in seconds since 1970-01-01 00:00
//! of the same wall clock; nothing here depends on the time zone of the machine that reads.

use jiff::civil;
use jiff::tz::TimeZone;

/// When a line was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// Seconds since 1970-01-01 00:00 of the wall clock.
    Dated(f64),
    /// Seconds since midnight of a day that the line does not tell (`[06:00] VRAM: ...`).
    OfDay(f64),
}

/// A prefix that `grep` or the journal has put in front of the line is not longer than this.
const LONGEST_PREFIX: usize = 160;

/// The time of a line and what follows it; none if the line does not begin with one.
pub fn split(line: &str) -> Option<(Time, &str)> {
    let line = line.trim_start_matches('\u{feff}');
    dated(line)
        .or_else(|| of_day(line))
        .or_else(|| behind_prefix(line))
}

/// `file.log:12:2026-11-21 ...` of `grep`, `host facetap[12]: 2026-11-21 ...` of the journal.
fn behind_prefix(line: &str) -> Option<(Time, &str)> {
    let end = line.floor_char_boundary(LONGEST_PREFIX);
    line[..end].match_indices(':').find_map(|(at, _)| {
        let rest = &line[at + 1..];
        let journal = line[..at].ends_with(']');
        dated(if journal { rest.trim_start() } else { rest })
    })
}

/// `2026-11-21 14:30:00`, with `T` or `/` as well, in brackets, with a fraction (`,123`, `.123456`) or an
/// offset, which is passed over.
fn dated(line: &str) -> Option<(Time, &str)> {
    let (line, bracket) = match line.strip_prefix('[') {
        Some(inner) => (inner, true),
        None => (line, false),
    };
    let bytes = line.as_bytes();
    if bytes.len() < 19 || !bytes[0].is_ascii_digit() {
        return None;
    }
    let at = |i: usize, allowed: &[u8]| allowed.contains(&bytes[i]);
    let shaped = at(4, b"-/") && at(7, b"-/") && at(10, b" T") && at(13, b":") && at(16, b":");
    if !shaped {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i16> {
        bytes[from..to].iter().try_fold(0_i16, |n, b| {
            b.is_ascii_digit().then(|| n * 10 + i16::from(b - b'0'))
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let date = civil::Date::new(number(0, 4)?, small(5)?, small(8)?).ok()?;
    let time = civil::Time::new(small(11)?, small(14)?, small(17)?, 0).ok()?;
    let whole = TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    let (fraction, rest) = fraction(&line[19..]);
    let rest = offset(rest);
    let rest = if bracket {
        rest.strip_prefix(']')?
    } else {
        rest
    };
    // Exact for any year that a log can carry.
    Some((Time::Dated(whole.as_second() as f64 + fraction), rest))
}

fn fraction(rest: &str) -> (f64, &str) {
    let Some(digits) = rest.strip_prefix(['.', ',']) else {
        return (0.0, rest);
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    match format!("0.{}", &digits[..end.min(9)]).parse() {
        Ok(fraction) if end > 0 => (fraction, &digits[end..]),
        _ => (0.0, rest),
    }
}

fn offset(rest: &str) -> &str {
    if let Some(rest) = rest.strip_prefix('Z') {
        return rest;
    }
    let bytes = rest.as_bytes();
    let is_offset = bytes.len() >= 6
        && matches!(bytes[0], b'+' | b'-')
        && bytes[1].is_ascii_digit()
        && bytes[3] == b':'
        && bytes[5].is_ascii_digit();
    if is_offset { &rest[6..] } else { rest }
}

/// `[06:00]` or `[06:00:30]`, as people cut lines down by hand.
fn of_day(line: &str) -> Option<(Time, &str)> {
    let (inner, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut seconds = 0.0;
    let mut parts = 0;
    for (part, (weight, limit)) in inner.split(':').zip([(3600.0, 24), (60.0, 60), (1.0, 60)]) {
        let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let number: u8 = plain.then(|| part.parse().ok())??;
        if number >= limit {
            return None;
        }
        seconds += f64::from(number) * weight;
        parts += 1;
    }
    let whole = parts >= 2 && inner.split(':').count() == parts;
    whole.then_some((Time::OfDay(seconds), rest))
}

/// The wall clock's time as people read it: `2026-11-21 14:30:00`.
pub fn show(seconds: f64) -> String {
    strftime(seconds, "%Y-%m-%d %H:%M:%S")
}

/// The wall clock's time in a format of `strftime`.
pub fn strftime(seconds: f64, format: &str) -> String {
    #[allow(clippy::cast_possible_truncation)] // beyond its range the next line says no
    let whole = seconds.floor() as i64;
    match jiff::Timestamp::from_second(whole) {
        Ok(at) => at.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Option<(String, &str)> {
        match split(line)? {
            (Time::Dated(t), rest) => Some((format!("{}+{:.3}", show(t), t.fract()), rest)),
            (Time::OfDay(t), rest) => Some((format!("{t}"), rest)),
        }
    }

    #[test]
    fn every_program_s_times_are_read() {
        for (line, time, rest) in [
            (
                "2026-11-21 14:30:00 - servo - INFO - x",
                "2026-11-21 14:30:00+0.000",
                " - servo - INFO - x",
            ),
            (
                "2025-10-06 22:07:30,090 - __main__",
                "2025-10-06 22:07:30+0.090",
                " - __main__",
            ),
            (
                "[2025-11-21 14:30:00] 経過",
                "2025-11-21 14:30:00+0.000",
                " 経過",
            ),
            (
                "2026-11-21T14:30:00.5+09:00 x",
                "2026-11-21 14:30:00+0.500",
                " x",
            ),
            ("2026-11-21T14:30:00Z", "2026-11-21 14:30:00+0.000", ""),
            (
                "face.log:12:2026-11-21 14:30:00 - a",
                "2026-11-21 14:30:00+0.000",
                " - a",
            ),
            (
                "Nov 21 14:30:00 pi facetap[12]: 2026-11-21 14:30:00 - a",
                "2026-11-21 14:30:00+0.000",
                " - a",
            ),
            (
                "\u{feff}2026-11-21 14:30:00 - a",
                "2026-11-21 14:30:00+0.000",
                " - a",
            ),
            ("[06:05] VRAM: 1 MB", "21900", " VRAM: 1 MB"),
            ("[23:55:01] x", "86101", " x"),
        ] {
            assert_eq!(at(line), Some((time.to_owned(), rest)), "{line}");
        }
    }

    #[test]
    fn a_time_within_the_text_is_not_the_line_s() {
        for line in [
            "",
            "開始時刻: 2025-10-10 23:30:00.123456",
            "    2026-11-21 14:30:00 - a - INFO - quoted",
            "2026-13-21 14:30:00 - a",
            "2026-11-21 24:30:00 - a",
            "2026-11-21 14:30",
            "[STATISTICS]",
            "[12:60] x",
            "[12] x",
            "[1:2:3:4] x",
            "[２６:00] x",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }
}
