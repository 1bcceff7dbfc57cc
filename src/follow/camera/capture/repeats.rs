//! Whether a picture is a new one, or the one before once more.
//!
//! A driver, a program or a server that hangs may go on giving its last picture. A sensor never gives the same bytes twice:
//! its noise is in every picture. So a picture that is byte for byte the one before is the one before, taken when that was
//! taken; a face in it says nothing of now. Only encoded pictures are compared: a video codec repeats a scene that stands
//! still exactly, and so does a drawn one.

use crate::base::clock::Monotime;
use crate::follow::camera::{Frame, Picture};
use crate::follow::pose::Pose;

/// A mount that has moved by more degrees sees something else.
const STANDS: f64 = 0.25;
/// So many times longer than usual a picture is waited for at most that does not change while nothing moves.
const PATIENCE: u32 = 64;

/// The last picture that was new, and how it came again.
#[derive(Debug)]
pub struct Repeats {
    last: Vec<u8>,
    /// Where the mount stood when it came, or when that was known for the first time.
    pose: Option<Pose>,
    /// When it was taken, as far as the loop is concerned.
    taken: Monotime,
    /// Whether the mount has been elsewhere since, so that it cannot be what the camera sees.
    disproved: bool,
    /// Whether it is of one brightness all over, once somebody has asked.
    featureless: Option<bool>,
    patience: u32,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            last: Vec::new(),
            pose: None,
            taken: Monotime::default(),
            disproved: false,
            featureless: None,
            patience: 1,
        }
    }
}

impl Repeats {
    /// Whether the picture is the one before once more, with the mount at `pose` now. It then gets the time at which that
    /// was taken, unless the mount still stands there: the two cannot be told apart then, and need not be.
    pub fn judge(&mut self, frame: &mut Frame, pose: Option<Pose>) -> bool {
        let Picture::Jpeg(data) = &frame.picture else {
            self.last.clear();
            return false;
        };
        if data.is_empty() || *data != self.last {
            self.last.clear();
            self.last.extend_from_slice(data);
            (self.pose, self.taken) = (pose, frame.captured);
            (self.disproved, self.featureless, self.patience) = (false, None, 1);
            return false;
        }
        // Once it cannot be true, it stays so: the mount may come by there again.
        self.pose = self.pose.or(pose);
        let moved = self
            .pose
            .zip(pose)
            .map(|(before, now)| farthest(before, now));
        self.disproved |= moved.is_some_and(|moved| moved > STANDS);
        if self.disproved {
            frame.captured = self.taken.min(frame.captured);
        } else {
            self.taken = frame.captured;
        }
        true
    }

    /// Whether the picture shows nothing at all, by `look`: with the light off or the lens covered the noise of some
    /// cameras is gone, too, and such a picture misleads nobody.
    pub fn featureless(&mut self, look: impl FnOnce(&[u8]) -> bool) -> bool {
        *self.featureless.get_or_insert_with(|| look(&self.last))
    }

    /// So many times longer than usual it is waited for a new one.
    #[must_use]
    pub const fn patience(&self) -> u32 {
        if self.disproved { 1 } else { self.patience }
    }

    /// The camera is opened anew because of it. True where that may have been for nothing: as long as the mount stands, a
    /// scene without any noise (a drawn one, a screen) looks the same, and to open it again and again would only disturb.
    pub fn blamed(&mut self) -> bool {
        self.patience = (self.patience * 2).min(PATIENCE);
        !self.disproved
    }
}

/// By how many degrees the axis that differs most differs.
fn farthest(a: Pose, b: Pose) -> f64 {
    let apart = a.zip(b, |a, b| (a - b).abs());
    apart.pan.max(apart.tilt).max(apart.roll)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn pan(pan: f64) -> Option<Pose> {
        Some(Pose { pan, ..Pose::HOME })
    }

    fn jpeg(data: u8, captured: u64) -> Frame {
        Frame {
            number: 0,
            captured: at(captured),
            picture: Picture::Jpeg(vec![data; 10]),
        }
    }

    /// Whether it is a repeat, and the time it got.
    fn judge(repeats: &mut Repeats, data: u8, captured: u64, pose: f64) -> (bool, u64) {
        let mut frame = jpeg(data, captured);
        let again = repeats.judge(&mut frame, pan(pose));
        let ms = frame.captured.since_zero().as_millis();
        (again, u64::try_from(ms).unwrap())
    }

    #[test]
    fn a_repeat_is_as_old_as_the_last_moment_at_which_it_may_have_been_true() {
        let mut repeats = Repeats::default();
        assert_eq!(judge(&mut repeats, 1, 0, 0.0), (false, 0));
        assert_eq!(judge(&mut repeats, 1, 33, 0.1), (true, 33), "nothing moves");
        assert_eq!(judge(&mut repeats, 1, 66, 0.5), (true, 33));
        assert_eq!(judge(&mut repeats, 1, 99, 9.0), (true, 33));
        assert_eq!(judge(&mut repeats, 1, 110, 0.0), (true, 33), "back again");
        assert_eq!(judge(&mut repeats, 2, 132, 12.0), (false, 132));
        assert_eq!(judge(&mut repeats, 2, 165, 12.0), (true, 165));
    }

    #[test]
    fn without_servos_nothing_moves_and_one_that_comes_later_begins_where_it_stands() {
        let mut repeats = Repeats::default();
        for (captured, pose) in [
            (0, None),
            (33, None),
            (66, pan(20.0)),
            (99, None),
            (132, pan(20.1)),
        ] {
            let mut frame = jpeg(1, captured);
            repeats.judge(&mut frame, pose);
            assert_eq!(frame.captured, at(captured));
        }
        let mut frame = jpeg(1, 165);
        assert!(repeats.judge(&mut frame, pan(21.0)) && frame.captured == at(132));
    }

    #[test]
    fn pixels_are_not_compared() {
        let mut repeats = Repeats::default();
        for _ in 0..3 {
            let mut frame = jpeg(1, 5);
            frame.picture = Picture::Bgr {
                width: 1,
                height: 1,
                data: vec![0; 3],
            };
            assert!(!repeats.judge(&mut frame, None));
        }
    }

    #[test]
    fn patience_grows_only_while_nothing_disproves_it() {
        let mut repeats = Repeats::default();
        judge(&mut repeats, 1, 0, 0.0);
        for want in [1, 2, 4, 8, 16, 32, 64, 64] {
            judge(&mut repeats, 1, 10, 0.0);
            assert_eq!(repeats.patience(), want);
            assert!(repeats.blamed());
        }
        judge(&mut repeats, 1, 20, 3.0);
        assert_eq!(repeats.patience(), 1);
        assert!(!repeats.blamed());
        judge(&mut repeats, 2, 30, 3.0);
        judge(&mut repeats, 2, 40, 3.0);
        assert_eq!(repeats.patience(), 1, "another picture");
    }

    #[test]
    fn it_is_looked_at_once() {
        let mut repeats = Repeats::default();
        judge(&mut repeats, 7, 0, 0.0);
        assert!(repeats.featureless(|data| data == [7; 10]));
        assert!(repeats.featureless(|_| panic!("twice")));
        judge(&mut repeats, 8, 1, 0.0);
        assert!(!repeats.featureless(|_| false));
    }
}
