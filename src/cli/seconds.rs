//! Lengths of time on the command line.

/// The longest run that can be asked for: a hundred years.
const LONGEST_SECONDS: f64 = 3.2e9;

/// Reads a length of time in seconds, as options have it.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if n > 0.0 && n <= LONGEST_SECONDS => Ok(n),
        _ => Err("give a number of seconds above 0, such as 20 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_positive_numbers() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for bad in ["0", "-1", "NaN", "inf", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
