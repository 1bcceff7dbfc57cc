//! What may be a face and is not quite believed: it has to be seen twice.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

/// The second time has to come within this.
const WITHIN: Duration = Duration::from_millis(500);
/// And overlap by so much.
const OVERLAP: f32 = 0.3;
/// More than these are noise.
const MOST: usize = 16;

/// Faces that were seen once.
#[derive(Debug, Default)]
pub struct Candidates {
    waiting: Vec<(Monotime, Face)>,
    /// What a look at a candidate of its own shows; here so that its memory is used again.
    pub looked: Vec<Face>,
}

impl Candidates {
    /// A face was seen, and waits for the second time.
    pub fn add(&mut self, now: Monotime, face: Face) {
        self.waiting.retain(|(then, _)| now.since(*then) <= WITHIN);
        if self.waiting.len() < MOST {
            self.waiting.push((now, face));
        }
    }

    /// Whether it was seen there in an earlier picture.
    #[must_use]
    pub fn seen_before(&self, now: Monotime, face: &Face) -> bool {
        self.waiting.iter().any(|(then, waiting)| {
            *then < now && now.since(*then) <= WITHIN && waiting.overlap(face) > OVERLAP
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::Point;

    #[test]
    fn the_second_time_counts_if_it_comes_soon_and_there() {
        let at = |ms| Monotime::from_zero(Duration::from_millis(ms));
        let face = |x| Face {
            x,
            y: 0.0,
            w: 50.0,
            h: 60.0,
            left_eye: Point::default(),
            right_eye: Point::default(),
            score: 0.7,
        };
        let mut candidates = Candidates::default();
        candidates.add(at(100), face(10.0));
        assert!(
            !candidates.seen_before(at(100), &face(10.0)),
            "the same picture"
        );
        assert!(candidates.seen_before(at(133), &face(15.0)));
        assert!(!candidates.seen_before(at(133), &face(90.0)));
        assert!(!candidates.seen_before(at(700), &face(10.0)));
        (0..100).for_each(|_| candidates.add(at(700), face(10.0)));
        assert_eq!(candidates.waiting.len(), MOST);
    }
}
