//! How late the camera is: learned, believed, doubted.
//!
//! While it is not known, only a picture counts that shows the same room at every delay, because the mount has stood for
//! longer than any camera is late ([`Latency::moment`] says so). The mount then goes there in one movement, stands, and looks
//! again: that cannot swing, whatever the delay is. And such a movement is just what tells the delay ([`learner`]). From
//! then on every picture counts. Where the set point turns round again and again all the same ([`swing`]), the delay is
//! doubted and learned anew.

pub mod cadence;
pub mod fit;
pub mod learner;
mod sums;
pub mod swing;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::base::clock::Monotime;
use crate::config;

use self::fit::Refutation;
use self::learner::Learner;
use self::swing::Swing;
use crate::follow::pose::{Pose, PoseHistory};

/// No camera is later than this, as far as is known: so long the mount has to have stood.
const LATEST: Duration = Duration::from_millis(720);
/// Where it swings even so, the camera is later still; this is as far as that goes.
const LATEST_OF_ALL: Duration = Duration::from_millis(2880);
/// A mount stands while none of its axes leaves so many degrees.
const STANDS: f64 = 0.5;
/// Two delays in seconds that are the same.
const SAME: f64 = 0.025;
/// So many pictures in a row have to tell the same delay until it is known.
const KNOWN_AFTER: u32 = 3;
/// And so many, for so long, that a known one has changed.
const CHANGED_AFTER: u32 = 5;
const CHANGED_FOR: Duration = Duration::from_millis(400);
/// So many, for so long, that it is wrong.
const REFUTED_AFTER: u32 = 4;
const REFUTED_FOR: Duration = Duration::from_millis(120);
/// The first delays are averaged; later ones count for this part.
const WEIGHT: f64 = 0.05;

/// The same delay again and again.
#[derive(Debug, Clone, Copy, Default)]
struct Streak {
    delay: f64,
    count: u32,
    since: Option<Monotime>,
}

impl Streak {
    fn add(&mut self, at: Monotime, delay: f64) {
        let same = self.count > 0 && (delay - self.delay).abs() <= SAME;
        *self = Self {
            delay,
            count: if same { self.count + 1 } else { 1 },
            since: if same { self.since } else { Some(at) },
        };
    }

    /// Whether it is one of so many pictures, over so long a time, at least.
    fn lasts(&self, at: Monotime, count: u32, time: Duration) -> bool {
        self.count >= count && self.since.is_some_and(|since| at.since(since) >= time)
    }
}

/// What has become known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// The delay was learned.
    Learned {
        /// What it is.
        delay: Duration,
        /// What it was taken to be until now.
        before: Option<Duration>,
    },
    /// The mount swung, so the delay is not believed any more.
    Doubted {
        /// What it was taken to be.
        delay: Duration,
    },
}

/// Where the delay comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Learned, here or in another run.
    Learned,
    /// A person said so: it stays as it is, unless the mount swings by it.
    Configured,
    /// It is so, whatever happens.
    Certain,
}

/// The delay of the camera, beyond what the time stamps of its pictures tell.
#[derive(Debug)]
pub struct Latency {
    origin: Origin,
    /// In seconds.
    known: Option<f64>,
    /// What it was before it was doubted.
    doubted: Option<f64>,
    learner: Learner,
    /// What the last pictures told, and that they refuted what is known.
    told: Streak,
    wrong: Streak,
    /// How many have made up what is known.
    weight: f64,
    swing: Swing,
    /// So long the mount has to stand while the delay is not known.
    latest: Duration,
    news: Option<News>,
}

fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 10.0))
}

impl Latency {
    /// What the configuration says.
    #[must_use]
    pub fn new(configured: config::Latency) -> Self {
        let known = configured.milliseconds().map(|ms| ms / 1e3);
        Self {
            origin: if known.is_some() {
                Origin::Configured
            } else {
                Origin::Learned
            },
            known,
            doubted: None,
            learner: Learner::default(),
            told: Streak::default(),
            wrong: Streak::default(),
            weight: 1.0,
            swing: Swing::default(),
            latest: LATEST,
            news: None,
        }
    }

    /// Begins with what another run has learned, unless it is known already. True if that is used.
    pub fn recall(&mut self, learned: Duration) -> bool {
        let used = self.known.is_none();
        if used {
            self.known = Some(learned.as_secs_f64());
            self.weight = WEIGHT;
        }
        used
    }

    /// What is known because it was learned.
    #[must_use]
    pub fn learned(&self) -> Option<Duration> {
        self.known().filter(|_| self.origin == Origin::Learned)
    }

    /// It is so, and nothing is to be learned.
    pub fn be_certain(&mut self, delay: Duration) {
        self.origin = Origin::Certain;
        self.known = Some(delay.as_secs_f64());
    }

    /// What is known.
    #[must_use]
    pub fn known(&self) -> Option<Duration> {
        self.known.map(duration)
    }

    /// Whether what was known is doubted, and nothing else known yet.
    #[must_use]
    pub const fn doubts(&self) -> bool {
        self.doubted.is_some() && self.known.is_none()
    }

    /// What has become known since the last call.
    pub fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// When a picture that is stamped with `at` was taken, for as much as the pose of the mount depends on it; none where
    /// that cannot be told. The second value says whether every picture tells it.
    #[must_use]
    pub fn moment(&self, at: Monotime, history: &PoseHistory) -> Option<(Monotime, bool)> {
        match self.known {
            Some(delay) => Some((at - duration(delay), true)),
            None if self.stood(at, history) => Some((at - self.latest / 2, false)),
            None => None,
        }
    }

    /// From where a picture may have been taken that is stamped with `at`, least and greatest angles, as far as it is known
    /// how late the camera is. Where that is known, the pose at the time of the stamp stands for it: a picture that goes on
    /// showing what was there before is to be doubted at the first movement.
    #[must_use]
    pub fn views(&self, at: Monotime, history: &PoseHistory) -> Option<(Pose, Pose)> {
        let late = match self.known {
            Some(_) => Duration::ZERO,
            None => self.latest,
        };
        history.range(at - late, at)
    }

    fn stood(&self, at: Monotime, history: &PoseHistory) -> bool {
        let moved = history.spread(at - self.latest, at);
        moved.is_some_and(|moved| moved <= STANDS)
    }

    /// A picture stamped with `at` shows the face in this direction, with the camera level. True if what is known is
    /// another value than before by so much that nothing of before counts.
    pub fn see(&mut self, at: Monotime, seen: fit::Angles, history: &PoseHistory) -> bool {
        if self.origin == Origin::Certain {
            return false;
        }
        let stood = self.stood(at, history);
        let told = self.learner.see(at, seen, stood, history);
        let refuted = self.refuted(at);
        told.is_some_and(|delay| self.learn(at, delay)) || refuted
    }

    /// Pictures that answer to the mount at another time than they should: before that makes it swing, it is to stand now and
    /// then, and learns anew.
    fn refuted(&mut self, at: Monotime) -> bool {
        let Some(known) = self.known.filter(|_| self.origin == Origin::Learned) else {
            return false;
        };
        let (count, time) = match self.learner.refutes(known) {
            Refutation::None => {
                self.wrong = Streak::default();
                return false;
            }
            Refutation::Vague => (CHANGED_AFTER, CHANGED_FOR),
            Refutation::Plain => (REFUTED_AFTER, REFUTED_FOR),
        };
        self.wrong.add(at, 0.0);
        let patience = self.swing.patience();
        if !self.wrong.lasts(at, count * patience, time * patience) {
            return false;
        }
        self.doubt(known);
        true
    }

    fn learn(&mut self, at: Monotime, delay: f64) -> bool {
        self.told.add(at, delay);
        match self.known {
            Some(known) if (delay - known).abs() <= SAME => {
                if self.origin == Origin::Learned {
                    self.weight = (self.weight / (1.0 + self.weight)).max(WEIGHT);
                    self.known = Some(known + self.weight * (delay - known));
                }
                false
            }
            Some(_)
                if self.origin == Origin::Configured
                    || !self.told.lasts(at, CHANGED_AFTER, CHANGED_FOR) =>
            {
                false
            }
            None if self.told.count < KNOWN_AFTER => false,
            before => {
                let was = before.or(self.doubted.take());
                if was.is_some_and(|was| (delay - was).abs() <= SAME) {
                    self.swing.was_the_face();
                } else {
                    self.swing.forget();
                }
                self.known = Some(delay);
                self.weight = 1.0;
                self.latest = LATEST;
                self.news = Some(News::Learned {
                    delay: duration(delay),
                    before: was.map(duration),
                });
                true
            }
        }
    }

    fn doubt(&mut self, known: f64) {
        self.forget_lessons();
        self.known = None;
        // A person may be mistaken, too.
        self.origin = Origin::Learned;
        self.doubted = Some(known);
        self.news = Some(News::Doubted {
            delay: duration(known),
        });
    }

    fn forget_lessons(&mut self) {
        self.learner.forget();
        self.told = Streak::default();
        self.wrong = Streak::default();
    }

    /// The set points of pan and tilt while a face is followed. True if the delay is not believed any more.
    pub fn watch(&mut self, now: Monotime, set_points: [f64; 2]) -> bool {
        if self.origin == Origin::Certain || !self.swing.watch(now, set_points) {
            return false;
        }
        // Somebody who sways turns the mount round, too. But where it swings in spite of all patience, the camera may be
        // later than anything that is tried.
        let other = |known: f64| {
            let explained = self.learner.explained();
            explained.is_some_and(|delay| (delay - known).abs() > SAME)
        };
        if self.known.is_some_and(|known| !other(known)) && !self.swing.out_of_patience() {
            self.swing.was_the_face();
            return false;
        }
        match self.known {
            Some(known) => {
                self.doubt(known);
                true
            }
            None => {
                self.forget_lessons();
                self.latest = (self.latest * 2).min(LATEST_OF_ALL);
                false
            }
        }
    }

    /// No face is followed now.
    pub fn interrupt(&mut self) {
        self.swing.interrupt();
    }

    /// The servos are gone: what is known of the camera stays.
    pub fn disconnected(&mut self) {
        self.forget_lessons();
        self.swing.interrupt();
    }
}
