//! Between samples: where a curve that was sampled at even steps has its lowest or highest point.

/// The lowest or highest point of the parabola through three neighbours, of which the `middle` one is the lowest or the
/// highest: in steps from that, at most half of one to either side. 0 where they do not bend.
#[must_use]
pub fn extremum(before: f64, middle: f64, after: f64) -> f64 {
    let bend = before - 2.0 * middle + after;
    if bend.abs() > 0.0 {
        ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::extremum;

    #[test]
    fn the_point_of_a_parabola_is_found_from_either_side() {
        for place in [-0.5, -0.2, 0.0, 0.4] {
            for bend in [3.0, -0.5] {
                let curve = |x: f64| 7.0 + bend * (x - place) * (x - place);
                let found = extremum(curve(-1.0), curve(0.0), curve(1.0));
                assert!((found - place).abs() < 1e-9, "{found} {place}");
            }
        }
        assert_eq!(extremum(1.0, 1.0, 1.0), 0.0);
        assert_eq!(extremum(f64::NAN, 1.0, 1.0), 0.0);
        assert_eq!(extremum(0.0, 0.0, 9.0), -0.5, "no farther");
    }
}
