//! `Retry-After`: for how long whoever answers asks to be left alone. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// The pause that a value asks for: seconds, or a time, which is told from the server's own clock (`date`, its header) or
/// else from ours. None where that is nonsense or over.
pub(super) fn pause(wanted: &str, date: Option<&str>, our_time: Timestamp) -> Option<Duration> {
    let wanted = wanted.trim();
    if !wanted.is_empty() && wanted.bytes().all(|b| b.is_ascii_digit()) {
        // Too long for a number is long all the same.
        return Some(Duration::from_secs(wanted.parse().unwrap_or(u64::MAX)));
    }
    let then = time(wanted)?;
    let now = date.and_then(time).unwrap_or(our_time);
    Duration::try_from(then.duration_since(now)).ok()
}

/// A time of HTTP in its three forms (RFC 9110, 5.6.7), or with an offset.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let utc = |time: DateTime| Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp());
    if let Ok(zoned) = rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| utc(DateTime::strptime(form, text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_and_times_are_obeyed_and_nonsense_is_not() {
        let date = "Sat, 21 Nov 2026 09:00:00 GMT";
        let ours: Timestamp = "2026-11-21T08:59:30Z".parse().unwrap();
        for (wanted, date, seconds) in [
            ("17", None, Some(17)),
            (" 17 ", None, Some(17)),
            ("0", None, Some(0)),
            ("99999999999999999999999", None, Some(u64::MAX)),
            ("Sat, 21 Nov 2026 09:02:00 GMT", Some(date), Some(120)),
            ("Saturday, 21-Nov-26 09:02:00 GMT", Some(date), Some(120)),
            ("Sat Nov 21 09:02:00 2026", Some(date), Some(120)),
            ("Sat, 21 Nov 2026 18:02:00 +0900", Some(date), Some(120)),
            ("Sat, 21 Nov 2026 09:02:00 GMT", None, Some(150)),
            ("Sat, 21 Nov 2026 09:02:00 GMT", Some("today"), Some(150)),
            ("Sat, 21 Nov 2026 08:00:00 GMT", Some(date), None),
            ("Sat, 21 Nov 2026 08:00:00 GMT", None, None),
            ("-5", None, None),
            ("+5", None, None),
            ("1.5", None, None),
            ("120s", None, None),
            ("soon", None, None),
            ("", None, None),
            ("17, 18", None, None),
        ] {
            let want = seconds.map(Duration::from_secs);
            assert_eq!(pause(wanted, date, ours), want, "{wanted} {date:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(wanted in ".{0,40}", date in ".{0,40}") {
            let _ = pause(&wanted, Some(&date), Timestamp::UNIX_EPOCH);
        }
    }
}
