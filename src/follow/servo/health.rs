//! One servo: whether it answers and does what it is told, and the log messages about it.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Monotime;
use crate::follow::control::Axis;
use crate::{say, say_error, say_info, say_warn};

use super::fault::Fault;
use super::following_error::FollowingError;
use super::protocol::{Protocol, Reading};
use super::reboots::Reboots;
use super::steps::{Mounting, Steps};
use super::survey::{Found, Voice};
use super::unfit::Unfit;

/// Missed answers in a row after which an axis is taken for absent.
const MISSES: u32 = 5;
/// Answers in a row with the same complaint after which it counts as latched.
const LATCHED: u32 = 3;
/// An absent axis is looked for again after this time; after longer ones where it comes and goes.
const ABSENT: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(15));
/// One that is not what it should be is looked at again after this time, and after longer ones while that lasts.
const WRONG: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// One that went wrong under torque gets it again after this time, and after longer ones where that helps nothing.
const FAILED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// After so much time in service it counts as there and as it should be, and after so much more as able to work: the pauses
/// begin with the shortest one again.
const SETTLED: Duration = Duration::from_secs(60);
const WELL: Duration = Duration::from_secs(600);

/// One servo.
pub struct Servo {
    /// What it moves.
    pub axis: Axis,
    /// Its number on the bus.
    pub id: u8,
    /// How it is mounted.
    pub mounting: Mounting,
    /// Whether it answers.
    pub health: Health,
    /// Where it stood when it last answered.
    pub position: Option<(Monotime, Steps)>,
    /// The goal that it was last sent, and when; none while its torque is off.
    pub goal: Option<(Monotime, Steps)>,
    /// The goals that it takes, in steps.
    pub limits: (i32, i32),
    /// The load of its motor at its strongest.
    pub full_load: i32,
    following: FollowingError,
    /// Answers in a row with a complaint that is more than a warning.
    complaints: u32,
    /// Since when it has been in service.
    since: Monotime,
    pauses: Pauses,
    /// Why it got no torque when people were last told.
    told: Option<Unfit>,
    told_twice: bool,
    told_range: bool,
    reboots: Reboots,
}

/// Whether a servo answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Health {
    /// It does.
    Answering {
        /// Answers missed in a row.
        missed: u32,
        /// Status bits that people have been told of.
        told: u16,
    },
    /// It does not.
    Absent {
        /// When to look for it again.
        retry: Monotime,
    },
    /// It does, but gets no torque.
    Unfit {
        /// When to look at it again.
        retry: Monotime,
    },
}

#[derive(Debug)]
struct Pauses {
    absent: Backoff,
    wrong: Backoff,
    failed: Backoff,
}

impl Servo {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn new(axis: Axis, id: u8, mounting: Mounting, now: Monotime) -> Self {
        Self {
            axis,
            id,
            mounting,
            health: Health::Absent { retry: now },
            position: None,
            goal: None,
            limits: mounting.range(),
            full_load: 1000,
            following: FollowingError::new(mounting.scale.per_degree),
            complaints: 0,
            since: now,
            pauses: Pauses {
                absent: Backoff::new(ABSENT.0, ABSENT.1),
                wrong: Backoff::new(WRONG.0, WRONG.1),
                failed: Backoff::new(FAILED.0, FAILED.1),
            },
            told: None,
            told_twice: false,
            told_range: false,
            reboots: Reboots::default(),
        }
    }

    /// Whether it is one to give goals to.
    pub const fn answers(&self) -> bool {
        matches!(self.health, Health::Answering { .. })
    }

    /// Whether there is a servo at all.
    pub const fn is_there(&self) -> bool {
        !matches!(self.health, Health::Absent { .. })
    }

    /// Whether it is time to look at one that is not in service.
    pub fn due(&self, now: Monotime) -> bool {
        match self.health {
            Health::Answering { .. } => false,
            Health::Absent { retry } | Health::Unfit { retry } => now >= retry,
        }
    }

    /// It was looked at and is fit for service, for the first time on a connection or again.
    pub fn found(&mut self, found: &Found, protocol: &dyn Protocol, now: Monotime, first: bool) {
        let (axis, id) = (self.axis.name(), self.id);
        match self.health {
            Health::Absent { .. } if !first => say_info!(
                "servo {id} ({axis}) answers again",
                "サーボ{id} ({axis}) が再び応答しました"
            ),
            Health::Unfit { .. } if !first => say_info!(
                "servo {id} ({axis}) is taken up again",
                "サーボ{id} ({axis}) を再び使用します"
            ),
            _ => {}
        }
        self.tell_voice(found.voice);
        self.limit(found.settings.limits, protocol);
        self.full_load = found.settings.full_load;
        self.health = Health::Answering { missed: 0, told: 0 };
        self.following = FollowingError::new(self.mounting.scale.per_degree);
        self.complaints = 0;
        self.since = now;
        self.position = Some((now, found.reading.position));
        self.complain(found.reading.status, protocol);
    }

    /// Takes an answer. [`Fault::Jumps`] if no servo can be there by now; else why the servo is to be released, if it is.
    ///
    /// # Errors
    /// As said.
    pub fn heard(
        &mut self,
        reading: &Reading,
        protocol: &dyn Protocol,
        now: Monotime,
    ) -> Result<Option<Unfit>, Fault> {
        if let Some((then, from)) = self.position
            && !self.mounting.scale.within_reach(
                from,
                reading.position,
                now.since(then).as_secs_f64(),
            )
        {
            return Err(Fault::Jumps {
                id: self.id,
                from,
                to: reading.position,
            });
        }
        self.position = Some((now, reading.position));
        if let Health::Answering { missed, .. } = &mut self.health {
            *missed = 0;
        }
        self.complain(reading.status, protocol);
        let served = now.since(self.since);
        if served >= SETTLED {
            self.pauses.absent.reset();
            self.pauses.wrong.reset();
        }
        if served >= WELL {
            self.pauses.failed.reset();
            self.told = None;
        }
        let complaint = reading.status & protocol.unfit();
        self.complaints = if complaint == 0 {
            0
        } else {
            self.complaints + 1
        };
        if self.complaints >= LATCHED {
            return Ok(Some(Unfit::Complains(complaint)));
        }
        let Some((_, goal)) = self.goal else {
            self.following = FollowingError::new(self.mounting.scale.per_degree);
            return Ok(None);
        };
        let found = self.following.update(now, goal, reading.position);
        Ok(found.map(|what| Unfit::Disobeys(what, goal, reading.position)))
    }

    /// Says what the status bits tell, each once.
    fn complain(&mut self, status: u16, protocol: &dyn Protocol) {
        let (axis, id) = (self.axis.name(), self.id);
        if let Health::Answering { told, .. } = &mut self.health
            && status & !*told != 0
        {
            *told |= status;
            let what = protocol.complaints(status).join(", ");
            say_warn!(
                "servo {id} ({axis}) complains: {what} (status {status:#04x})",
                "サーボ{id} ({axis}) の警告: {what} (ステータス {status:#04x})"
            );
        }
    }

    /// Whether it may be started anew now; that is remembered.
    pub fn may_reboot(&mut self, now: Monotime) -> bool {
        if !self.reboots.allow(now) {
            return false;
        }
        let (axis, id) = (self.axis.name(), self.id);
        say_warn!(
            "servo {id} ({axis}) has latched an overload; starting it anew",
            "サーボ{id} ({axis}) が過負荷で停止したため、再起動します"
        );
        true
    }

    /// One that gets no pulses stands where it was last, as far as anybody knows: its gears hold the mount. Of one that was
    /// never driven, straight ahead is assumed.
    pub fn place(&self, reading: &mut Reading) {
        if reading.off {
            let last = self.goal.or(self.position).map(|(_, at)| at);
            reading.position = last.unwrap_or_else(|| self.mounting.steps(0.0));
        }
    }

    /// Takes the limits that the servo has itself.
    fn limit(&mut self, own: (i32, i32), protocol: &dyn Protocol) {
        let (low, high) = self.mounting.range();
        let both = (low.max(own.0), high.min(own.1));
        if both != (low, high) && both != self.limits {
            let (axis, id) = (self.axis.name(), self.id);
            let (from, to) = own;
            let (low, high) = protocol.places().limits;
            say_warn!(
                "servo {id} ({axis}) itself turns only from {from} to {to} steps (registers {low} and {high}), which is less than \
                 \"servo.axes\" says; the axis stops there",
                "サーボ{id} ({axis}) 自身の角度制限（レジスタ{low}と{high}）は {from}〜{to} ステップで、\"servo.axes\" より狭いため、\
                 そこで停止します"
            );
        } else if !self.mounting.reaches_its_limits() && !self.told_range {
            self.told_range = true;
            let (axis, id) = (self.axis.name(), self.id);
            let mut ends = [both.0, both.1].map(|at| self.mounting.degrees(Steps(at)));
            ends.sort_by(f64::total_cmp);
            let [from, to] = ends;
            say_warn!(
                "servo {id} ({axis}) turns from {from:.0} to {to:.0} degrees, which is less than \"servo.axes\" says; the axis \
                 stops there",
                "サーボ{id} ({axis}) の可動範囲は {from:.0}〜{to:.0} 度で、\"servo.axes\" より狭いため、そこで停止します"
            );
        }
        self.limits = both;
    }

    fn tell_voice(&mut self, voice: Voice) {
        if voice != Voice::Twice || self.told_twice {
            return;
        }
        self.told_twice = true;
        let (axis, id) = (self.axis.name(), self.id);
        say_warn!(
            "servo {id} ({axis}) answers twice: two servos may have this id (new ones all have id 1), or the adapter \
             repeats what it hears",
            "サーボ{id} ({axis}) が2回応答しています。同じIDのサーボが2台ある（新品はすべてID 1）か、アダプターが受信内容を\
             繰り返しています"
        );
    }

    /// It did not answer, or not so that it can be used.
    pub fn missed(&mut self, fault: &Fault, now: Monotime) {
        let (axis, id) = (self.axis.name(), self.id);
        match &mut self.health {
            Health::Answering { missed, .. } if *missed + 1 < MISSES => *missed += 1,
            Health::Answering { .. } => {
                say_warn!(
                    "servo {id} ({axis}) is lost: {fault}; check its cable and power, the other axes go on",
                    "サーボ{id} ({axis}) を見失いました: {fault}。ケーブルと電源を確認してください。他の軸は継続します"
                );
                let retry = now + self.pauses.absent.pause();
                self.health = Health::Absent { retry };
                self.goal = None;
            }
            Health::Absent { .. } | Health::Unfit { .. } => {
                let retry = now + ABSENT.0;
                self.health = Health::Absent { retry };
            }
        }
    }

    /// Whether one more missed answer makes it absent.
    pub const fn nearly_lost(&self) -> bool {
        matches!(self.health, Health::Answering { missed, .. } if missed + 1 >= MISSES)
    }

    /// It lost its torque by itself: being absent for a moment makes control start anew from where it stands.
    pub fn let_go(&mut self, retry: Monotime) {
        let (axis, id) = (self.axis.name(), self.id);
        say_warn!(
            "servo {id} ({axis}) had let go, perhaps its power failed for a moment; setting it up again",
            "サーボ{id} ({axis}) のトルクが切れていました。電源の瞬断の可能性があります。再設定します"
        );
        self.health = Health::Absent { retry };
        self.goal = None;
    }

    /// Its controller has ended its pulses, and may have said why. It is set up again from where it stood.
    pub fn stopped(&mut self, why: &[&str], retry: Monotime) {
        let (axis, id) = (self.axis.name(), self.id);
        let why = if why.is_empty() {
            say!(
                "without an error, perhaps its power failed for a moment",
                "エラーなし。電源の瞬断の可能性があります"
            )
        } else {
            why.join(", ")
        };
        say_warn!(
            "the controller has stopped the pulses of servo {id} ({axis}): {why}; setting it up again",
            "コントローラーがサーボ{id} ({axis}) のパルスを停止しました: {why}。再設定します"
        );
        self.health = Health::Unfit { retry };
        self.goal = None;
    }

    /// It is not to have torque. True if that is news.
    pub fn is_unfit(&mut self, why: Unfit, protocol: &dyn Protocol, now: Monotime) -> bool {
        let pauses = &mut self.pauses;
        let driven = self.goal.is_some() && why.shows_under_torque();
        let pause = if driven {
            pauses.failed.pause()
        } else {
            pauses.wrong.pause()
        };
        let news = driven || !self.told.is_some_and(|told| told.is_like(&why));
        self.health = Health::Unfit { retry: now + pause };
        self.goal = None;
        self.told = Some(why);
        if news {
            let (axis, id, seconds) = (self.axis.name(), self.id, pause.as_secs());
            let why = why.told(protocol);
            say_error!(
                "servo {id} ({axis}) gets no torque: {why}; the other axes go on, and it is tried again in {seconds} s",
                "サーボ{id} ({axis}) のトルクをオフにします: {why}。他の軸は継続し、{seconds} 秒後に再試行します"
            );
        }
        news
    }

    /// Tells that it does not answer at the start of a connection.
    pub fn tell_absent(&self, fault: Option<&Fault>) {
        let (axis, id) = (self.axis.name(), self.id);
        match fault {
            None | Some(Fault::Silent { .. }) => say_warn!(
                "servo {id} ({axis}) does not answer; check its id, cable and power, the other axes go on",
                "サーボ{id} ({axis}) が応答しません。ID、ケーブル、電源を確認してください。他の軸は継続します"
            ),
            Some(fault) => say_warn!(
                "servo {id} ({axis}) does not answer as it should: {fault}; check its id, cable and power, the other axes \
                 go on",
                "サーボ{id} ({axis}) が正しく応答しません: {fault}。ID、ケーブル、電源を確認してください。他の軸は継続します"
            ),
        }
    }
}
