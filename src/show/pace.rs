//! How often a picture is drawn: never so often that it costs much.

use std::time::Duration;

use crate::base::clock::Monotime;

/// Time between two pictures at least.
const FASTEST: Duration = Duration::from_millis(80);
/// Drawing may take this part of a processor.
const SHARE: u32 = 20;
/// What nobody would call a live picture any more; a single slow drawing must not freeze the window.
const SLOWEST: Duration = Duration::from_secs(5);

/// When the next picture may be drawn.
#[derive(Debug, Default)]
pub(super) struct Pace(Monotime);

impl Pace {
    /// How long that is to be waited for.
    pub fn wait(&self, now: Monotime) -> Duration {
        self.0.since(now)
    }

    /// A picture has been drawn from `begun` on, which took so much of a processor.
    pub fn drawn(&mut self, begun: Monotime, cost: Duration) {
        self.0 = begun + (cost * SHARE).clamp(FASTEST, SLOWEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws for ten minutes on a machine where a picture costs so much; pictures and the part of a processor.
    fn drawing(cost: Duration) -> (u32, f64) {
        let (mut pace, mut now, mut pictures) = (Pace::default(), Monotime::default(), 0);
        while now.since_zero() < Duration::from_secs(600) {
            now = now + pace.wait(now);
            pace.drawn(now, cost);
            now = now + cost;
            pictures += 1;
        }
        (
            pictures,
            (cost * pictures).as_secs_f64() / now.since_zero().as_secs_f64(),
        )
    }

    #[test]
    fn drawing_never_takes_more_than_its_share() {
        for ms in [0, 1, 4, 10, 60, 200] {
            let (pictures, part) = drawing(Duration::from_millis(ms));
            assert!(part <= 0.0505, "{ms} ms: {part}");
            assert!(pictures <= 7501, "{ms} ms: {pictures} in ten minutes");
        }
        let (pictures, _) = drawing(Duration::from_millis(2));
        assert!(
            pictures >= 7499,
            "a fast machine draws as often as is wanted"
        );
    }
}
