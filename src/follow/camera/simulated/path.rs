//! How the visitor of the simulated room moves: a pure function of time.

use crate::follow::pose::Pose;

/// Seconds after which everything repeats.
const PERIOD: f64 = 60.0;

/// Where the visitor is at these seconds; in between the way is smooth, equal places are pauses. Pan stays
/// within 35 degrees, tilt and roll within 15, and nothing is faster than 25 degrees a second.
const STATIONS: [(f64, [f64; 3]); 17] = [
    (0.0, [12.0, 4.0, 0.0]),
    (2.0, [12.0, 4.0, 0.0]),
    (5.0, [30.0, 8.0, 8.0]),
    (7.0, [30.0, 8.0, 8.0]),
    (11.0, [-5.0, -4.0, 0.0]),
    (13.0, [-5.0, -4.0, -6.0]),
    (17.0, [-32.0, 3.0, -14.0]),
    (20.0, [-32.0, 3.0, -14.0]),
    (24.0, [-15.0, 14.0, 0.0]),
    (27.0, [-15.0, 14.0, 12.0]),
    (32.0, [20.0, -12.0, 15.0]),
    (35.0, [20.0, -12.0, 15.0]),
    (40.0, [35.0, 0.0, 0.0]),
    (46.0, [35.0, 0.0, 0.0]),
    (50.0, [-10.0, -2.0, 0.0]),
    (54.0, [-10.0, -2.0, 0.0]),
    (PERIOD, [12.0, 4.0, 0.0]),
];

/// The seconds without a visitor.
const AWAY: std::ops::Range<f64> = 46.0..50.0;

/// A visitor's face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visitor {
    /// Where the middle between the eyes is in the room, and how the head leans.
    pub place: Pose,
    /// Height of the head as a part of the width of the picture.
    pub height: f64,
}

/// The visitor `seconds` after the start; None while there is none.
pub fn visitor(seconds: f64) -> Option<Visitor> {
    let t = seconds.max(0.0) % PERIOD;
    if AWAY.contains(&t) {
        return None;
    }
    let next = STATIONS
        .partition_point(|(at, _)| *at <= t)
        .clamp(1, STATIONS.len() - 1);
    let ((t0, from), (t1, to)) = (STATIONS[next - 1], STATIONS[next]);
    let part = (t - t0) / (t1 - t0);
    // Smoothstep: begins and ends without a jerk.
    let part = part * part * (3.0 - 2.0 * part);
    let [pan, tilt, roll] = std::array::from_fn(|i| from[i] + (to[i] - from[i]) * part);
    Some(Visitor {
        place: Pose { pan, tilt, roll },
        // Nearer and further: 110 to 140 pixels of 640, which both detectors find however the head leans.
        height: 0.195 + 0.023 * (std::f64::consts::TAU * t / (PERIOD / 2.0)).sin(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_in_reach_and_moves_smoothly() {
        let step = 0.02;
        let mut before: Option<Visitor> = None;
        let mut away = 0.0;
        for n in 0..6000 {
            let now = visitor(f64::from(n) * step);
            match (before, now) {
                (_, None) => away += step,
                (None, Some(_)) => {}
                (Some(a), Some(b)) => {
                    let speed = a.place.zip(b.place, |a, b| (b - a).abs() / step);
                    for v in [speed.pan, speed.tilt, speed.roll] {
                        assert!(v < 25.0, "{v} degrees a second at {n}");
                    }
                    assert!(b.place.pan.abs() <= 35.0);
                    assert!(b.place.tilt.abs() <= 15.0 && b.place.roll.abs() <= 15.0);
                    assert!((0.17..0.22).contains(&b.height));
                }
            }
            before = now;
        }
        assert!((away - 8.0).abs() < 0.2, "away {away} s of two minutes");
    }
}
