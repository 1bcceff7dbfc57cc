//! Whether a camera is to be closed and opened anew: decided from what it answers and when.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::config;

/// Pause after a failed read. Ten failures take a fifth of a second, where a device that fails at once
/// would burn them in microseconds.
pub const FAILED_PAUSE: Duration = Duration::from_millis(20);

/// A camera that gave pictures for this long was mended; the next fault begins with the shortest pause.
const MENDED: Duration = Duration::from_secs(2);

/// What to do after an answer of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureVerdict {
    /// Ask again.
    GoOn,
    /// Ask again after a pause.
    Pause(Duration),
    /// Close the camera and open it anew.
    Reopen(Fault),
}

/// Why a camera is opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many failed reads in a row.
    Errors(u32),
    /// No fresh picture for this long.
    Stall(Duration),
    /// The same picture, byte for byte, for this long.
    Frozen(Duration),
    /// So many pictures in a row that could not be decoded.
    Undecodable(u32),
}

/// An open camera, as its answers show it.
#[derive(Debug)]
pub struct Health {
    errors: u32,
    limit: u32,
    /// None for a file: it plays by the clock, and opening it again would not make it faster.
    stall: Option<Duration>,
    opened: Monotime,
    /// The last picture, new or not.
    arrived: Monotime,
    /// The last new one.
    fresh: Monotime,
}

impl Health {
    /// A camera that has just been opened.
    pub fn new(camera: &config::Camera, live: bool, now: Monotime) -> Self {
        Self {
            errors: 0,
            limit: camera.errors_before_reinit,
            stall: live.then(|| Duration::from_secs_f64(camera.stall_seconds)),
            opened: now,
            arrived: now,
            fresh: now,
        }
    }

    /// A fresh picture came, and the detector has reported so many undecodable ones in a row.
    pub fn picture(&mut self, undecodable: u32, now: Monotime) -> CaptureVerdict {
        self.errors = 0;
        self.arrived = now;
        self.fresh = now;
        // A damaged file does not get better by opening it again.
        if self.stall.is_some() && undecodable >= self.limit {
            return CaptureVerdict::Reopen(Fault::Undecodable(undecodable));
        }
        CaptureVerdict::GoOn
    }

    /// The picture before came once more; `patience` says how many times longer than usual that is put up with.
    pub fn again(&mut self, undecodable: u32, patience: u32, now: Monotime) -> CaptureVerdict {
        let fresh = self.fresh;
        let verdict = self.picture(undecodable, now);
        self.fresh = fresh;
        if verdict != CaptureVerdict::GoOn {
            return verdict;
        }
        let same = now.since(fresh);
        match self.stall {
            Some(stall) if same >= stall.saturating_mul(patience) => {
                CaptureVerdict::Reopen(Fault::Frozen(same))
            }
            _ => CaptureVerdict::GoOn,
        }
    }

    /// Nothing came.
    pub fn nothing(&self, now: Monotime) -> CaptureVerdict {
        let silent = now.since(self.arrived);
        match self.stall {
            Some(stall) if silent >= stall => CaptureVerdict::Reopen(Fault::Stall(silent)),
            _ => CaptureVerdict::GoOn,
        }
    }

    /// A read failed.
    pub fn failed(&mut self, now: Monotime) -> CaptureVerdict {
        self.errors += 1;
        if self.errors >= self.limit {
            return CaptureVerdict::Reopen(Fault::Errors(self.errors));
        }
        match self.nothing(now) {
            CaptureVerdict::GoOn => CaptureVerdict::Pause(FAILED_PAUSE),
            verdict => verdict,
        }
    }

    /// Whether it has given pictures long enough to be called mended.
    pub fn mended(&self) -> bool {
        self.fresh.since(self.opened) >= MENDED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn health(live: bool) -> Health {
        Health::new(&Config::default().camera, live, at(0))
    }

    #[test]
    fn ten_failures_in_a_row_reopen_and_a_picture_between_starts_again() {
        let mut health = health(true);
        for n in 1..10 {
            assert_eq!(
                health.failed(at(n)),
                CaptureVerdict::Pause(FAILED_PAUSE),
                "{n}"
            );
        }
        assert_eq!(health.picture(0, at(11)), CaptureVerdict::GoOn);
        for n in 12..21 {
            assert_eq!(health.failed(at(n)), CaptureVerdict::Pause(FAILED_PAUSE));
        }
        assert_eq!(
            health.failed(at(21)),
            CaptureVerdict::Reopen(Fault::Errors(10))
        );
    }

    #[test]
    fn silence_reopens_after_the_stall_time() {
        let mut health = health(true);
        assert_eq!(health.picture(0, at(1000)), CaptureVerdict::GoOn);
        assert_eq!(health.nothing(at(3999)), CaptureVerdict::GoOn);
        let stall = Fault::Stall(Duration::from_secs(3));
        assert_eq!(health.nothing(at(4000)), CaptureVerdict::Reopen(stall));
    }

    #[test]
    fn the_same_picture_again_and_again_reopens_after_the_stall_time() {
        let mut one = health(true);
        assert_eq!(one.picture(0, at(1000)), CaptureVerdict::GoOn);
        assert_eq!(one.again(0, 1, at(3999)), CaptureVerdict::GoOn);
        let frozen = Fault::Frozen(Duration::from_secs(3));
        assert_eq!(one.again(0, 1, at(4000)), CaptureVerdict::Reopen(frozen));
        assert_eq!(one.again(0, 2, at(6999)), CaptureVerdict::GoOn);
        let undecodable = Fault::Undecodable(10);
        assert_eq!(
            one.again(10, 2, at(6999)),
            CaptureVerdict::Reopen(undecodable)
        );
        assert!(!one.mended());
        // It is not silent: what goes for repeats goes for a moment between two of them, too.
        assert_eq!(one.nothing(at(7100)), CaptureVerdict::GoOn);
        let stall = Fault::Stall(Duration::from_secs(3));
        assert_eq!(one.nothing(at(9999)), CaptureVerdict::Reopen(stall));
        let mut file = health(false);
        assert_eq!(file.again(0, 1, at(60_000)), CaptureVerdict::GoOn);
    }

    #[test]
    fn rare_failures_do_not_hide_a_stall() {
        let mut health = health(true);
        assert!(matches!(health.failed(at(1500)), CaptureVerdict::Pause(_)));
        let stall = Fault::Stall(Duration::from_secs(3));
        assert_eq!(health.failed(at(3000)), CaptureVerdict::Reopen(stall));
    }

    #[test]
    fn undecodable_pictures_reopen_a_camera_but_not_a_file() {
        assert_eq!(health(true).picture(9, at(1)), CaptureVerdict::GoOn);
        let fault = Fault::Undecodable(10);
        assert_eq!(
            health(true).picture(10, at(1)),
            CaptureVerdict::Reopen(fault)
        );
        assert_eq!(health(false).picture(10, at(1)), CaptureVerdict::GoOn);
    }

    #[test]
    fn a_file_does_not_stall_but_may_fail() {
        let mut health = health(false);
        assert_eq!(health.nothing(at(1_000_000)), CaptureVerdict::GoOn);
        for _ in 0..9 {
            health.failed(at(5));
        }
        assert_eq!(
            health.failed(at(5)),
            CaptureVerdict::Reopen(Fault::Errors(10))
        );
    }

    #[test]
    fn two_seconds_of_pictures_mean_mended() {
        let mut health = health(true);
        health.picture(0, at(1999));
        assert!(!health.mended());
        health.picture(0, at(2000));
        assert!(health.mended());
    }
}
