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
