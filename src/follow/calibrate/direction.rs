//! Whether an axis turns the way that it should: a small movement, and which way the picture goes meanwhile.

use std::sync::Arc;

use anyhow::Result;

use super::axes::THERE_AND_BACK;
use super::fit::{Shift, Stand};
use super::observe;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config::{Camera, Config};
use crate::follow::control::Axis;

/// A picture counts where the axis has stood still for so long before it, in seconds: no camera that can be used is later.
const STILL_FOR: f64 = 1.2;
/// What still means, in degrees.
const STILL: f64 = 0.4;
/// The picture moves by at least this part of what the lens should make of the movement.
const LEAST: f64 = 0.25;
/// A straight line explains at least this part of what the picture does.
const EXPLAINED: f64 = 0.7;
/// Fewer pictures tell nothing.
const PICTURES: usize = 6;

/// Which way an axis turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As it should.
    Right,
    /// The other way: `invert` of the axis is to be changed.
    Wrong,
    /// What the camera shows does not move with it.
    Unseen,
}

/// Moves an axis three degrees to either side, slowly, and looks which way the picture goes. The torque is off when it
/// returns, whatever happens.
///
/// # Errors
/// A device cannot be opened or used, the picture shows too little, or the order to stop came; the message says what to do.
pub fn watch(config: &Config, axis: Axis, clock: &Arc<dyn Clock>, stop: &Stop) -> Result<Way> {
    let (looked, stands) = observe(config, axis, THERE_AND_BACK, clock, stop)?;
    Ok(way(
        &looked.shifts,
        &stands,
        expected(axis, looked.width, &config.camera),
    ))
}

/// Pixels to the right and down for each degree of the axis.
fn expected(axis: Axis, width: f64, camera: &Camera) -> [f64; 2] {
    let degree = 1.0_f64.to_radians();
    let focal = width / 2.0 / (camera.fov_degrees.min(120.0) / 2.0).to_radians().tan();
    match axis {
        Axis::Pan => [-focal * degree, 0.0],
        Axis::Tilt => [0.0, focal * degree],
        // Of the right half against the left half.
        Axis::Roll => [0.0, -width / 2.0 * degree],
    }
}

fn way(shifts: &[Shift], stands: &[Stand], expected: [f64; 2]) -> Way {
    let part = if expected[0] == 0.0 { 1 } else { 0 };
    let seen: Vec<(f64, f64)> = shifts
        .iter()
        .filter_map(|shift| Some((stood(stands, shift.at)?, shift.pixels[part])))
        .collect();
    if seen.len() < PICTURES {
        return Way::Unseen;
    }
    let n = seen.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| seen.iter().map(of).sum::<f64>() / n;
    let (angle, pixels) = (mean(|s| s.0), mean(|s| s.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        seen.iter().map(|s| of(s.0 - angle, s.1 - pixels)).sum()
    };
    let (moved, shifted, both) = (sum(&|a, _| a * a), sum(&|_, p| p * p), sum(&|a, p| a * p));
    let slope = both / moved.max(f64::MIN_POSITIVE);
    let explained = both * both / (moved * shifted).max(f64::MIN_POSITIVE);
    let should = expected[part];
    if explained < EXPLAINED || slope.abs() < should.abs() * LEAST {
        Way::Unseen
    } else if slope.signum() == should.signum() {
        Way::Right
    } else {
        Way::Wrong
    }
}

/// Where the axis had stood still until then, in degrees.
fn stood(stands: &[Stand], at: f64) -> Option<f64> {
    let before: Vec<f64> = stands
        .iter()
        .filter(|s| (at - STILL_FOR..=at).contains(&s.at))
        .map(|s| s.angle)
        .collect();
    let low = before.iter().copied().fold(f64::INFINITY, f64::min);
    let high = before.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let whole = stands.first().is_some_and(|s| s.at <= at - STILL_FOR);
    (whole && high - low <= STILL).then(|| f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds and more at each goal, as the mount reports it fifty times a second.
    fn stands() -> Vec<Stand> {
        let angle = |t: f64| match t {
            t if t < 0.5 => 0.0,
            t if t < 0.7 => (t - 0.5) * 15.0,
            t if t < 2.9 => 3.0,
            t if t < 3.3 => 3.0 - (t - 2.9) * 15.0,
            t if t < 5.5 => -3.0,
            _ => 0.0,
        };
        (0..280)
            .map(|i| f64::from(i) * 0.02)
            .map(|at| Stand {
                at,
                angle: angle(at),
            })
            .collect()
    }

    /// What a camera shows that is late by so many seconds, `rate` pictures a second, at so many pixels a degree.
    fn shifts(delay: f64, rate: f64, slope: f64, part: usize) -> Vec<Shift> {
        let stands = stands();
        let angle = |t: f64| {
            let stand = stands.iter().rfind(|s| s.at <= t);
            stand.map_or(0.0, |s| s.angle)
        };
        (0..(5.6 * rate) as u32)
            .map(|i| f64::from(i) / rate)
            .map(|at| {
                let mut pixels = [0.2, -0.1];
                pixels[part] += slope * angle(at - delay);
                Shift { at, pixels }
            })
            .collect()
    }

    #[test]
    fn the_way_is_told_whatever_the_delay_and_the_rate() {
        let camera = Config::default().camera;
        for (axis, part) in [(Axis::Pan, 0), (Axis::Tilt, 1), (Axis::Roll, 1)] {
            let expected = expected(axis, 320.0, &camera);
            for (delay, rate) in [(0.0, 30.0), (0.3, 15.0), (1.0, 10.0), (0.5, 5.0)] {
                for factor in [0.5, 1.0, 1.8] {
                    let slope = expected[part] * factor;
                    let told = |slope| way(&shifts(delay, rate, slope, part), &stands(), expected);
                    assert_eq!(told(slope), Way::Right, "{axis:?} {delay} {rate} {factor}");
                    assert_eq!(told(-slope), Way::Wrong, "{axis:?} {delay} {rate} {factor}");
                }
            }
        }
    }

    #[test]
    fn a_camera_that_does_not_turn_with_the_mount_sees_nothing() {
        let expected = expected(Axis::Pan, 320.0, &Config::default().camera);
        assert_eq!(
            way(&shifts(0.1, 15.0, 0.0, 0), &stands(), expected),
            Way::Unseen
        );
        // Somebody walks by.
        let mut walk = shifts(0.1, 15.0, 0.0, 0);
        for shift in &mut walk {
            shift.pixels[0] += (shift.at * 7.0).sin() * 20.0;
        }
        assert_eq!(way(&walk, &stands(), expected), Way::Unseen);
        assert_eq!(way(&[], &stands(), expected), Way::Unseen);
    }
}
