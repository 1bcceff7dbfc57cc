//! The Theil-Sen line: the median of the slopes of all pairs of points.

use super::series::Point;

/// A slope with its bounds, in units an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// The common slope of several pieces: the median over all pairs that lie within one piece, and the bounds of
/// its confidence interval of `z` standard deviations after Sen (1968), with the variance of Kendall's sum
/// added up over the pieces as Hirsch does for seasons (1982). None without a pair.
pub(super) fn slope<'a>(pieces: impl Iterator<Item = &'a [Point]>, z: f64) -> Option<Slope> {
    let mut slopes = Vec::new();
    let mut variance = 0.0;
    for piece in pieces {
        for (i, a) in piece.iter().enumerate() {
            let later = piece[i + 1..].iter().filter(|b| b.at > a.at);
            slopes.extend(later.map(|b| (b.value - a.value) / (b.at - a.at)));
        }
        let n = piece.len() as f64;
        variance += n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    }
    if slopes.is_empty() {
        return None;
    }
    let count = slopes.len() as f64;
    let reach = z * variance.sqrt();
    let mut at = |rank: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the indices
        let index = rank.clamp(0.0, count - 1.0) as usize;
        *slopes.select_nth_unstable_by(index, f64::total_cmp).1
    };
    Some(Slope {
        median: at((count - 1.0) / 2.0),
        low: at((count - reach) / 2.0 - 1.0),
        high: at((count + reach) / 2.0),
    })
}

/// The slope an hour through a series without regard to jumps; none without two points.
#[must_use]
pub fn theil_sen(points: &[Point]) -> Option<f64> {
    slope([points].into_iter(), 0.0).map(|s| s.median)
}

/// The median; the order of the values is lost.
pub fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    let lower = below
        .iter()
        .copied()
        .max_by(f64::total_cmp)
        .filter(|_| even);
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(value: impl Fn(u32) -> f64) -> Vec<Point> {
        let point = |i| Point {
            at: f64::from(i),
            value: value(i),
        };
        (0..60).map(point).collect()
    }

    fn middle(pieces: &[&[Point]]) -> Option<f64> {
        slope(pieces.iter().copied(), 0.0).map(|s| s.median)
    }

    #[test]
    fn outliers_and_jumps_do_not_bend_it() {
        let line = points(|i| if i % 5 == 0 { 1e6 } else { 2.0 * f64::from(i) });
        assert_eq!(middle(&[&line]), Some(2.0));
        let stepped = points(|i| if i < 30 { 0.0 } else { 100.0 });
        let (before, behind) = stepped.split_at(30);
        assert_eq!(middle(&[before, behind]), Some(0.0));
        assert_eq!(middle(&[&line[..1]]), None);
        assert_eq!(middle(&[&[line[0]; 2]]), None, "no time passed");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
