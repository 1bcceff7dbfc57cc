//! One face over time: where it is, how fast it moves, whether it ever does.

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::follow::detect::Face;

use super::view::{Place, View};

/// How much of a detection goes into place, speed and size; the speed changes faster where the prediction was wrong by
/// more than [`SURPRISE`] widths.
const PLACE: f64 = 0.9;
const SPEED: f64 = 0.5;
const SPEED_SURPRISED: f64 = 0.9;
const SURPRISE: f64 = 0.12;
const SIZE: f32 = 0.6;
const GROWTH: f64 = 0.1;
/// No face moves faster, in its widths a second.
const FASTEST: f64 = 12.0;
/// It is predicted over no longer than this: people change their mind.
const COAST: f64 = 0.5;
/// Most that its size is predicted to change by.
const MOST_GROWTH: f64 = 1.25;
/// How much of a score goes into the smoothed one.
const SCORE: f32 = 0.3;
/// A face has moved when the middle of what was seen of it in about half a second has left its old place by so many widths.
const STIR: f64 = 0.15;
const STIR_OVER: f64 = 0.5;

/// A face with its number.
#[derive(Debug, Clone, Copy)]
pub struct Track {
    /// Its number.
    pub id: u64,
    /// Where it is in the present picture, detected or predicted; it may reach beyond the edges.
    pub face: Face,
    /// When it was detected last.
    pub seen: Monotime,
    /// Whether that was in the present picture.
    pub detected: bool,
    /// How often it was detected.
    pub detections: u32,
    /// Whether it is not shown, because it was looked for and not found.
    pub hidden: bool,
    /// By how many widths the last prediction was wrong.
    pub error: f64,
    /// The smoothed score.
    pub score: f32,
    /// Where it would be if it had not moved since.
    pub stayed: Face,
    place: Place,
    speed: Place,
    /// Width in the units of `place`.
    width: f64,
    /// Of the logarithm of the size, a second.
    growth: f64,
    /// As it was detected last, its place and size smoothed.
    last: Face,
    stirring: Stirring,
}

/// Whether a face moves about in the room, as people do and pictures on a wall do not.
#[derive(Debug, Clone, Copy)]
struct Stirring {
    smooth: Place,
    anchor: Place,
    /// When it has last left its anchor; before that, when it was found.
    since: Monotime,
    moved: bool,
}

fn length(v: Place) -> f64 {
    v[0].hypot(v[1])
}

fn minus(a: Place, b: Place) -> Place {
    [a[0] - b[0], a[1] - b[1]]
}

/// The face moved and scaled about its middle.
fn put(face: &Face, (x, y): (f64, f64), scale: f32) -> Face {
    let from = face.centre();
    let (x, y) = (x as f32, y as f32);
    let point = |p: crate::follow::detect::Point| crate::follow::detect::Point {
        x: x + (p.x - from.x) * scale,
        y: y + (p.y - from.y) * scale,
    };
    Face {
        x: x - face.w * scale / 2.0,
        y: y - face.h * scale / 2.0,
        w: face.w * scale,
        h: face.h * scale,
        left_eye: point(face.left_eye),
        right_eye: point(face.right_eye),
        score: face.score,
    }
}

fn middle(face: &Face) -> (f64, f64) {
    let centre = face.centre();
    (f64::from(centre.x), f64::from(centre.y))
}

/// The width of a face in the units of places; never nothing.
fn width_in(view: &View, face: &Face) -> f64 {
    let (x, y) = middle(face);
    let half = f64::from(face.w) / 2.0;
    let width = length(minus(view.place(x + half, y), view.place(x - half, y)));
    if width.is_finite() {
        width.max(1e-6)
    } else {
        1.0
    }
}

impl Track {
    /// A face that was just found.
    #[must_use]
    pub fn new(id: u64, now: Monotime, view: &View, face: Face) -> Self {
        let (x, y) = middle(&face);
        let place = view.place(x, y);
        Self {
            id,
            face,
            seen: now,
            detected: true,
            detections: 1,
            hidden: false,
            error: 0.0,
            score: face.score,
            stayed: face,
            place,
            speed: [0.0; 2],
            width: width_in(view, &face),
            growth: 0.0,
            last: face,
            stirring: Stirring {
                smooth: place,
                anchor: place,
                since: now,
                moved: false,
            },
        }
    }

    /// Its speed in widths a second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        length(self.speed) / self.width
    }

    /// Its width in degrees; none where the room is not known.
    #[must_use]
    pub fn degrees(&self, view: &View) -> Option<f64> {
        matches!(view, View::Room { .. }).then_some(self.width)
    }

    /// A new picture: it is where it is expected to be. False if that is outside of what a picture can show.
    pub fn predict(&mut self, now: Monotime, view: &View) -> bool {
        self.detected = false;
        let ahead = now.since(self.seen).as_secs_f64().min(COAST);
        let place = self.ahead(ahead);
        let Some(to) = view.pixel(place) else {
            return false;
        };
        let scale = (self.growth * ahead)
            .exp()
            .clamp(1.0 / MOST_GROWTH, MOST_GROWTH);
        self.face = put(&self.last, to, scale as f32);
        self.stayed = match view.pixel(self.place) {
            Some(at) => put(&self.last, at, 1.0),
            None => self.face,
        };
        true
    }

    fn ahead(&self, seconds: f64) -> Place {
        [
            self.place[0] + self.speed[0] * seconds,
            self.place[1] + self.speed[1] * seconds,
        ]
    }

    /// It was detected in the present picture. `steady`: the camera did not turn, so that a change of place is the face's
    /// own.
    pub fn correct(&mut self, now: Monotime, view: &View, found: Face, steady: bool) {
        let dt = now.since(self.seen).as_secs_f64();
        let (x, y) = middle(&found);
        let measured = view.place(x, y);
        let expected = self.ahead(dt.min(COAST));
        let off = minus(measured, expected);
        self.width = width_in(view, &found);
        self.error = length(off) / self.width;
        let gain = if self.error > SURPRISE {
            SPEED_SURPRISED
        } else {
            SPEED
        };
        if dt > 1e-3 {
            for (speed, off) in self.speed.iter_mut().zip(off) {
                *speed += gain * off / dt;
            }
            let most = FASTEST * self.width;
            let speed = length(self.speed);
            if speed > most {
                self.speed.iter_mut().for_each(|s| *s *= most / speed);
            }
            let ratio = f64::from((found.area() / self.face.area().max(f32::MIN_POSITIVE)).sqrt());
            if ratio.is_finite() && ratio > 0.0 {
                self.growth = (self.growth + GROWTH * ratio.ln() / dt).clamp(-2.0, 2.0);
            }
        }
        self.place = [expected[0] + PLACE * off[0], expected[1] + PLACE * off[1]];
        let smooth = |old: f32, new: f32| old + SIZE * (new - old);
        let (w, h) = (smooth(self.face.w, found.w), smooth(self.face.h, found.h));
        let at = view.pixel(self.place).unwrap_or((x, y));
        self.last = Face {
            w,
            h,
            x: at.0 as f32 - w / 2.0,
            y: at.1 as f32 - h / 2.0,
            ..put(&found, at, 1.0)
        };
        self.detect(now, found);
        self.stir(now, measured, dt, steady);
    }

    /// It was lost, and this is it: it may have gone anywhere meanwhile.
    pub fn resume(&mut self, now: Monotime, view: &View, found: Face) {
        let (x, y) = middle(&found);
        self.place = view.place(x, y);
        self.speed = [0.0; 2];
        self.growth = 0.0;
        self.width = width_in(view, &found);
        self.error = 1.0;
        self.last = found;
        self.detect(now, found);
        self.stirring.smooth = self.place;
        self.stirring.anchor = self.place;
    }

    fn detect(&mut self, now: Monotime, found: Face) {
        self.face = found;
        self.seen = now;
        self.detected = true;
        self.hidden = false;
        self.detections = self.detections.saturating_add(1);
        self.score += SCORE * (found.score - self.score);
    }

    fn stir(&mut self, now: Monotime, measured: Place, dt: f64, steady: bool) {
        let stirring = &mut self.stirring;
        if !steady {
            stirring.smooth = measured;
            stirring.anchor = measured;
            return;
        }
        let part = (dt / STIR_OVER).clamp(0.0, 1.0);
        for (smooth, measured) in stirring.smooth.iter_mut().zip(measured) {
            *smooth += part * (measured - *smooth);
        }
        if length(minus(stirring.smooth, stirring.anchor)) > STIR * self.width {
            stirring.anchor = stirring.smooth;
            stirring.since = now;
            stirring.moved = true;
        }
    }

    /// Whether it has not moved for this long.
    #[must_use]
    pub fn still_for(&self, now: Monotime, time: Duration) -> bool {
        now.since(self.stirring.since) >= time
    }

    /// Whether it has moved within this time.
    #[must_use]
    pub fn moved_within(&self, now: Monotime, time: Duration) -> bool {
        self.stirring.moved && now.since(self.stirring.since) <= time
    }

    /// Places mean something else from this picture on: `before` is the view of the one before.
    pub fn change_view(&mut self, before: &View, view: &View) {
        let translate = |place: Place| before.pixel(place).map(|(x, y)| view.place(x, y));
        // A tenth of a second of its way is short enough to be straight in both.
        if let (Some(place), Some(ahead)) = (translate(self.place), translate(self.ahead(0.1))) {
            self.speed = minus(ahead, place).map(|d| d / 0.1);
            self.place = place;
        } else {
            self.speed = [0.0; 2];
        }
        self.width = width_in(view, &self.last);
        if !self.speed.iter().all(|s| s.is_finite()) {
            self.speed = [0.0; 2];
        }
        self.stirring.smooth = self.place;
        self.stirring.anchor = self.place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::detect::Point;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn face(x: f32, size: f32) -> Face {
        Face {
            x: x - size / 2.0,
            y: 100.0 - size / 2.0,
            w: size,
            h: size,
            left_eye: Point {
                x: x - 5.0,
                y: 90.0,
            },
            right_eye: Point {
                x: x + 5.0,
                y: 90.0,
            },
            score: 0.9,
        }
    }

    #[test]
    fn a_steady_walk_is_predicted_and_its_eyes_go_with_it() {
        let mut track = Track::new(1, at(0), &View::Flat, face(100.0, 60.0));
        for i in 1..10u64 {
            track.predict(at(i * 66), &View::Flat);
            track.correct(
                at(i * 66),
                &View::Flat,
                face(100.0 + 20.0 * i as f32, 60.0),
                true,
            );
        }
        track.predict(at(9 * 66 + 33), &View::Flat);
        let expected = 100.0 + 20.0 * 9.5;
        assert!((track.face.centre().x - expected).abs() < 1.5, "{track:?}");
        assert!((track.face.aim().x - expected).abs() < 1.5);
        assert!((track.speed() - 20.0 / 0.066 / 60.0).abs() < 0.2);
        assert!(!track.detected && track.error < 0.02);
    }

    #[test]
    fn prediction_has_an_end() {
        let mut track = Track::new(1, at(0), &View::Flat, face(100.0, 60.0));
        track.predict(at(100), &View::Flat);
        track.correct(at(100), &View::Flat, face(130.0, 60.0), true);
        track.predict(at(900), &View::Flat);
        let far = track.face.centre().x;
        track.predict(at(5000), &View::Flat);
        assert_eq!(track.face.centre().x, far);
    }

    #[test]
    fn a_portrait_does_not_stir_and_somebody_who_breathes_does() {
        let still = Duration::from_secs(10);
        let mut portrait = Track::new(1, at(0), &View::Flat, face(100.0, 60.0));
        let mut person = portrait;
        for i in 1..300u64 {
            let now = at(i * 66);
            // Two percent of the width are a detector's noise.
            let noise = if i % 2 == 0 { 1.2 } else { -1.2 };
            portrait.predict(now, &View::Flat);
            portrait.correct(now, &View::Flat, face(100.0 + noise, 60.0), true);
            let sway = 8.0 * (i as f32 * 0.066).sin();
            person.predict(now, &View::Flat);
            person.correct(now, &View::Flat, face(300.0 + sway + noise, 60.0), true);
        }
        let now = at(300 * 66);
        assert!(portrait.still_for(now, still) && !portrait.moved_within(now, still));
        assert!(!person.still_for(now, still) && person.moved_within(now, still));
    }

    #[test]
    fn a_change_of_view_keeps_place_and_speed() {
        use crate::config::Config;
        use crate::follow::optics::Optics;
        use crate::follow::pose::{Gaze, Pose};
        let mut track = Track::new(1, at(0), &View::Flat, face(320.0, 60.0));
        track.predict(at(66), &View::Flat);
        track.correct(at(66), &View::Flat, face(330.0, 60.0), true);
        let speed = track.speed();
        let gaze = Gaze::Known {
            pose: Pose {
                pan: 40.0,
                ..Pose::HOME
            },
            speed: 0.0,
        };
        let view = View::new(Optics::new(&Config::default().camera), (640, 480), gaze);
        let before = track.face.centre().x;
        track.change_view(&View::Flat, &view);
        track.predict(at(66), &view);
        assert!((track.face.centre().x - before).abs() < 1.5, "{track:?}");
        assert!((track.speed() / speed - 1.0).abs() < 0.1);
    }
}
