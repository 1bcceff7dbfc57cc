//! Chance that can be had again.

use fastrand::Rng;

/// A source of its own for each purpose of a run, so that what one law sees or does not see changes nothing of what
/// the next one meets.
pub(super) fn source(seed: u64, scenario: &str, delay_ms: u32, purpose: &str) -> Rng {
    let mut mixed = Rng::with_seed(seed).u64(..);
    let numbers = delay_ms.to_le_bytes();
    for byte in scenario.bytes().chain(purpose.bytes()).chain(numbers) {
        // FNV-1a.
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    Rng::with_seed(mixed)
}

/// A draw from the normal distribution with mean 0 and standard deviation 1, by Box and Muller.
pub(super) fn normal(rng: &mut Rng) -> f64 {
    // Not 0, whose logarithm there is none of.
    let (u, v) = (1.0 - rng.f64(), rng.f64());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_mean_and_the_deviation_that_it_says() {
        let mut rng = source(1, "still", 0, "noise");
        let drawn: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = drawn.iter().sum::<f64>() / 20_000.0;
        let square = drawn.iter().map(|n| n * n).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (square - 1.0).abs() < 0.05,
            "{mean} {square}"
        );
    }

    #[test]
    fn every_purpose_and_every_run_has_its_own() {
        let first = |seed, scenario, delay, purpose| source(seed, scenario, delay, purpose).u64(..);
        let base = first(1, "still", 0, "noise");
        assert_eq!(base, first(1, "still", 0, "noise"));
        for other in [
            first(2, "still", 0, "noise"),
            first(1, "step", 0, "noise"),
            first(1, "still", 50, "noise"),
            first(1, "still", 0, "drops"),
        ] {
            assert_ne!(base, other);
        }
    }
}
