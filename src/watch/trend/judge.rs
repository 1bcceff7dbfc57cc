//! Whether a window of points grows, or merely jumps and shakes.

use super::segments::{Division, divide};
use super::sen::{self, Slope, median};
use super::series::{Point, without_spikes};

/// What counts as growth in a window. Slopes are units an hour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// Slopes up to this are the day's rhythm.
    pub rhythm: f64,
    /// Growth below this is not told from this window.
    pub least: f64,
    /// Noise below this is taken for this much: a leak in pieces of twice this size is still a line.
    pub least_noise: f64,
    /// Fewer points are not judged.
    pub least_points: usize,
}

/// Standard deviations of the bounds.
const Z: f64 = 2.6;

/// Three jumps, evenly spaced, leave a quarter of the pairs; more leave too little to tell a slope.
const LEAST_SHARE: f64 = 0.2;

/// Evidence from which on a window is looked at closely.
const PROMISING: f64 = 5.0;

/// What a window says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    /// The line; none where nothing speaks for growth.
    pub slope: Option<Slope>,
    /// How much better growth explains the window than jumps alone: twice the log-likelihood ratio. Zero unless
    /// the slope itself is beyond doubt.
    pub evidence: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
}

/// Judges the points of a window. None while there are too few.
///
/// Two explanations compete: jumps of the level with no more slope than the day's rhythm, and jumps with a
/// common growth. Each may have as many jumps as it pays for. The evidence is what the second one explains
/// better, and counts only where the Theil-Sen line within the pieces between the jumps keeps its lower bound
/// above the rhythm. `usual` is the noise of earlier windows, which steadies the estimate of this one.
pub(super) fn judge(points: &[Point], measure: &Measure, usual: Option<f64>) -> Option<Judgement> {
    if points.len() < measure.least_points {
        return None;
    }
    let steady =
        |now: f64| usual.map_or(now, |usual| f64::midpoint(usual * usual, now * now).sqrt());
    if points.iter().all(|p| p.value == points[0].value) {
        // Most descriptors never change; a long log has many windows of them.
        return Some(Judgement {
            slope: None,
            evidence: 0.0,
            noise: steady(0.0).max(measure.least_noise),
        });
    }
    let mut points = points.to_vec();
    let mut sigma = steady(noise(&points)).max(measure.least_noise);
    without_spikes(&mut points, sigma);
    let hourly = hourly(&points);
    let flat = divide(&points, measure.rhythm, sigma);
    let promising = [1.0, 2.0]
        .map(|n| n * measure.least)
        .into_iter()
        .chain([hourly])
        .filter(|growth| *growth > measure.rhythm)
        .map(|growth| (growth, divide(&points, growth, sigma)))
        .filter(|(_, division)| flat.cost - division.cost > PROMISING)
        .min_by(|a, b| a.1.cost.total_cmp(&b.1.cost));
    let Some((growth, division)) = promising else {
        return Some(Judgement {
            slope: None,
            evidence: 0.0,
            noise: sigma,
        });
    };
    let (mut slope, mut division) = refine(&points, growth, division, sigma)?;
    // Noise that hangs together (a slow wave) looks like growth for a while; it counts for more.
    let settled = deviation(&points, &division, slope.median)
        .map_or(sigma, |d| {
            steady(f64::midpoint(sigma * sigma, d * d).sqrt())
        })
        .max(measure.least_noise)
        * coherence(&points, &division, slope.median);
    if (settled / sigma - 1.0).abs() > 0.02 {
        sigma = settled;
        (slope, division) = refine(
            &points,
            slope.median,
            divide(&points, slope.median, sigma),
            sigma,
        )?;
    }
    let flat = divide(&points, measure.rhythm, sigma);
    let sure = slope.median >= measure.least
        && slope.low > measure.rhythm
        && share(&points, &division) >= LEAST_SHARE
        && both_halves(&points, &division, measure.rhythm);
    let evidence = if sure { flat.cost - division.cost } else { 0.0 };
    Some(Judgement {
        slope: Some(slope),
        evidence,
        noise: sigma,
    })
}

/// The line through a window that does not leak, for people. None while there are too few points.
pub(super) fn line(points: &[Point], measure: &Measure) -> Option<Slope> {
    if points.len() < measure.least_points {
        return None;
    }
    let sigma = noise(points).max(measure.least_noise);
    sen::slope(divide(points, measure.rhythm, sigma).pieces(points), Z)
}

/// Part of all pairs of points that lie within one piece: what the slope rests on.
fn share(points: &[Point], division: &Division) -> f64 {
    let pairs = |n: usize| (n * n.saturating_sub(1)) as f64;
    let within: f64 = division.pieces(points).map(|p| pairs(p.len())).sum();
    within / pairs(points.len())
}

/// What goes on all the time grows faster than this in either half of the window.
pub(super) fn both_halves(points: &[Point], division: &Division, least: f64) -> bool {
    let middle = points[points.len() / 2].at;
    let grows = |first: bool| {
        let pieces = division.pieces(points).map(|piece| {
            let cut = piece.partition_point(|p| p.at < middle);
            if first { &piece[..cut] } else { &piece[cut..] }
        });
        sen::slope(pieces, 0.0).is_some_and(|s| s.median > least)
    };
    grows(true) && grows(false)
}

/// Slope and jumps depend on each other; three rounds settle them.
fn refine(
    points: &[Point],
    growth: f64,
    division: Division,
    sigma: f64,
) -> Option<(Slope, Division)> {
    let mut slope = sen::slope(division.pieces(points), Z)?;
    let mut best = division;
    let mut tried = growth;
    for _ in 0..3 {
        if (slope.median - tried).abs() < 0.01 * tried.abs() {
            break;
        }
        tried = slope.median;
        let next = divide(points, tried, sigma);
        if next.cost > best.cost {
            break;
        }
        let Some(found) = sen::slope(next.pieces(points), Z) else {
            break;
        };
        (slope, best) = (found, next);
    }
    Some((slope, best))
}

/// Standard deviation of the noise, from the differences of neighbours: of these the middle 77 % count, so that
/// jumps and spikes do not.
pub(super) fn noise(points: &[Point]) -> f64 {
    let mut steps: Vec<f64> = points.windows(2).map(|w| w[1].value - w[0].value).collect();
    steps.sort_by(f64::total_cmp);
    let cut = steps.len().div_ceil(9);
    let inner = &steps[cut..steps.len() - cut];
    let n = inner.len() as f64;
    let mean = inner.iter().sum::<f64>() / n;
    let variance = inner.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n;
    // 1.59: from the deviation of the inner part of a normal distribution to the whole one's.
    variance.sqrt() * 1.59 / std::f64::consts::SQRT_2
}

/// Median growth over a sixth of the window: a first guess that a jump or two do not spoil.
pub(super) fn hourly(points: &[Point]) -> f64 {
    let lag = (points.len() / 6).max(1);
    let mut slopes: Vec<f64> = points
        .iter()
        .zip(&points[lag..])
        .filter(|(a, b)| b.at > a.at)
        .map(|(a, b)| (b.value - a.value) / (b.at - a.at))
        .collect();
    median(&mut slopes).unwrap_or(0.0)
}

/// Standard deviation from the line within the pieces: a second opinion on the noise, which knows slow waves too.
pub(super) fn deviation(points: &[Point], division: &Division, growth: f64) -> Option<f64> {
    let free = points
        .len()
        .checked_sub(division.starts.len() + 1)
        .filter(|n| *n > 0)?;
    let squares: f64 = division
        .pieces(points)
        .map(|piece| {
            let level = |p: &Point| p.value - growth * (p.at - points[0].at);
            let middle = piece.iter().map(level).sum::<f64>() / piece.len() as f64;
            piece
                .iter()
                .map(|p| (level(p) - middle).powi(2))
                .sum::<f64>()
        })
        .sum();
    Some((squares / free as f64).sqrt())
}

/// By how much neighbouring deviations resemble each other, as a factor for sigma: 1 for none.
fn coherence(points: &[Point], division: &Division, growth: f64) -> f64 {
    let (mut products, mut squares) = (0.0, 0.0);
    for piece in division.pieces(points) {
        if piece.len() < 4 {
            continue;
        }
        let level = |p: &Point| p.value - growth * (p.at - points[0].at);
        let middle = piece.iter().map(level).sum::<f64>() / piece.len() as f64;
        let deviations: Vec<f64> = piece.iter().map(|p| level(p) - middle).collect();
        products += deviations.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
        squares += deviations.iter().map(|d| d * d).sum::<f64>();
    }
    if squares <= 0.0 {
        return 1.0;
    }
    // What white noise shows by chance is left alone.
    let rho = (products / squares - 0.1).clamp(0.0, 0.8);
    ((1.0 + rho) / (1.0 - rho)).sqrt()
}
