//! Times as people type them.

use anyhow::Result;
use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

use super::options::PeriodOptions;
use crate::cli::Usage;
use crate::say;

/// Which end of a period a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Since,
    Until,
}

/// The period that the options ask for; none at an end that is open.
pub(super) fn period(
    options: &PeriodOptions,
    now: &Zoned,
) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let read = |text: &Option<String>, end: End| {
        text.as_deref()
            .map(|text| moment(text, end, now))
            .transpose()
    };
    let since = read(&options.since, End::Since)?;
    let until = read(&options.until, End::Until)?;
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Usage(say!(
            "--until must be later than --since",
            "--until は --since より後にしてください"
        ))
        .into());
    }
    Ok((since, until))
}

fn moment(text: &str, end: End, now: &Zoned) -> Result<Timestamp, Usage> {
    parse(text.trim(), end, now).ok_or_else(|| {
        let option = match end {
            End::Since => "--since",
            End::Until => "--until",
        };
        Usage(say!(
            "{option}: \"{text}\" is no time; examples: 2026-11-21, 2026-11-21T09:00, \"2026-11-21 09:00:00\", \
             2026-11-21T09:00:00+09:00, 7d, 12h, 30m",
            "{option}: 「{text}」は日時ではありません。例: 2026-11-21, 2026-11-21T09:00, \"2026-11-21 09:00:00\", \
             2026-11-21T09:00:00+09:00, 7d, 12h, 30m"
        ))
    })
}

fn parse(text: &str, end: End, now: &Zoned) -> Option<Timestamp> {
    if let Some(span) = ago(text) {
        return Some(now.checked_sub(span).ok()?.timestamp());
    }
    // Only what begins like a date: the parsers below know more forms than anybody expects.
    let numbers = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if !numbers {
        return None;
    }
    // With an offset or Z it is a moment by itself.
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let local = |time: DateTime| Some(time.to_zoned(now.time_zone().clone()).ok()?.timestamp());
    // As spreadsheets here write dates.
    let text = text.replace('/', "-");
    if text.len() == 10 {
        let mut date: Date = text.parse().ok()?;
        if end == End::Until {
            date = date.tomorrow().ok()?;
        }
        return local(date.to_datetime(jiff::civil::Time::midnight()));
    }
    let has_time = text.len() > 10 && text.contains(':');
    let has_offset = text.get(10..)?.contains(['+', '-', 'Z', 'z', '[']);
    if !has_time || has_offset {
        return None;
    }
    local(text.parse().ok()?)
}

/// `7d`, `12h`, `30m`, `2w`.
fn ago(text: &str) -> Option<Span> {
    let unit = text.chars().last()?;
    let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
    // A hundred years; nothing was tapped before.
    let count = i64::from(count);
    match unit {
        'm' if count <= 52_560_000 => Some(count.minutes()),
        'h' if count <= 876_000 => Some(count.hours()),
        'd' if count <= 36_500 => Some(count.days()),
        'w' if count <= 5_200 => Some(count.weeks()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Zoned {
        "2026-11-21T12:00:00+09:00[+09:00]".parse().unwrap()
    }

    fn utc(text: &str, end: End) -> Option<String> {
        parse(text, end, &now()).map(|t| t.to_string())
    }

    #[test]
    fn times_are_local_unless_they_say_otherwise() {
        for (text, want) in [
            ("2026-11-21", "2026-11-20T15:00:00Z"),
            ("2026/11/21", "2026-11-20T15:00:00Z"),
            ("2026-11-21T09:00", "2026-11-21T00:00:00Z"),
            ("2026-11-21 09:00", "2026-11-21T00:00:00Z"),
            ("2026-11-21 09:00:05", "2026-11-21T00:00:05Z"),
            ("2026/11/21 09:00:05", "2026-11-21T00:00:05Z"),
            ("2026-11-21T09:00:00+02:00", "2026-11-21T07:00:00Z"),
            ("2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z"),
            ("2026-11-21T09:00+09", "2026-11-21T00:00:00Z"),
            ("7d", "2026-11-14T03:00:00Z"),
            ("12h", "2026-11-20T15:00:00Z"),
            ("30m", "2026-11-21T02:30:00Z"),
            ("2w", "2026-11-07T03:00:00Z"),
        ] {
            assert_eq!(utc(text, End::Since).as_deref(), Some(want), "{text}");
        }
        assert_eq!(
            utc("2026-11-21", End::Until).as_deref(),
            Some("2026-11-21T15:00:00Z"),
            "the whole day"
        );
        assert_eq!(
            utc("2026-11-21T09:00", End::Until).as_deref(),
            Some("2026-11-21T00:00:00Z")
        );
    }

    #[test]
    fn everything_else_is_refused_with_examples() {
        for text in [
            "",
            "x",
            "d",
            "-1d",
            "7",
            "7y",
            "2026-13-01",
            "2026-11-31",
            "2026-11",
            "20261121",
            "21.11.2026",
            "2026-11-21T25:00",
            "2026-11-21T",
            "999999999999d",
            "4000000000d",
            "P1D",
            "１d",
        ] {
            let why = moment(text, End::Since, &now());
            let why = why.unwrap_err().to_string();
            assert!(
                why.contains("--since") && why.contains("7d"),
                "{text}: {why}"
            );
        }
    }

    #[test]
    fn a_period_has_a_length() {
        let options = |since: &str, until: &str| PeriodOptions {
            since: Some(since.into()),
            until: Some(until.into()),
        };
        assert!(period(&options("2026-11-21", "2026-11-21"), &now()).is_ok());
        let why = period(&options("2026-11-22", "2026-11-21"), &now()).unwrap_err();
        assert!(why.is::<Usage>());
        assert_eq!(
            period(&PeriodOptions::default(), &now()).unwrap(),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9TZ:+ dhmw/.-]{0,30}|.{0,20}") {
            let _ = parse(&text, End::Since, &now());
            let _ = parse(&text, End::Until, &now());
        }
    }
}
