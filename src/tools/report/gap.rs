//! Silence: the old systems died without a word, and only the missing lines told.

/// A stretch without any line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Wall clock of the last line before.
    pub from: f64,
    /// Wall clock of the first line after.
    pub to: f64,
    /// Its end on the time axis (seconds).
    pub place: f64,
    /// How long it was.
    pub seconds: f64,
    /// Whether the program was started again after it.
    pub restart: bool,
}

/// So many are told, the longest ones.
pub const MOST: usize = 100;

/// Silence shorter than this is none at any interval: stamps are to the second, and a board may be busy.
const SHORTEST: f64 = 10.0;

/// A monitor of which nothing else is known writes every so many seconds.
const USUAL_INTERVAL: f64 = 300.0;

/// Collects the gaps of a log.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Of the present run, not judged yet.
    open: Vec<Gap>,
    found: Vec<Gap>,
    interval: Option<f64>,
    /// How many there were in all.
    pub count: u64,
}

impl Gaps {
    /// Nothing was written for a while. Whether that is a gap is seen at the end of the run, when the
    /// interval is known.
    pub fn silence(&mut self, gap: Gap) {
        if gap.seconds < SHORTEST {
            return;
        }
        self.open.push(gap);
        if self.open.len() > 4 * MOST {
            // The last one stays the last: a restart may follow it.
            let last = self.open.pop();
            longest(&mut self.open, MOST);
            self.open.extend(last);
        }
    }

    /// A program was started at this place of the axis.
    pub fn restart(&mut self, place: f64) {
        if let Some(last) = self.open.last_mut()
            && place - last.place <= 60.0
        {
            last.restart = true;
        }
    }

    /// A run with this interval (seconds) is over.
    pub fn end_of_run(&mut self, interval: Option<f64>) {
        self.interval = interval.or(self.interval);
        let limit = 3.0 * self.interval.unwrap_or(USUAL_INTERVAL);
        let told = self.open.drain(..).filter(|g| g.seconds > limit);
        let before = self.found.len();
        self.found.extend(told);
        self.count += (self.found.len() - before) as u64;
        if self.found.len() > 4 * MOST {
            longest(&mut self.found, MOST);
        }
    }

    /// Where the uptime shows that a stretch since this place was a jump of the clock, it was no silence.
    pub fn forget_since(&mut self, place: f64) {
        self.open.retain(|g| g.place <= place);
    }

    /// The longest ones in order of time.
    pub fn all(mut self) -> (Vec<Gap>, u64) {
        longest(&mut self.found, MOST);
        (self.found, self.count)
    }
}

fn longest(gaps: &mut Vec<Gap>, most: usize) {
    gaps.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    gaps.truncate(most);
    gaps.sort_by(|a, b| a.place.total_cmp(&b.place));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(place: f64, seconds: f64) -> Gap {
        Gap {
            from: place - seconds,
            to: place,
            place,
            seconds,
            restart: false,
        }
    }

    #[test]
    fn three_intervals_are_the_limit() {
        let mut gaps = Gaps::default();
        gaps.silence(gap(1000.0, 190.0));
        gaps.silence(gap(2000.0, 170.0));
        gaps.restart(2030.0);
        gaps.silence(gap(3000.0, 9.0));
        gaps.end_of_run(Some(60.0));
        gaps.silence(gap(4000.0, 185.0));
        gaps.restart(4010.0);
        gaps.end_of_run(None);
        let (found, count) = gaps.all();
        assert_eq!(count, 2);
        assert_eq!(found[0], gap(1000.0, 190.0));
        assert!(found[1].restart && found[1].seconds == 185.0);
    }

    #[test]
    fn the_longest_of_very_many_are_kept() {
        let mut gaps = Gaps::default();
        for i in 0..100_000_u32 {
            gaps.silence(gap(f64::from(i) * 1e5, 1000.0 + f64::from(i % 5000)));
        }
        gaps.end_of_run(Some(1.0));
        let (found, _) = gaps.all();
        assert_eq!(found.len(), MOST);
        assert!(found.iter().all(|g| g.seconds > 5000.0));
        assert!(found.windows(2).all(|w| w[0].place < w[1].place));
    }
}
