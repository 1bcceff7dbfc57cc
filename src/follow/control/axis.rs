//! The control of one axis: estimate, dead zone, end stop, set point.

use std::time::Duration;

use crate::base::clock::Monotime;

use super::end_stop::EndStop;
use super::estimator::{Assumed, Estimate, Estimator};
use super::profile::{Motion, Profile, Range};

/// What an axis reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisFeedback {
    /// Measured angle in degrees.
    pub angle: f64,
    /// Load from -1 to 1 of what the motor can do, positive where it pushes to larger angles.
    pub load: f64,
}

/// An axis that said nothing for this long may have moved or lost its power: it starts anew.
const SILENT: Duration = Duration::from_millis(250);
/// An axis comes to rest within this part of the dead zone, and leaves the face again at so many times the dead zone.
const ENTER: f64 = 0.5;
const LEAVE: f64 = 1.5;
/// An axis comes to rest only below this speed, and only for a face that is slower than this, in degrees
/// a second: else it would stop and go behind a face that walks.
const AT_REST: f64 = 3.0;
/// What a servo lags behind its set point, in seconds, until that is known; and what it may lag.
const LAG: f64 = 0.05;
const LAGS: (f64, f64) = (0.02, 0.15);
/// It is told by an axis that moves at least so fast, in degrees a second, and is averaged over so many ticks.
const LAG_SPEED: f64 = 10.0;
const LAG_TICKS: f64 = 50.0;

/// Feedback of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Heard {
    /// Nothing usable.
    #[default]
    Nothing,
    /// Its first report, or the first after a silence: the set point was put where it stands.
    Return,
    /// It was just found to press against its mechanical end.
    Pressing,
    /// An ordinary report.
    Report,
}

/// Where an axis is to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// After its estimate.
    Face {
        /// By how many seconds it is predicted at most.
        reach: f64,
    },
    /// Straight ahead.
    Home,
    /// Nowhere: brake and stand.
    Stand,
}

/// Whether an axis stands because the face is near enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Resting,
    Moving,
}

/// What the configuration says of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The angles that it may take.
    pub range: Range,
    /// An offset up to so many degrees is left alone.
    pub dead_zone: f64,
    /// How it may move.
    pub motion: Motion,
}

impl Bounds {
    /// The most that the set point may lead the measured angle, in degrees. At full speed a servo lags by its time
    /// constant; beyond that it does not follow.
    fn lead(&self) -> f64 {
        (0.25 * self.motion.speed).max(10.0)
    }
}

/// One axis.
#[derive(Debug)]
pub struct AxisControl {
    bounds: Bounds,
    estimator: Estimator,
    /// What the servo lags behind its set point, in seconds: the goal is predicted so much farther.
    lag: f64,
    end_stop: EndStop,
    zone: Zone,
    profile: Profile,
    heard: Option<(Monotime, AxisFeedback)>,
}

impl AxisControl {
    /// The load that it reported, from -1 to 1; none while it does not report.
    #[must_use]
    pub fn load(&self, now: Monotime) -> Option<f64> {
        let (_, feedback) = self.heard.filter(|_| self.alive(now))?;
        Some(feedback.load)
    }

    /// An axis of which nothing is known yet.
    #[must_use]
    pub fn new(bounds: Bounds, assumed: Assumed) -> Self {
        Self {
            bounds,
            estimator: Estimator::new(assumed),
            lag: LAG,
            end_stop: EndStop::default(),
            zone: Zone::Resting,
            profile: Profile::default(),
            heard: None,
        }
    }

    /// Takes another configuration over; an axis beyond its new range goes back into it.
    pub fn retune(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Takes what the axis reported, if it did.
    pub fn hear(&mut self, now: Monotime, feedback: Option<AxisFeedback>) -> Heard {
        let usable = feedback.filter(|f| f.angle.abs() <= 360.0 && f.load.is_finite());
        let Some(feedback) = usable else {
            if !self.alive(now) {
                self.heard = None;
            }
            return Heard::Nothing;
        };
        if !self.alive(now) {
            self.start_from(feedback.angle);
            self.heard = Some((now, feedback));
            return Heard::Return;
        }
        self.heard = Some((now, feedback));
        let pressing = self
            .end_stop
            .update(now, feedback.angle, self.profile.angle, feedback.load);
        if pressing {
            // What follows is the way back to where it stands, not the way out of a movement.
            self.profile.speed = 0.0;
            Heard::Pressing
        } else {
            self.learn_lag(feedback.angle);
            Heard::Report
        }
    }

    /// The set point was sent a tick ago, and this is how far the servo came.
    fn learn_lag(&mut self, angle: f64) {
        let speed = self.profile.speed;
        if speed.abs() >= LAG_SPEED {
            let lag = ((self.profile.angle - angle) / speed).clamp(LAGS.0, LAGS.1);
            self.lag += (lag - self.lag) / LAG_TICKS;
        }
    }

    /// Whether the axis has reported lately.
    #[must_use]
    pub fn alive(&self, now: Monotime) -> bool {
        self.heard.is_some_and(|(at, _)| now.since(at) <= SILENT)
    }

    /// The last measured angle.
    #[must_use]
    pub fn measured(&self) -> Option<f64> {
        self.heard.map(|(_, f)| f.angle)
    }

    /// The set point in degrees; the measured angle or 0 for an axis that is not moved.
    #[must_use]
    pub const fn set_point(&self) -> f64 {
        self.profile.angle
    }

    /// Puts the set point where the axis stands, at rest.
    pub fn rest_where_it_is(&mut self) {
        self.start_from(self.measured().unwrap_or(0.0));
    }

    fn start_from(&mut self, angle: f64) {
        self.profile = Profile::at(angle);
        self.end_stop = EndStop::default();
        self.zone = Zone::Resting;
    }

    /// A picture captured at `at` shows the face at `angle` of the room; `blur` is what that may be off, in degrees, as
    /// the mount was moving.
    pub fn see(&mut self, at: Monotime, angle: f64, blur: f64) {
        self.estimator.update(at, angle, blur);
    }

    /// The face that comes next is another one, or this one elsewhere.
    pub fn forget_face(&mut self) {
        self.estimator.clear();
    }

    /// The connection is gone: nothing of before counts any more.
    pub fn forget(&mut self) {
        self.heard = None;
        self.forget_face();
        self.start_from(0.0);
    }

    /// Moves the set point by `dt` seconds. `dt` of zero leaves it where it is.
    pub fn advance(&mut self, now: Monotime, dt: f64, goal: Goal) {
        let range = self.end_stop.narrow(self.bounds.range);
        let ahead = now + Duration::from_secs_f64(dt + self.lag);
        if matches!(goal, Goal::Face { .. }) {
            self.weigh_dead_zone(range);
        } else {
            self.zone = Zone::Resting;
        }
        let goal = match goal {
            Goal::Face { reach } => self
                .estimator
                .at(ahead, reach)
                .filter(|_| self.zone == Zone::Moving),
            Goal::Home => Some(Estimate {
                angle: 0.0,
                speed: 0.0,
            }),
            Goal::Stand => None,
        };
        if !self.alive(now) || dt <= 0.0 {
            return;
        }
        match goal {
            Some(goal) => {
                let led = self.within_lead(goal);
                self.profile
                    .advance(dt, led.angle, led.speed, range, self.bounds.motion);
            }
            None => self.profile.brake(dt, range, self.bounds.motion),
        }
    }

    /// The set point was left alone for so long that the axis has come to rest at it.
    pub fn halt(&mut self) {
        self.profile.speed = 0.0;
    }

    /// Whether the axis stands within `tolerance` degrees of straight ahead.
    #[must_use]
    pub fn near_home(&self, tolerance: f64) -> bool {
        self.measured()
            .is_some_and(|angle| angle.abs() <= tolerance)
    }

    /// Whether the set point has come to rest.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.profile.speed.abs() < 0.05
    }

    /// The axis comes to rest where the face is within the dead zone, and leaves only when it is clearly
    /// outside.
    fn weigh_dead_zone(&mut self, range: Range) {
        let Some(face) = self.estimator.last() else {
            return;
        };
        let offset = (range.clamp(face.angle) - self.profile.angle).abs();
        // An axis that was found beyond its limits comes back, however near they are.
        let outside = range.clamp(self.profile.angle) != self.profile.angle;
        let slow = face.speed.abs() < AT_REST && self.profile.speed.abs() < AT_REST;
        self.zone = match self.zone {
            _ if outside => Zone::Moving,
            Zone::Moving if offset <= self.bounds.dead_zone * ENTER && slow => Zone::Resting,
            Zone::Resting if offset > self.bounds.dead_zone * LEAVE => Zone::Moving,
            zone => zone,
        };
    }

    /// Keeps the goal within reach of where the axis really is, so that the set point cannot run away
    /// from a servo that does not follow.
    fn within_lead(&self, goal: Estimate) -> Estimate {
        let Some(measured) = self.measured() else {
            return goal;
        };
        let reach = Range {
            low: measured - self.bounds.lead(),
            high: measured + self.bounds.lead(),
        };
        let angle = reach.clamp(goal.angle);
        Estimate {
            angle,
            speed: if angle == goal.angle { goal.speed } else { 0.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: Goal = Goal::Face { reach: 0.25 };
    const ASSUMED: Assumed = Assumed {
        noise: 0.15,
        unrest: 300.0,
        first_speed: 15.0,
        top_speed: 120.0,
    };

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn axis(dead_zone: f64) -> AxisControl {
        AxisControl::new(bounds(50.0, dead_zone), ASSUMED)
    }

    fn bounds(most: f64, dead_zone: f64) -> Bounds {
        Bounds {
            range: Range {
                low: -most,
                high: most,
            },
            dead_zone,
            motion: Motion::new(120.0, 500.0, 0.5),
        }
    }

    #[test]
    fn an_axis_beyond_its_new_range_goes_back_into_it() {
        let mut a = axis(1.0);
        a.hear(at(0), report(0.0));
        assert!(settle(&mut a, 0, 40.0) > 38.0);
        a.retune(bounds(20.0, 1.0));
        assert_eq!(settle(&mut a, 3000, 40.0), 20.0);
    }

    fn report(angle: f64) -> Option<AxisFeedback> {
        Some(AxisFeedback { angle, load: 0.0 })
    }

    /// A servo that stands wherever it is told, and a face at a fixed angle of the room.
    fn settle(axis: &mut AxisControl, from: u64, face: f64) -> f64 {
        for ms in (from..from + 3000).step_by(20) {
            axis.hear(at(ms), report(axis.set_point()));
            axis.see(at(ms), face, 0.0);
            axis.advance(at(ms), 0.02, FACE);
        }
        axis.set_point()
    }

    #[test]
    fn the_dead_zone_is_left_later_than_it_is_entered() {
        let mut a = axis(1.0);
        a.hear(at(0), report(0.0));
        let first = settle(&mut a, 0, 10.0);
        assert!((first - 10.0).abs() <= 1.0, "{first}");
        let left = settle(&mut a, 3000, first + 1.1);
        assert!((left - first).abs() < 1e-9, "left alone");
        let moved = settle(&mut a, 6000, first + 2.2);
        assert!((moved - first - 2.2).abs() <= 1.0 && moved != first);
    }

    #[test]
    fn the_set_point_does_not_run_away_from_an_axis_that_stands() {
        let mut a = axis(1.0);
        for ms in (0..5000).step_by(20) {
            a.hear(at(ms), report(0.0));
            a.see(at(ms), 45.0, 0.0);
            a.advance(at(ms), 0.02, FACE);
        }
        assert!((a.set_point() - 30.0).abs() < 0.1, "{}", a.set_point());
    }

    #[test]
    fn a_silent_axis_is_not_moved_and_starts_from_where_it_comes_back() {
        let mut a = axis(1.0);
        a.hear(at(0), report(0.0));
        settle(&mut a, 0, 20.0);
        for ms in (3000..4000).step_by(20) {
            a.hear(at(ms), None);
            a.advance(at(ms), 0.02, Goal::Home);
        }
        let before = a.set_point();
        assert!(!a.alive(at(4000)) && before > 5.0, "{before}");
        a.hear(at(4000), report(-33.0));
        assert_eq!(a.set_point(), -33.0);
    }

    #[test]
    fn a_stop_ends_the_movement_at_once_and_leads_back_to_where_the_axis_stands() {
        let mut a = axis(1.0);
        let mut stopped = None;
        for ms in (0..2000).step_by(20) {
            let angle = a.set_point().min(20.0);
            let load = if a.set_point() > 20.5 { 0.95 } else { 0.1 };
            a.hear(at(ms), Some(AxisFeedback { angle, load }));
            a.see(at(ms), 45.0, 0.0);
            let before = a.set_point();
            a.advance(at(ms), 0.02, FACE);
            match stopped {
                None if before > a.set_point() => stopped = Some(before),
                Some(_) if ms < 1900 => assert!(a.set_point() <= before + 1e-9),
                _ => {}
            }
        }
        assert!(stopped.is_some_and(|s| s < 30.0), "{stopped:?}");
        assert!((a.set_point() - 20.0).abs() < 0.2, "{}", a.set_point());
    }
}
