//! Whether a picture is a new one, or the one before once more.
//!
//! A driver, a program or a server that hangs may go on giving its last picture. A sensor never gives the same bytes twice:
//! its noise is in every picture. So a picture that is byte for byte the one before is the one before, taken when that was
//! taken; a face in it says nothing of now. Only pictures as a camera gives them are compared, encoded or raw: a video codec
//! repeats a scene that stands still exactly, and so does a drawn one.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::camera::{Frame, Picture};
use crate::follow::pose::Pose;

/// A mount that has moved by more degrees sees something else.
const STANDS: f64 = 0.25;
/// So many times longer than usual a picture is waited for at most that does not change while nothing moves.
const PATIENCE: u32 = 64;

/// For so long after a new picture it gets clearer from where it was taken.
const YOUNG: Duration = Duration::from_millis(200);

/// Least and greatest angles from where a picture may have been taken.
type Views = (Pose, Pose);

/// What is kept of a picture to know it again.
#[derive(Debug, Default)]
enum Kept {
    /// There was none, or one that is not compared.
    #[default]
    Nothing,
    /// All of it.
    Jpeg(Vec<u8>),
    /// Its fingerprint: to copy it would cost more than to look at it.
    Raw(u64),
}

impl Kept {
    /// Whether this is the picture that is kept; if not, it is from now on. None for one that is not compared.
    fn again(&mut self, picture: &Picture) -> Option<bool> {
        match (picture, &mut *self) {
            (Picture::Bgr { .. }, kept) => {
                *kept = Self::Nothing;
                return None;
            }
            (Picture::Jpeg(data), Self::Jpeg(last)) => {
                if !data.is_empty() && data == last {
                    return Some(true);
                }
                last.clear();
                last.extend_from_slice(data);
            }
            (Picture::Jpeg(data), kept) => *kept = Self::Jpeg(data.clone()),
            (Picture::Raw(raw), kept) => {
                let new = raw.fingerprint();
                if matches!(kept, Self::Raw(last) if *last == new) {
                    return Some(true);
                }
                *kept = Self::Raw(new);
            }
        }
        Some(false)
    }
}

/// The last picture that was new, and how it came again.
#[derive(Debug)]
pub struct Repeats {
    last: Kept,
    /// When it was taken for the first time, and from where, once that is known.
    born: Monotime,
    views: Option<Views>,
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
            last: Kept::default(),
            born: Monotime::default(),
            views: None,
            taken: Monotime::default(),
            disproved: false,
            featureless: None,
            patience: 1,
        }
    }
}

impl Repeats {
    /// Whether the picture is the one before once more; `views` tells from where a picture with a stamp may have been taken.
    /// It then gets the time at which that was taken, unless the mount still stands there: the two cannot be told apart
    /// then, and need not be.
    pub fn judge(&mut self, frame: &mut Frame, views: impl Fn(Monotime) -> Option<Views>) -> bool {
        let Some(again) = self.last.again(&frame.picture) else {
            return false;
        };
        let stamp = frame.captured;
        if !again {
            (self.born, self.taken, self.views) = (stamp, stamp, None);
            (self.disproved, self.featureless, self.patience) = (false, None, 1);
            return false;
        }
        if let Picture::Raw(raw) = &frame.picture {
            // Nothing of it is kept that could be looked at later.
            self.featureless.get_or_insert_with(|| raw.is_flat());
        }
        if self.views.is_none() || stamp.since(self.born) <= YOUNG {
            self.views = views(self.born);
        }
        let moved = self.views.zip(views(stamp));
        // Once it cannot be true, it stays so: the mount may come by there again.
        self.disproved |= moved.is_some_and(|(then, now)| apart(then, now) > STANDS);
        if self.disproved {
            frame.captured = self.taken.min(stamp);
        } else {
            self.taken = stamp;
        }
        true
    }

    /// Whether the picture shows nothing at all, by `look`: with the light off or the lens covered the noise of some
    /// cameras is gone, too, and such a picture misleads nobody.
    pub fn featureless(&mut self, look: impl FnOnce(&[u8]) -> bool) -> bool {
        let last = match &self.last {
            Kept::Jpeg(data) => data.as_slice(),
            Kept::Nothing | Kept::Raw(_) => &[],
        };
        *self.featureless.get_or_insert_with(|| look(last))
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

/// By how many degrees the two miss each other on the axis on which they miss most.
fn apart(a: Views, b: Views) -> f64 {
    let above = a.0.zip(b.1, |low, high| low - high);
    let below = b.0.zip(a.1, |low, high| low - high);
    above.zip(below, f64::max).largest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::camera::raw::{Layout, Packing, Range, Raw};

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn pan(pan: f64) -> Option<Views> {
        let pose = Pose { pan, ..Pose::HOME };
        Some((pose, pose))
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
        // At the moment of an earlier stamp it stood where it began.
        let again = repeats.judge(&mut frame, |stamp| {
            pan(if stamp == at(captured) { pose } else { 0.0 })
        });
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
        assert_eq!(judge(&mut repeats, 2, 132, 0.0), (false, 132));
        assert_eq!(judge(&mut repeats, 2, 165, 0.2), (true, 165));
    }

    #[test]
    fn without_servos_nothing_moves_and_ones_that_come_later_begin_where_they_stand() {
        let mut repeats = Repeats::default();
        for (captured, views) in [
            (0, None),
            (330, None),
            (660, pan(20.0)),
            (990, None),
            (1320, pan(20.1)),
        ] {
            let mut frame = jpeg(1, captured);
            repeats.judge(&mut frame, |_| views);
            assert_eq!(frame.captured, at(captured));
        }
        let mut frame = jpeg(1, 1650);
        assert!(repeats.judge(&mut frame, |_| pan(21.0)) && frame.captured == at(1320));
    }

    #[test]
    fn while_it_is_not_known_how_late_a_camera_is_it_is_given_time_to_show_a_movement() {
        // The mount turns from 0 to 20 degrees between 100 and 300 ms; the camera may be up to 600 ms late.
        let pose = |ms: u64| (ms.clamp(100, 300) - 100) as f64 / 10.0;
        let views = |stamp: Monotime| {
            let ms = u64::try_from(stamp.since_zero().as_millis()).unwrap();
            let of = |pan| Pose { pan, ..Pose::HOME };
            Some((of(pose(ms.saturating_sub(600))), of(pose(ms))))
        };
        let mut repeats = Repeats::default();
        for ms in (0..=1000).step_by(50) {
            let mut frame = jpeg(1, ms);
            repeats.judge(&mut frame, views);
            let want = if ms <= 700 { ms } else { 700 };
            assert_eq!(frame.captured, at(want), "{ms}");
        }
    }

    #[test]
    fn raw_pictures_are_known_again_by_their_brightness() {
        let layout = Layout {
            packing: Packing::I420(Range::Full),
            width: 32,
            height: 24,
            stride: 32,
            shrunk: 1,
        };
        let raw = |spot: u8| Frame {
            number: 0,
            captured: at(5),
            picture: Picture::Raw({
                let mut data = vec![9; 32 * 24 * 3 / 2];
                data[..32 * 8].fill(spot);
                Raw::new(layout, data).unwrap()
            }),
        };
        let mut repeats = Repeats::default();
        for (spot, again, flat) in [
            (80, false, false),
            (80, true, false),
            (81, false, false),
            (9, false, true),
            (9, true, true),
            (80, false, false),
        ] {
            assert_eq!(repeats.judge(&mut raw(spot), |_| None), again, "{spot}");
            if again {
                assert_eq!(repeats.featureless(|_| panic!("no bytes are kept")), flat);
            }
        }
        // A JPEG after it is another picture.
        assert!(!repeats.judge(&mut jpeg(1, 5), |_| None));
        assert!(repeats.judge(&mut jpeg(1, 5), |_| None));
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
            assert!(!repeats.judge(&mut frame, |_| None));
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
        judge(&mut repeats, 2, 30, 0.0);
        judge(&mut repeats, 2, 40, 0.0);
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
