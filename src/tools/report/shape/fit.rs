//! Levels, jumps between them and a slope common to all of them, fitted to a series.

/// A fit is a set of jumps; the slope, if there is one, is the same on every level.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    /// Index of the first point of each new level, ascending.
    pub jumps: Vec<usize>,
    /// Whether a slope was allowed.
    pub slope: bool,
    /// Mean square of what the fit does not explain.
    pub variance: f64,
}

/// Sums over the points up to each index, from which the fit of any stretch follows at once.
pub(super) struct Sums(Vec<[f64; 5]>);

impl Sums {
    /// The points must have been shifted to the neighbourhood of zero, or digits are lost.
    pub fn new(points: &[(f64, f64)]) -> Self {
        let mut sums = vec![[0.0; 5]];
        let mut now = [0.0; 5];
        for (t, v) in points {
            for (sum, add) in now.iter_mut().zip([*t, *v, t * t, t * v, v * v]) {
                *sum += add;
            }
            sums.push(now);
        }
        Self(sums)
    }

    fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Of one stretch about its own mean: squares of time, products, squares of value.
    fn stretch(&self, from: usize, to: usize) -> [f64; 3] {
        let n = (to - from) as f64;
        let [t, v, tt, tv, vv] = std::array::from_fn(|i| self.0[to][i] - self.0[from][i]);
        [tt - t * t / n, tv - t * v / n, vv - v * v / n]
    }

    /// Square sum that levels between these bounds leave.
    fn rest(&self, jumps: &[usize], slope: bool) -> f64 {
        let mut sum = [0.0; 3];
        let mut from = 0;
        for to in jumps.iter().copied().chain([self.len()]) {
            for (sum, part) in sum.iter_mut().zip(self.stretch(from, to)) {
                *sum += part;
            }
            from = to;
        }
        let [tt, tv, vv] = sum;
        let explained = if slope && tt > 0.0 { tv * tv / tt } else { 0.0 };
        (vv - explained).max(0.0)
    }

    /// The best fits with 0, 1, 2 ... `most` jumps, each found by adding the best jump to the one before.
    /// A level has at least `shortest` points.
    pub fn fits(&self, slope: bool, most: usize, shortest: usize) -> Vec<Fit> {
        let n = self.len();
        let fit = |jumps: Vec<usize>| Fit {
            variance: self.rest(&jumps, slope) / n as f64,
            jumps,
            slope,
        };
        let mut fits = vec![fit(Vec::new())];
        while fits.len() <= most {
            let before = fits.last().map(|f| f.jumps.clone()).unwrap_or_default();
            let allowed = |at: usize| {
                at >= shortest
                    && at + shortest <= n
                    && before.iter().all(|j| j.abs_diff(at) >= shortest)
            };
            let best = (0..n)
                .filter(|at| allowed(*at))
                .map(|at| {
                    let mut jumps = before.clone();
                    jumps.push(at);
                    jumps.sort_unstable();
                    fit(jumps)
                })
                .min_by(|a, b| a.variance.total_cmp(&b.variance));
            match best {
                Some(best) => fits.push(best),
                None => break,
            }
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jumps_are_found_where_they_are() {
        let points: Vec<_> = (0..100)
            .map(|i| {
                let level = [0.0, 5.0, 3.0][usize::from(i >= 30) + usize::from(i >= 70)];
                (f64::from(i), level + 0.5 * f64::from(i))
            })
            .collect();
        let fits = Sums::new(&points).fits(true, 3, 3);
        assert_eq!(fits[2].jumps, [30, 70]);
        assert!(fits[2].variance < 1e-9 && fits[1].variance > 0.01);
        let level = Sums::new(&points).fits(false, 0, 3);
        assert!(level[0].variance > 100.0);
    }
}
