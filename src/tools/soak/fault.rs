//! The faults that a run can plant, and what they have to turn red.

use std::time::Duration;

use super::verdict::Check;

/// Memory that the planted leak takes in a run, in MiB. Well above the 40 % of the verdict, and below the limit at which
/// the service restarts (600 MiB, or half of the memory).
const LEAK_MB: f64 = 150.0;
/// Descriptors that the planted leak takes in a run: above the 100 of the verdict, below the usual limit of 1,024.
const LEAKED_DESCRIPTORS: f64 = 300.0;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Memory is taken and never given back.
    Leak,
    /// Descriptors are opened and never closed.
    FdLeak,
    /// A loop panics once.
    Panic,
    /// A loop hangs.
    Hang,
    /// Taps take longer than anybody waits.
    Slow,
    /// Taps are confirmed and not recorded.
    LoseTap,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Leak,
        Self::FdLeak,
        Self::Panic,
        Self::Hang,
        Self::Slow,
        Self::LoseTap,
    ];

    /// What people type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::FdLeak => "fd-leak",
            Self::Panic => "panic",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::LoseTap => "lose-tap",
        }
    }

    /// The fault of this name.
    ///
    /// # Errors
    /// There is none; the message lists them.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|f| f.name() == text)
            .ok_or_else(|| format!("choose one of: {}", Self::ALL.map(Self::name).join(", ")))
    }

    /// The line that plants it ([`crate::watch::fault`]); `left` is the time until the end of the run. Leaks are as fast as it
    /// takes to be seen and no faster, however long the run is.
    #[must_use]
    pub fn order(self, left: Duration) -> String {
        let left = left.as_secs_f64().max(1.0);
        match self {
            Self::Leak => format!("leak {}", LEAK_MB / left),
            Self::FdLeak => format!("fd-leak {}", LEAKED_DESCRIPTORS / left),
            Self::Panic => "panic vision".to_owned(),
            // No request waits for the servos: all that is seen is what the health thread makes of it.
            Self::Hang => "hang servo".to_owned(),
            Self::Slow => "slow".to_owned(),
            Self::LoseTap => "lose-tap".to_owned(),
        }
    }

    /// The rows of the verdict that it turns red; no others.
    #[must_use]
    pub const fn red(self) -> &'static [Check] {
        match self {
            Self::Leak => &[Check::MemoryGrowth, Check::MemorySlope],
            Self::FdLeak => &[Check::Handles, Check::HandleSlope],
            Self::Panic => &[Check::UncaughtExceptions, Check::LoopRestarts],
            Self::Hang => &[Check::Crashes, Check::LoopsHung],
            Self::Slow => &[Check::SuccessRate, Check::Errors],
            Self::LoseTap => &[Check::SuccessRate, Check::Errors, Check::TapsLost],
        }
    }

    /// How long it takes to show at most.
    #[must_use]
    pub const fn least(self) -> Duration {
        Duration::from_secs(match self {
            Self::Leak | Self::FdLeak | Self::Panic | Self::LoseTap => 5,
            // A tap is waited for 10 s.
            Self::Slow => 15,
            // A loop has hung after 15 s without a sign of life; then the end, a second, and the start.
            Self::Hang => 30,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_and_others_answered_with_the_list() {
        for fault in Fault::ALL {
            assert_eq!(Fault::parse(fault.name()), Ok(fault));
        }
        let why = Fault::parse("leek").unwrap_err();
        assert!(Fault::ALL.iter().all(|f| why.contains(f.name())), "{why}");
    }

    #[test]
    fn a_leak_takes_as_much_in_a_day_as_in_a_minute() {
        for seconds in [60.0, 86_400.0] {
            let order = Fault::Leak.order(Duration::from_secs_f64(seconds));
            let rate: f64 = order.strip_prefix("leak ").unwrap().parse().unwrap();
            assert!((rate * seconds - LEAK_MB).abs() < 1e-6, "{order}");
        }
    }

    #[test]
    fn the_documentation_names_the_rows() {
        let text = include_str!("../../../docs/soak.md");
        for fault in Fault::ALL {
            let line = format!("| `{}` |", fault.name());
            let line = text.lines().find(|l| l.starts_with(&line)).expect("a row");
            let named: Vec<_> = Check::ALL
                .into_iter()
                .filter(|c| line.contains(&format!("\"{}\"", c.english())))
                .collect();
            assert_eq!(named, fault.red(), "{line}");
        }
    }
}
