//! An axis that presses against its mechanical end, told by its load.

use std::time::Duration;

use crate::base::clock::Monotime;

use super::profile::Range;

/// Load (0 to 1) above which an axis is taken to press against its end; the limit of the old tracker.
const PRESSING: f64 = 0.8;
/// Load below which it no longer does.
const RELAXED: f64 = 0.6;
/// For how long it has to be relaxed until the direction is free again.
const RELAXED_FOR: Duration = Duration::from_secs(2);
/// The axis has moved off the stop by this much.
const MOVED_OFF: f64 = 2.0;
/// Readings in a row, so that the current of a start alone is no stop.
const READINGS: u8 = 2;
/// Set point and axis differ by more than this if the axis is pushed, in degrees.
const PUSHED: f64 = 0.5;

/// A direction of movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Towards smaller angles.
    Low,
    /// Towards larger angles.
    High,
}

/// What is known about the mechanical ends of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EndStop {
    /// Both directions are free; so many readings of a high load came in a row.
    Free {
        /// High readings so far.
        high: u8,
    },
    /// Movement beyond `at` is not allowed.
    Blocked {
        /// The direction that is closed.
        side: Side,
        /// Where the axis stood when it was found to press, in degrees.
        at: f64,
        /// Since when the load has been low.
        relaxed: Option<Monotime>,
    },
    /// The axis has moved off, but its load has not yet fallen; only the same direction counts as a stop.
    Leaving {
        /// The direction that was closed.
        side: Side,
        /// High readings so far.
        high: u8,
    },
}

impl Default for EndStop {
    fn default() -> Self {
        Self::Free { high: 0 }
    }
}

impl EndStop {
    /// Takes a reading: `measured` and `command` in degrees, `load` from -1 to 1, positive where the
    /// motor pushes to larger angles. True if a direction was closed just now.
    pub fn update(&mut self, now: Monotime, measured: f64, command: f64, load: f64) -> bool {
        let pressing = load.abs() > PRESSING;
        let side = side(command - measured, load);
        let (next, closed) = match *self {
            Self::Free { high } if pressing => Self::press(high, side, measured)
                .map_or((Self::Free { high: high + 1 }, false), |s| (s, true)),
            Self::Free { .. } => (Self::Free { high: 0 }, false),
            Self::Leaving { side: old, high } if pressing && side == old => {
                Self::press(high, side, measured).map_or(
                    (
                        Self::Leaving {
                            side: old,
                            high: high + 1,
                        },
                        false,
                    ),
                    |s| (s, true),
                )
            }
            Self::Leaving { .. } if load.abs() < RELAXED => (Self::Free { high: 0 }, false),
            Self::Leaving { side, .. } => (Self::Leaving { side, high: 0 }, false),
            Self::Blocked { side, at, relaxed } => {
                let off = match side {
                    Side::High => at - measured,
                    Side::Low => measured - at,
                };
                let relaxed = (load.abs() < RELAXED).then(|| relaxed.unwrap_or(now));
                let next = if off > MOVED_OFF {
                    Self::Leaving { side, high: 0 }
                } else if relaxed.is_some_and(|since| now.since(since) >= RELAXED_FOR) {
                    Self::Free { high: 0 }
                } else {
                    Self::Blocked { side, at, relaxed }
                };
                (next, false)
            }
        };
        *self = next;
        closed
    }

    /// The stop, if this was the last of the readings that make one.
    fn press(high: u8, side: Side, at: f64) -> Option<Self> {
        (high + 1 >= READINGS).then_some(Self::Blocked {
            side,
            at,
            relaxed: None,
        })
    }

    /// The part of `range` that may be used now.
    #[must_use]
    pub fn narrow(self, range: Range) -> Range {
        match self {
            Self::Blocked {
                side: Side::High,
                at,
                ..
            } => Range {
                high: at.clamp(range.low, range.high),
                ..range
            },
            Self::Blocked {
                side: Side::Low,
                at,
                ..
            } => Range {
                low: at.clamp(range.low, range.high),
                ..range
            },
            Self::Free { .. } | Self::Leaving { .. } => range,
        }
    }
}

/// Where the axis is pushed: by its command, or if it stands there already by the sign of its load.
fn side(push: f64, load: f64) -> Side {
    let sign = if push.abs() > PUSHED { push } else { load };
    if sign < 0.0 { Side::Low } else { Side::High }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range {
        low: -50.0,
        high: 50.0,
    };

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn pressed() -> EndStop {
        let mut stop = EndStop::default();
        assert!(!stop.update(at(0), 30.0, 35.0, -0.9), "once is no stop");
        assert!(stop.update(at(20), 30.0, 35.0, -0.9));
        stop
    }

    #[test]
    fn closes_the_commanded_direction_whatever_the_sign_of_the_load() {
        let stop = pressed();
        assert_eq!(
            stop.narrow(RANGE),
            Range {
                low: -50.0,
                high: 30.0
            }
        );
    }

    #[test]
    fn the_sign_of_the_load_decides_where_nothing_is_commanded() {
        let mut stop = EndStop::default();
        stop.update(at(0), 10.0, 10.0, -0.85);
        stop.update(at(20), 10.0, 10.0, -0.85);
        assert_eq!(stop.narrow(RANGE).low, 10.0);
    }

    #[test]
    fn opens_when_the_axis_has_moved_off() {
        let mut stop = pressed();
        stop.update(at(40), 29.0, 20.0, 0.9);
        assert_eq!(stop.narrow(RANGE).high, 30.0);
        stop.update(at(60), 27.0, 20.0, 0.9);
        assert_eq!(stop.narrow(RANGE), RANGE);
        // Still a high load, but on the way back: not the other end.
        for i in 4..9 {
            assert!(!stop.update(at(i * 20), 25.0, 10.0, 0.9));
        }
        // Towards the same end again it is.
        stop.update(at(200), 25.0, 35.0, 0.9);
        assert!(stop.update(at(220), 25.0, 35.0, 0.9));
    }

    #[test]
    fn opens_after_two_relaxed_seconds_in_a_row() {
        let mut stop = pressed();
        stop.update(at(1000), 30.0, 30.0, 0.5);
        stop.update(at(2900), 30.0, 30.0, 0.7);
        stop.update(at(3000), 30.0, 30.0, 0.5);
        stop.update(at(4990), 30.0, 30.0, 0.5);
        assert_eq!(stop.narrow(RANGE).high, 30.0);
        stop.update(at(5000), 30.0, 30.0, 0.5);
        assert_eq!(stop.narrow(RANGE), RANGE);
    }

    #[test]
    fn a_stop_outside_the_range_leaves_a_range() {
        let mut stop = EndStop::default();
        stop.update(at(0), 80.0, 90.0, 1.0);
        stop.update(at(20), 80.0, 90.0, 1.0);
        assert_eq!(stop.narrow(RANGE), RANGE);
    }
}
