//! Level shifts: where a series that grows evenly jumps.

use super::series::Point;

/// The best division of a series into pieces of one level each, for a given growth.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Division {
    /// Squares of the deviations in units of the noise's variance, plus the price of the jumps. Half of a
    /// difference of two costs is a difference of log-likelihoods.
    pub cost: f64,
    /// Index of the first point of each piece; the first is 0.
    pub starts: Vec<usize>,
}

/// What a jump must at least explain, in squares of the noise. A smaller price finds jumps in mere noise, a
/// larger one takes a jump of three sigma for growth. (3 ln n for the 36 points of a window.)
const PRICE: f64 = 16.0;

/// Divides `points` so that `value - growth * time` is level within each piece (optimal partitioning,
/// Jackson et al. 2005). Quadratic in the number of points, of which there are tens.
pub(super) fn divide(points: &[Point], growth: f64, sigma: f64) -> Division {
    let n = points.len();
    let origin = points.first().map_or(
        Point {
            at: 0.0,
            value: 0.0,
        },
        |p| *p,
    );
    // Sums of the levelled values and of their squares, so that a piece's cost is a matter of three subtractions.
    let mut sums = Vec::with_capacity(n + 1);
    let mut sum = (0.0, 0.0);
    sums.push(sum);
    for p in points {
        let level = (p.value - origin.value - growth * (p.at - origin.at)) / sigma;
        sum = (sum.0 + level, sum.1 + level * level);
        sums.push(sum);
    }
    let mut best = vec![(-PRICE, 0usize); n + 1];
    for end in 1..=n {
        let (known, sums) = (&best[..end], &sums[..=end]);
        let (sum, squares) = sums[end];
        let mut least = (f64::INFINITY, 0);
        let mut start = 0;
        // Plain indices: this loop is run millions of times, in builds for development too.
        while start < end {
            let before = sums[start];
            let s = sum - before.0;
            let cost = known[start].0 + squares - before.1 - s * s / (end - start) as f64;
            if cost < least.0 {
                least = (cost, start);
            }
            start += 1;
        }
        best[end] = (least.0 + PRICE, least.1);
    }
    let mut starts = Vec::new();
    let mut end = n;
    while end > 0 {
        end = best[end].1;
        starts.push(end);
    }
    starts.reverse();
    Division {
        cost: best[n].0,
        starts,
    }
}

impl Division {
    /// The pieces.
    pub(super) fn pieces<'a>(&'a self, points: &'a [Point]) -> impl Iterator<Item = &'a [Point]> {
        let ends = self.starts.iter().skip(1).copied();
        self.starts
            .iter()
            .zip(ends.chain([points.len()]))
            .map(|(start, end)| &points[*start..end])
    }
}
