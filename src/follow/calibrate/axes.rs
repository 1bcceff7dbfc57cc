//! The mount while it is measured: small, slow movements of one axis, and where that stood.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::fit::Stand;
use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime};
use crate::base::limited::{Limited, NotDone};
use crate::base::stats::Stats;
use crate::base::stop::Stop;
use crate::config;
use crate::follow::control::profile::{Motion, Profile, Range};
use crate::follow::control::{Axis, Each, Feedback};
use crate::follow::pose::Pose;
use crate::follow::servo::drive::PERIOD;
use crate::follow::servo::mount::Mount;
use crate::follow::servo::opening;
use crate::follow::servo::port::SerialWire;
use crate::follow::servo::protocol::Limits;
use crate::say;

/// How far the axis goes to either side, in degrees; less near its limits, but at least so far.
const REACH: f64 = 3.0;
const LEAST_REACH: f64 = 1.0;
/// No faster than this, in degrees a second and degrees a second squared.
const SPEED: f64 = 15.0;
const ACCELERATION: f64 = 150.0;
/// How eagerly a goal is approached.
const GAIN: f64 = 0.8;
/// A movement: goals as parts of the reach, and how long each is stayed at, in seconds.
pub type Goals = [(f64, f64)];
/// For a delay: no two stays alike, so that no delay looks like another one.
pub const TO_AND_FRO: &Goals = &[
    (0.0, 0.5),
    (1.0, 0.8),
    (-1.0, 0.6),
    (1.0, 1.0),
    (0.0, 0.7),
    (-1.0, 0.9),
    (0.4, 0.6),
    (0.0, 1.3),
];
/// For a direction: stays that outlast the delay of every camera that can be used.
pub const THERE_AND_BACK: &Goals = &[(0.0, 0.5), (1.0, 2.2), (-1.0, 2.2), (0.0, 0.3)];
/// An axis that is farther from its set point than this does not follow, in degrees.
const ASTRAY: f64 = 4.0;
/// Answers that it may miss in a row.
const MISSES: u32 = 10;
/// Time for finding and opening the port; for one tick; for letting go.
const CONNECT: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_secs(6);
const RELEASE: Duration = Duration::from_millis(700);
/// Seconds on the clock.
#[must_use]
pub fn seconds(at: Monotime) -> f64 {
    at.seconds_since(Monotime::from_zero(Duration::ZERO))
}

/// Why it ends where nobody has ordered it.
#[must_use]
pub fn ended() -> String {
    say!(
        "a thread of the program has ended; the servos are released",
        "スレッドが終了しました。サーボのトルクを解放しました"
    )
}

/// The servos, behind a port that may hang.
pub struct Axes {
    port: Limited<Mount<SerialWire>>,
    name: String,
    clock: Arc<dyn Clock>,
    ending: Stop,
    motion: Motion,
}

impl Axes {
    /// Opens the port and reads every axis.
    ///
    /// # Errors
    /// It cannot be opened, or no axis answers.
    pub fn connect(
        servo: &config::Servo,
        tracking: &config::Tracking,
        clock: &Arc<dyn Clock>,
        ending: &Stop,
    ) -> Result<Self> {
        let axes = Self {
            port: Limited::new("servo-port", ending, &Beat::default()),
            name: servo.port.clone(),
            clock: Arc::clone(clock),
            ending: ending.clone(),
            motion: Motion::new(
                SPEED.min(tracking.max_speed_degrees),
                ACCELERATION.min(tracking.max_acceleration_degrees),
                GAIN,
            ),
        };
        let (servo, limits) = (servo.clone(), Limits::from(tracking));
        let (at, order) = (Arc::clone(clock), ending.clone());
        let connected = axes.port.open(CONNECT, move || {
            let bus = opening::open(&servo, None, &at, &order)?;
            Mount::connect(bus, &servo.axes, limits, at, Arc::new(Stats::default()))
        });
        connected.map_err(|why| axes.stuck(&why))??;
        Ok(axes)
    }

    fn stuck(&self, why: &NotDone) -> anyhow::Error {
        anyhow!("{}: {why}", self.name)
    }

    fn feedback(&self) -> Result<Feedback> {
        let order = self.ending.clone();
        let heard = self.port.with(TICK, move |mount| mount.feedback(&order));
        heard.map_err(|why| self.stuck(&why))?
    }

    fn hold(&self, pose: Pose) -> Result<()> {
        let held = self.port.with(TICK, move |mount| mount.hold(pose));
        held.map_err(|why| self.stuck(&why))??;
        Ok(())
    }

    /// Lets go and closes the port.
    ///
    /// # Errors
    /// The line failed.
    pub fn release(&mut self) -> Result<()> {
        let released = self.port.close(RELEASE, |mut mount| mount.release());
        released.map_err(|why| self.stuck(&why))?.transpose()?;
        Ok(())
    }

    /// Moves one axis to its goals, as long as `check` has nothing against it. Returns where it was.
    ///
    /// # Errors
    /// The axis does not answer or follow, or has no room; the order to stop came.
    pub fn play(
        &self,
        axis: Axis,
        limits: &config::Axis,
        goals: &Goals,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<Stand>> {
        let mut pose = self.where_it_stands(axis)?;
        let start = pose[axis];
        let range = Range {
            low: limits.min,
            high: limits.max,
        };
        let name = title(axis);
        if range.clamp(start) != start {
            bail!(say!(
                "the {name} axis stands at {start:.0} degrees, beyond its limits: turn it back by hand",
                "{name}軸が可動範囲外 ({start:.0} 度) にあります。手で戻してください"
            ));
        }
        let reach = REACH.min((limits.max - limits.min) / 2.0);
        if reach < LEAST_REACH {
            let key = axis.name();
            bail!(say!(
                "the limits of the {name} axis leave no room to move (servo.axes.{key}.min, max)",
                "{name}軸の可動範囲が狭すぎます (servo.axes.{key}.min, max)"
            ));
        }
        let middle = start.clamp(limits.min + reach, limits.max - reach);
        let mut profile = Profile::at(start);
        let mut stands = Vec::new();
        let mut missed = 0;
        let mut next = self.clock.now();
        let mut last = next;
        for (part, stay) in goals {
            let goal = middle + part * reach;
            let mut since = None;
            loop {
                check()?;
                let now = self.clock.now();
                let arrived = (profile.angle - goal).abs() < 0.05;
                if arrived && now.since(*since.get_or_insert(now)).as_secs_f64() >= *stay {
                    break;
                }
                let heard = self.feedback()?;
                if let Some(seen) = heard.axes[axis] {
                    missed = 0;
                    if (seen.angle - profile.angle).abs() > ASTRAY {
                        bail!(astray(&name, seen.angle, profile.angle));
                    }
                    stands.push(Stand {
                        at: seconds(heard.at),
                        angle: seen.angle,
                    });
                } else {
                    missed += 1;
                    if missed >= MISSES {
                        bail!(missing(&name));
                    }
                }
                // A pause of the machine is not made up for.
                let dt = now.since(last).min(2 * PERIOD).as_secs_f64();
                last = now;
                profile.advance(dt, goal, 0.0, range, self.motion);
                pose[axis] = profile.angle;
                self.hold(pose.into())?;
                next = (next + PERIOD).max(now);
                if self.clock.wait(&self.ending, next.since(now)) {
                    bail!(ended());
                }
            }
        }
        Ok(stands)
    }

    fn where_it_stands(&self, axis: Axis) -> Result<Each<f64>> {
        let mut axes = self.feedback()?.axes;
        for _ in 0..MISSES {
            if axes[axis].is_some() {
                break;
            }
            axes = self.feedback()?.axes;
        }
        if axes[axis].is_none() {
            bail!(missing(&title(axis)));
        }
        Ok(axes.map(|seen| seen.map_or(0.0, |a| a.angle)))
    }
}

/// The axis as people call it.
#[must_use]
pub fn title(axis: Axis) -> String {
    match axis {
        Axis::Pan => say!("pan", "パン"),
        Axis::Tilt => say!("tilt", "チルト"),
        Axis::Roll => say!("roll", "ロール"),
    }
}

fn astray(name: &str, stands: f64, should: f64) -> String {
    say!(
        "the {name} axis does not follow: it stands at {stands:.1} degrees where it should be at {should:.1}; look at its power and \
         gears",
        "{name}軸が追従しません: {stands:.1} 度（指令 {should:.1} 度）。電源とギアを確認してください"
    )
}

fn missing(name: &str) -> String {
    say!(
        "the {name} servo does not answer: `facetap check` looks at it",
        "{name}のサーボが応答しません。`facetap check` で確認してください"
    )
}
