//! Theil-Sen: the median of the slopes of all pairs. A third of the points may lie anywhere.

/// Slope in units of value per unit of time over the pairs that lie between the same two jumps; none
/// without such a pair. `jumps` holds the index of the first point behind each.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)], jumps: &[usize]) -> Option<f64> {
    let mut slopes = Vec::new();
    let mut from = 0;
    for to in jumps.iter().copied().chain([points.len()]) {
        let level = &points[from..to];
        for (i, a) in level.iter().enumerate() {
            for b in &level[i + 1..] {
                if b.0 > a.0 {
                    slopes.push((b.1 - a.1) / (b.0 - a.0));
                }
            }
        }
        from = to;
    }
    median(&mut slopes)
}

/// The median; the order of the values is lost.
pub fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let upper = *values.select_nth_unstable_by(middle, f64::total_cmp).1;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values[..middle]
        .iter()
        .copied()
        .max_by(f64::total_cmp)
        .unwrap_or(upper);
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_and_jumps_do_not_bend_it() {
        let mut points: Vec<_> = (0..60)
            .map(|i| (f64::from(i), 2.0 * f64::from(i)))
            .collect();
        for i in (0..60).step_by(5) {
            points[i].1 = 1e6;
        }
        assert_eq!(theil_sen(&points, &[]), Some(2.0));
        let stepped: Vec<_> = (0..60)
            .map(|i| (f64::from(i), if i < 30 { 0.0 } else { 100.0 }))
            .collect();
        assert_eq!(theil_sen(&stepped, &[30]), Some(0.0));
        assert_eq!(theil_sen(&[(0.0, 1.0)], &[]), None);
        assert_eq!(
            theil_sen(&[(0.0, 1.0), (0.0, 2.0)], &[]),
            None,
            "no time passed"
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
