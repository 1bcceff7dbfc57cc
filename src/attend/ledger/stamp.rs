//! How time is written into the ledger.

use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use nix::libc;

/// Touched by systemd-timesyncd at each synchronisation since boot.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
/// Folders that exist while a time daemon runs: systemd-timesyncd, chrony.
const DAEMONS: &[&str] = &["/run/systemd/timesync", "/run/chrony"];

/// Local time without offset, exactly as Python's `datetime.now().isoformat()` writes it: microseconds,
/// but no fraction where they are zero. The server answers 500 to anything with an offset.
#[must_use]
pub fn naive_local(wall: &Zoned) -> String {
    naive(wall.datetime())
}

/// The same for a time without a zone.
#[must_use]
pub fn naive(time: DateTime) -> String {
    let format = if time.subsec_nanosecond() / 1000 == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f"
    };
    time.strftime(format).to_string()
}

/// The same moment in UTC, with microseconds and `Z`.
#[must_use]
pub fn utc(wall: &Zoned) -> String {
    format!("{:.6}", wall.timestamp())
}

/// The moment of a tap whose local time is moved `from` one `to` another. Local time, offset and UTC of it agree, also where
/// a change of the clocks lies between the two: it is one moment, and the zone says what its clocks show. None where the
/// offset is none.
#[must_use]
pub fn moved(from: DateTime, to: DateTime, offset_s: i32, zone: &TimeZone) -> Option<Zoned> {
    let offset = Offset::from_seconds(offset_s).ok()?;
    let (before, after) = (
        offset.to_timestamp(from).ok()?,
        offset.to_timestamp(to).ok()?,
    );
    // A board that was given another zone since goes on with the one in which the tap was made.
    let same = zone.to_offset(before) == offset;
    let zone = if same {
        zone.clone()
    } else {
        TimeZone::fixed(offset)
    };
    Some(after.to_zoned(zone))
}

/// What is known of the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    /// When systemd-timesyncd last synchronised it since boot, by the wall clock itself.
    pub daemon: Option<Timestamp>,
    /// Whether the kernel takes it for synchronised, which chrony and ntpd tell it. The kernel takes its word back when
    /// somebody sets the clock.
    pub kernel: bool,
    /// Whether a time daemon runs.
    pub expected: bool,
}

impl Sync {
    /// Looks.
    #[must_use]
    pub fn now() -> Self {
        let daemon = std::fs::metadata(TIMESYNCD)
            .and_then(|m| m.modified())
            .ok()
            .and_then(|at| Timestamp::try_from(at).ok());
        Self {
            daemon,
            kernel: kernel_is_synchronised(),
            expected: DAEMONS.iter().any(|d| Path::new(d).exists()),
        }
    }

    /// Whether anybody vouches for the wall clock.
    #[must_use]
    pub fn vouches(&self) -> bool {
        self.daemon.is_some() || self.kernel
    }

    /// Whether somebody vouches for the clock as it is now, after a step: the kernel does not go on doing so when it is
    /// set, the daemon's mark has to be another one than at the look `before`, or than at the time of the anchor.
    #[must_use]
    pub fn vouches_anew(&self, before: Option<&Self>, anchor: Timestamp) -> bool {
        self.kernel
            || match before {
                Some(before) => self.daemon != before.daemon,
                None => self.daemon.is_some_and(|at| at > anchor),
            }
    }
}

fn kernel_is_synchronised() -> bool {
    // SAFETY: `timex` is a C structure of numbers, for which all zeros is a valid value.
    let mut asked: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call; with `modes` 0 the kernel only fills the structure in.
    let state = unsafe { libc::adjtimex(&raw mut asked) };
    // Negative where a sandbox forbids the question (`ProtectClock=`).
    state >= 0 && asked.status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn time_is_written_as_python_does() {
        let tokyo = TimeZone::fixed(Offset::constant(9));
        let at = |nanos| {
            date(2025, 11, 21)
                .at(14, 30, 0, nanos)
                .to_zoned(tokyo.clone())
                .unwrap()
        };
        for (nanos, want) in [
            (123_456_000, "2025-11-21T14:30:00.123456"),
            (123_456_999, "2025-11-21T14:30:00.123456"),
            (100_000_000, "2025-11-21T14:30:00.100000"),
            (1_000, "2025-11-21T14:30:00.000001"),
            (0, "2025-11-21T14:30:00"),
            (999, "2025-11-21T14:30:00"),
        ] {
            assert_eq!(naive_local(&at(nanos)), want);
        }
        assert_eq!(utc(&at(123_456_789)), "2025-11-21T05:30:00.123456Z");
        assert_eq!(utc(&at(0)), "2025-11-21T05:30:00.000000Z");
    }

    #[test]
    fn local_time_and_utc_of_a_moved_tap_agree_across_a_change_of_the_clocks() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let tokyo = TimeZone::posix("JST-9").unwrap();
        for (zone, offset_h, from, to, local, utc_time) in [
            (
                &tokyo,
                9,
                "2026-11-21T09:00:04",
                "2026-11-21T09:00:11",
                "2026-11-21T09:00:11",
                "2026-11-21T00:00:11Z",
            ),
            // The hour that is left out in spring.
            (
                &berlin,
                1,
                "2026-03-29T01:59:56",
                "2026-03-29T02:00:07",
                "2026-03-29T03:00:07",
                "2026-03-29T01:00:07Z",
            ),
            // The hour that comes twice in autumn: its first time, its second, and from the one into the other.
            (
                &berlin,
                2,
                "2026-10-25T02:30:00",
                "2026-10-25T02:30:11",
                "2026-10-25T02:30:11",
                "2026-10-25T00:30:11Z",
            ),
            (
                &berlin,
                1,
                "2026-10-25T02:30:00",
                "2026-10-25T02:30:11",
                "2026-10-25T02:30:11",
                "2026-10-25T01:30:11Z",
            ),
            (
                &berlin,
                2,
                "2026-10-25T02:59:56",
                "2026-10-25T03:00:07",
                "2026-10-25T02:00:07",
                "2026-10-25T01:00:07Z",
            ),
            // The board has moved since.
            (
                &berlin,
                9,
                "2026-11-21T09:00:04",
                "2026-11-21T09:00:11",
                "2026-11-21T09:00:11",
                "2026-11-21T00:00:11Z",
            ),
        ] {
            let at = moved(
                from.parse().unwrap(),
                to.parse().unwrap(),
                offset_h * 3600,
                zone,
            )
            .unwrap();
            assert_eq!(naive_local(&at), local);
            assert_eq!(at.timestamp(), utc_time.parse().unwrap());
            let shown = naive_local(&at).parse::<DateTime>().unwrap();
            assert_eq!(at.offset().to_timestamp(shown).unwrap(), at.timestamp());
        }
        assert!(moved(DateTime::default(), DateTime::default(), i32::MAX, &tokyo).is_none());
    }
}
