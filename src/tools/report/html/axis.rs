//! Where a plot has its ticks.

use crate::tools::report::stamp;

/// At most so many steps of an axis of values.
const VALUE_STEPS: f64 = 4.0;
/// At most so many steps of an axis of time.
const TIME_STEPS: f64 = 8.0;

/// Steps of time that people count in (seconds).
const TIMES: [f64; 22] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
    31_536_000.0,
];

/// Bounds that hold both values, on round numbers, and the ticks between them.
#[must_use]
pub fn values(min: f64, max: f64) -> (f64, f64, Vec<f64>) {
    // Single readings of an absurd size must not turn a step into infinity.
    let (min, max) = (min.clamp(-1e200, 1e200), max.clamp(-1e200, 1e200));
    // A flat line lies in the middle, not on an edge; noise of nothing is not blown up.
    let room = (max.abs().max(min.abs()) * 0.02).max(0.5);
    let (min, max) = if max - min < room {
        let middle = f64::midpoint(min, max);
        (middle - room / 2.0, middle + room / 2.0)
    } else {
        (min, max)
    };
    let rough = (max - min) / VALUE_STEPS;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|m| m * magnitude)
        .find(|s| *s >= rough)
        .unwrap_or(10.0 * magnitude);
    let (low, high) = ((min / step).floor(), (max / step).ceil());
    let ticks = (0..=8)
        .map(|i| low + f64::from(i))
        .take_while(|i| *i <= high);
    (low * step, high * step, ticks.map(|i| i * step).collect())
}

/// Ticks of an axis of time with their labels, on round times of the wall clock.
#[must_use]
pub fn times(from: f64, to: f64) -> Vec<(f64, String)> {
    let rough = (to - from) / TIME_STEPS;
    let last = TIMES[TIMES.len() - 1];
    let step = TIMES
        .iter()
        .copied()
        .find(|s| *s >= rough)
        .unwrap_or_else(|| (rough / last).ceil() * last);
    let format = match step {
        s if s < 60.0 => "%H:%M:%S",
        s if s < 86_400.0 && to - from < 86_400.0 => "%H:%M",
        s if s < 86_400.0 => "%m-%d %H:%M",
        _ => "%Y-%m-%d",
    };
    let first = (from / step).ceil() * step;
    (0..=10)
        .map(|i| first + f64::from(i) * step)
        .take_while(|t| *t <= to)
        .map(|t| (t, stamp::strftime(t, format)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let (low, high, ticks) = values(147.0, 168.3);
        assert_eq!((low, high), (140.0, 170.0));
        assert_eq!(ticks, [140.0, 150.0, 160.0, 170.0]);
        let (low, high, ticks) = values(23.0, 23.0);
        assert!(low < 23.0 && high > 23.0 && ticks.len() >= 2, "{ticks:?}");
        for (min, max) in [(0.0, 0.0), (-1e300, 1e300), (1e-9, 2e-9), (1e15, 1e15)] {
            let (low, high, ticks) = values(min, max);
            assert!(
                low < high && low.is_finite() && high.is_finite() && ticks.len() <= 9,
                "{min} {max}"
            );
        }
    }

    #[test]
    fn times_lie_on_the_hour() {
        let day = 1_800_000_000.0;
        let ticks = times(day, day + 86_400.0);
        assert!((5..=9).contains(&ticks.len()), "{ticks:?}");
        assert!(
            ticks.iter().all(|(_, label)| label.ends_with(":00")),
            "{ticks:?}"
        );
        assert!(times(day, day + 20.0).iter().all(|t| t.1.len() == 8));
        assert!(times(0.0, 1e12).len() <= 11);
        assert_eq!(times(day, day).len(), 1);
    }
}
