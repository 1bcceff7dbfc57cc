//! Delay and field of view from how the picture has shifted while the mount moved: pure reckoning.
//!
//! A camera that looks at `pose(t - delay)` shows its picture shifted by so many pixels for each degree. Of all delays that
//! there may be the one is taken at which a straight line through shifts and poses leaves least over; its slope is the focal
//! length.

use crate::base::parabola::extremum;
use crate::config::Lens;

/// Candidates for the delay: from 0, in steps of so many seconds, so many.
const STEP: f64 = 0.01;
const CANDIDATES: usize = 101;
/// Fewer pictures tell nothing.
const LEAST: usize = 16;
/// So far the mount has to have moved, root of the mean square, in degrees.
const MOVED: f64 = 0.5;
/// What is left over is at most this part of what the movement explains.
const LEFT: f64 = 0.2;
/// Pictures that are off by so many times the median are left out, and no more than this part of all.
const ODD: f64 = 4.0;
const MOST_ODD: f64 = 0.3;
/// An error below this is noise, in pixels.
const NOISE: f64 = 0.1;
/// For the uncertainty the whole is cut into so many parts, each of which is left out once.
const PARTS: usize = 8;
/// No result is better than this: the report of a servo is so old, the lens is so far from what it should be.
const DELAY_FLOOR: f64 = 0.003;
const FOCAL_FLOOR: f64 = 0.01;
/// Beyond this no lens of the kind reaches, in degrees.
const WIDEST: f64 = 170.0;
const NARROWEST: f64 = 5.0;

/// How one picture lies over the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The picture's time stamp, in seconds.
    pub at: f64,
    /// By how many pixels what is seen has moved to the right and down.
    pub pixels: [f64; 2],
}

/// Where the axis that moves was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stand {
    /// In seconds.
    pub at: f64,
    /// In degrees.
    pub angle: f64,
}

/// A figure with twice its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The figure.
    pub value: f64,
    /// Give or take.
    pub within: f64,
}

impl Measured {
    /// Whether a configured value may well be the measured one. Two parts in a hundred do not matter to the loop.
    #[must_use]
    pub fn covers(&self, configured: f64) -> bool {
        (self.value - configured).abs() <= self.within.max(0.02 * configured)
    }
}

/// What the pictures tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// By how much pictures are later than their time stamps, in seconds.
    pub delay: Measured,
    /// Horizontal field of view in degrees.
    pub fov: Measured,
}

/// Why they tell nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    /// There are too few of them.
    FewPictures,
    /// The mount has hardly moved.
    HardlyMoved,
    /// What they show does not move with the mount.
    NoAnswer,
    /// It moves the other way.
    WrongWay,
    /// They are later than anything that is tried.
    TooLate,
    /// There is no such lens.
    NoLens,
}

/// Reckons from shifts of pictures `width` pixels wide, and where the mount stood meanwhile.
///
/// # Errors
/// The pictures do not tell it.
pub fn fit(shifts: &[Shift], stands: &[Stand], width: f64, lens: Lens) -> Result<Found, Unclear> {
    let mut used = shifts.to_vec();
    let mut best = line(&used, stands)?;
    // Somebody walks through, a shadow falls: those pictures are left out, if they are few.
    for _ in 0..3 {
        let limit = ODD * best.median(&used, stands).max(NOISE);
        used.retain(|s| best.off(*s, stands) <= limit);
        if (used.len() as f64) < shifts.len() as f64 * (1.0 - MOST_ODD) {
            return Err(Unclear::NoAnswer);
        }
        best = line(&used, stands)?;
    }
    best.check()?;
    // The mount turns right, so what is seen moves left.
    if best.slope[0] > 0.0 {
        return Err(Unclear::WrongWay);
    }
    let focal = |line: &Line| line.slope[0].hypot(line.slope[1]).to_degrees();
    let without = |part: usize| {
        let length = used.len().div_ceil(PARTS);
        let rest: Vec<Shift> = used
            .iter()
            .enumerate()
            .filter(|(i, _)| i / length != part)
            .map(|(_, s)| *s)
            .collect();
        line(&rest, stands)
    };
    let parts = (0..PARTS).map(without).collect::<Result<Vec<_>, _>>()?;
    // Jackknife: the parts are as different as their number makes them alike.
    let spread = |of: &dyn Fn(&Line) -> f64, whole: f64| {
        let sum: f64 = parts.iter().map(|p| (of(p) - whole).powi(2)).sum();
        2.0 * (sum * (PARTS - 1) as f64 / PARTS as f64).sqrt()
    };
    let delay = Measured {
        value: best.delay,
        within: spread(&|l| l.delay, best.delay) + DELAY_FLOOR,
    };
    let whole = focal(&best);
    let off = spread(&focal, whole) + FOCAL_FLOOR * whole;
    let view = |focal: f64| match lens {
        Lens::Rectilinear => 2.0 * (width / 2.0 / focal).atan().to_degrees(),
        Lens::Fisheye => (width / focal).to_degrees(),
    };
    let fov = Measured {
        value: view(whole),
        within: (view(whole - off) - view(whole + off)).abs() / 2.0,
    };
    if !(NARROWEST..=WIDEST).contains(&fov.value) {
        return Err(Unclear::NoLens);
    }
    Ok(Found { delay, fov })
}

/// The straight line through shifts and poses.
#[derive(Debug, Clone, Copy)]
struct Line {
    delay: f64,
    /// Pixels for a degree.
    slope: [f64; 2],
    offset: [f64; 2],
    /// Sums of squared pixels: what is left over, and what the movement explains.
    left: f64,
    explained: f64,
    last: bool,
}

impl Line {
    fn off(&self, shift: Shift, stands: &[Stand]) -> f64 {
        let pan = pan_at(stands, shift.at - self.delay);
        let part = |i: usize| shift.pixels[i] - self.offset[i] - self.slope[i] * pan;
        part(0).hypot(part(1))
    }

    fn median(&self, shifts: &[Shift], stands: &[Stand]) -> f64 {
        let mut off: Vec<f64> = shifts.iter().map(|s| self.off(*s, stands)).collect();
        off.sort_by(f64::total_cmp);
        off.get(off.len() / 2).copied().unwrap_or(0.0)
    }

    fn check(&self) -> Result<(), Unclear> {
        if self.explained <= 0.0 || self.left > LEFT * LEFT * self.explained {
            return Err(Unclear::NoAnswer);
        }
        if self.last {
            return Err(Unclear::TooLate);
        }
        Ok(())
    }
}

fn line(shifts: &[Shift], stands: &[Stand]) -> Result<Line, Unclear> {
    if shifts.len() < LEAST || stands.is_empty() {
        return Err(Unclear::FewPictures);
    }
    let lines: Vec<Line> = (0..CANDIDATES)
        .filter_map(|i| at_delay(shifts, stands, i as f64 * STEP))
        .collect();
    let best = lines
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.left.total_cmp(&b.1.left))
        .ok_or(Unclear::HardlyMoved)?;
    let (i, line) = best;
    let around = i
        .checked_sub(1)
        .and_then(|b| Some((lines[b], *lines.get(i + 1)?)));
    let part = around.map_or(0.0, |(before, after)| {
        extremum(before.left, line.left, after.left)
    });
    Ok(Line {
        delay: (line.delay + part * STEP).max(0.0),
        last: line.delay >= (CANDIDATES - 1) as f64 * STEP - 1e-9,
        ..*line
    })
}

/// None where the mount has hardly moved.
fn at_delay(shifts: &[Shift], stands: &[Stand], delay: f64) -> Option<Line> {
    let n = shifts.len() as f64;
    let pans: Vec<f64> = shifts
        .iter()
        .map(|s| pan_at(stands, s.at - delay))
        .collect();
    let middle = pans.iter().sum::<f64>() / n;
    let moved: f64 = pans.iter().map(|p| (p - middle).powi(2)).sum();
    if (moved / n).sqrt() < MOVED {
        return None;
    }
    let mut line = Line {
        delay,
        slope: [0.0; 2],
        offset: [0.0; 2],
        left: 0.0,
        explained: 0.0,
        last: false,
    };
    for i in 0..2 {
        let mean = shifts.iter().map(|s| s.pixels[i]).sum::<f64>() / n;
        let both: f64 = shifts
            .iter()
            .zip(&pans)
            .map(|(s, p)| (s.pixels[i] - mean) * (p - middle))
            .sum();
        let all: f64 = shifts.iter().map(|s| (s.pixels[i] - mean).powi(2)).sum();
        line.slope[i] = both / moved;
        line.offset[i] = mean - line.slope[i] * middle;
        line.explained += both * both / moved;
        line.left += (all - both * both / moved).max(0.0);
    }
    Some(line)
}

/// Where the axis was, between two reports by interpolation.
fn pan_at(stands: &[Stand], at: f64) -> f64 {
    let after = stands.partition_point(|s| s.at <= at);
    match (after.checked_sub(1).map(|i| stands[i]), stands.get(after)) {
        (Some(a), Some(b)) => {
            let part = (at - a.at) / (b.at - a.at).max(1e-9);
            a.angle + (b.angle - a.angle) * part.clamp(0.0, 1.0)
        }
        (Some(one), None) => one.angle,
        (None, Some(one)) => one.angle,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There and back between -3 and 3 degrees, with pauses that differ.
    fn pan(t: f64) -> f64 {
        let stations = [
            (0.7, 0.0),
            (1.0, 3.0),
            (1.8, 3.0),
            (2.3, -3.0),
            (3.0, -3.0),
            (3.5, 3.0),
            (4.5, 3.0),
            (4.8, 0.0),
        ];
        let next = stations.partition_point(|s| s.0 <= t);
        match (next.checked_sub(1).map(|i| stations[i]), stations.get(next)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (t - a.0) / (b.0 - a.0),
            (Some(one), None) => one.1,
            _ => 0.0,
        }
    }

    fn stands() -> Vec<Stand> {
        let at = |i: u32| f64::from(i) * 0.02;
        (0..300)
            .map(|i| Stand {
                at: at(i),
                angle: pan(at(i)),
            })
            .collect()
    }

    fn shifts(rate: f64, delay: f64, fov: f64, noise: f64) -> Vec<Shift> {
        let focal = 160.0 / (fov / 2.0_f64).to_radians().tan();
        let mut random = fastrand::Rng::with_seed(3);
        (0..(5.9 * rate) as u32)
            .map(|i| {
                let at = f64::from(i) / rate + 0.013;
                let mut shake = || (random.f64() - 0.5) * 2.0 * noise;
                Shift {
                    at,
                    pixels: [
                        -focal * pan(at - delay).to_radians().tan() + shake(),
                        2.0 + shake(),
                    ],
                }
            })
            .collect()
    }

    #[test]
    fn delay_and_field_of_view_are_found_within_what_is_said_of_them() {
        for rate in [5.0, 10.0, 30.0] {
            for delay in [0.0, 0.08, 0.3, 0.6] {
                for fov in [40.0, 65.0, 100.0] {
                    let seen = shifts(rate, delay, fov, 0.2);
                    let found = fit(&seen, &stands(), 320.0, Lens::Rectilinear).unwrap();
                    let case = format!("{rate}/s, {delay} s, {fov} degrees: {found:?}");
                    assert!(
                        (found.delay.value - delay).abs() <= found.delay.within,
                        "{case}"
                    );
                    assert!((found.fov.value - fov).abs() <= found.fov.within, "{case}");
                    assert!(found.delay.within < 0.05, "{case}");
                    assert!(found.fov.within < 5.0, "{case}");
                }
            }
        }
    }

    #[test]
    fn a_few_pictures_with_something_else_in_them_do_not_matter_and_many_do() {
        let mut seen = shifts(30.0, 0.15, 65.0, 0.1);
        for shift in &mut seen[40..60] {
            shift.pixels[0] += 15.0;
        }
        let found = fit(&seen, &stands(), 320.0, Lens::Rectilinear).unwrap();
        assert!((found.delay.value - 0.15).abs() < 0.01, "{found:?}");
        let mut random = fastrand::Rng::with_seed(9);
        for shift in &mut seen {
            shift.pixels = [random.f64() * 30.0, random.f64() * 30.0];
        }
        let nothing = fit(&seen, &stands(), 320.0, Lens::Rectilinear);
        assert_eq!(nothing, Err(Unclear::NoAnswer));
    }

    #[test]
    fn what_keeps_it_from_telling_is_told() {
        let of = |seen: &[Shift], stands: &[Stand]| {
            fit(seen, stands, 320.0, Lens::Rectilinear).unwrap_err()
        };
        let seen = shifts(30.0, 0.1, 65.0, 0.1);
        assert_eq!(of(&seen[..5], &stands()), Unclear::FewPictures);
        let still: Vec<Stand> = stands()
            .iter()
            .map(|s| Stand { angle: 1.0, ..*s })
            .collect();
        assert_eq!(of(&seen, &still), Unclear::HardlyMoved);
        let back: Vec<Stand> = stands()
            .iter()
            .map(|s| Stand {
                angle: -s.angle,
                ..*s
            })
            .collect();
        assert_eq!(of(&seen, &back), Unclear::WrongWay);
        let blank: Vec<Shift> = seen
            .iter()
            .map(|s| Shift {
                pixels: [0.0; 2],
                ..*s
            })
            .collect();
        assert_eq!(of(&blank, &stands()), Unclear::NoAnswer);
    }
}
