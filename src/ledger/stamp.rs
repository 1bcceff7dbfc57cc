//! How time is written into the ledger.

use std::path::Path;

use jiff::Zoned;
use nix::libc;

/// Touched by systemd-timesyncd at each synchronisation since boot.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Local time without offset, exactly as Python's `datetime.now().isoformat()` writes it: microseconds,
/// but no fraction where they are zero. The server answers 500 to anything with an offset.
#[must_use]
pub fn naive_local(wall: &Zoned) -> String {
    let format = if wall.subsec_nanosecond() / 1000 == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f"
    };
    wall.strftime(format).to_string()
}

/// The same moment in UTC, with microseconds and `Z`.
#[must_use]
pub fn utc(wall: &Zoned) -> String {
    format!("{:.6}", wall.timestamp())
}

/// Which boot of the machine it is.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub boot_id: String,
}

impl Origin {
    /// The present one. Where the kernel does not tell, every start of the program counts as a boot: times
    /// since boot are then never compared across a restart.
    pub fn of_this_boot() -> Self {
        let boot_id = std::fs::read_to_string(BOOT_ID)
            .map(|id| id.trim().to_owned())
            .ok()
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| format!("unknown-{:016x}", fastrand::u64(..)));
        Self { boot_id }
    }
}

/// Whether the wall clock has been synchronised since boot: timesyncd says so, or the kernel does, which
/// chrony and ntpd tell.
#[must_use]
pub fn clock_is_synchronised() -> bool {
    Path::new(TIMESYNCD).exists() || kernel_is_synchronised()
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
    use jiff::tz::{Offset, TimeZone};

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
    fn one_boot_has_one_name() {
        let first = Origin::of_this_boot().boot_id;
        assert!(first.len() >= 16);
        if !first.starts_with("unknown") {
            assert_eq!(first, Origin::of_this_boot().boot_id);
        }
    }
}
