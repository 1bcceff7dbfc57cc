//! The servo loop: fifty times a second, for as long as the service runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use log::{debug, error, info, warn};

use crate::base::backoff::Backoff;
use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::{Stop, lock};
use crate::config;
use crate::control::trace::FrameTrace;
use crate::control::{Axis, Each, Feedback, Follower};
use crate::say;
use crate::stats::Stats;

use super::bus::Bus;
use super::mount::Mount;
use super::port::{self, SerialWire};

/// Time between two commands.
pub const PERIOD: Duration = Duration::from_millis(20);
/// While no bus can be had, a change of the port (plugged in, replaced) is noticed within this time.
const LOOK: Duration = Duration::from_millis(500);
/// An axis that presses against its end again and again is told of at most this often.
const TELL_PRESSING: Duration = Duration::from_secs(600);

/// The thread that owns the servo bus.
pub struct ServoLoop {
    /// Port, bit rate and axes.
    pub config: config::Servo,
    /// Speed and acceleration, for the limits inside the servos.
    pub tracking: config::Tracking,
    /// Who decides.
    pub follower: Arc<Mutex<Follower>>,
    /// Who is told when a command that used a picture was written.
    pub trace: Arc<FrameTrace>,
    /// Where faults and reconnections are counted.
    pub stats: Arc<Stats>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
}

/// What is known about the bus.
enum Link {
    /// It was never there; the last reason, once told.
    Awaited { told: Option<String> },
    /// It is, or was until just now.
    Up,
    /// It was there and is lost.
    Lost { told: String },
}

/// What was done and said on one connection.
#[derive(Default)]
struct Said {
    /// Whether the servos were told to hold themselves.
    holding: bool,
    /// When people were told that an axis presses.
    pressing: Each<Option<Monotime>>,
}

impl ServoLoop {
    /// Runs until a stop is requested; opens the bus again whenever it is lost. The servos are released
    /// when it returns.
    pub fn run(&self) {
        let mut link = Link::Awaited { told: None };
        let mut backoff = Backoff::device();
        while !self.stop.requested() {
            let seen = port::fingerprint(&self.config.port);
            match self.run_once(&mut link, &mut backoff) {
                Ok(()) => return,
                Err(e) => {
                    lock(&self.follower).disconnected();
                    link = self.report(link, format!("{e:#}"));
                }
            }
            self.pause(backoff.pause(), &seen);
        }
    }

    /// Opens the bus and serves it until a stop is requested.
    fn run_once(&self, link: &mut Link, backoff: &mut Backoff) -> Result<()> {
        let mut mount = self.connect()?;
        self.welcome(link, &mount);
        *link = Link::Up;
        let mut said = Said::default();
        let mut next = self.clock.now();
        while !self.stop.requested() {
            self.beat.turn();
            // Asked right before it is needed: a board too busy to wake this thread in time must not look like servos
            // that have fallen silent.
            let feedback = mount.feedback(&self.stop)?;
            backoff.reset();
            self.act(&mut mount, &feedback, &mut said)?;
            // Ticks that were missed are not made up for.
            let now = self.clock.now();
            next = (next + PERIOD).max(now);
            self.clock.wait(&self.stop, next.since(now));
        }
        mount.release()?;
        info!(
            "{}",
            say!("servos released", "サーボのトルクを解放しました")
        );
        Ok(())
    }

    /// One decision and what follows from it.
    fn act(
        &self,
        mount: &mut Mount<SerialWire>,
        feedback: &Feedback,
        said: &mut Said,
    ) -> Result<()> {
        let action = lock(&self.follower).tick(self.clock.now(), feedback);
        match action.command {
            Some(command) => {
                mount.hold(command)?;
                if let Some(frame) = action.uses_frame {
                    self.trace.commanded(frame, self.clock.now(), command);
                }
            }
            None if said.holding => mount.release()?,
            None => {}
        }
        if said.holding != action.torque {
            said.holding = action.torque;
            if action.torque {
                info!("{}", say!("servos hold", "サーボのトルクをオンにしました"));
            } else {
                info!(
                    "{}",
                    say!(
                        "servos at rest, torque off",
                        "サーボ待機中、トルクをオフにしました"
                    )
                );
            }
        }
        if let Some(axis) = action.pressing {
            self.tell_pressing(axis, said);
        }
        Ok(())
    }

    fn tell_pressing(&self, axis: Axis, said: &mut Said) {
        let now = self.clock.now();
        let name = axis.name();
        if said.pressing[axis].is_some_and(|at| now.since(at) < TELL_PRESSING) {
            debug!("servo axis {name} presses against its end again");
            return;
        }
        said.pressing[axis] = Some(now);
        warn!(
            "{}",
            say!(
                "servo axis {name} presses against its end (load above 80 %); no further in that direction",
                "サーボ {name} 軸が機械的な限界に達しました (負荷80%超)。その方向への動作を停止します"
            )
        );
    }

    fn connect(&self) -> Result<Mount<SerialWire>> {
        let bus = open(&self.config, &self.clock, &self.stop)?;
        Mount::connect(
            bus,
            &self.config.axes,
            &self.tracking,
            Arc::clone(&self.clock),
            Arc::clone(&self.stats),
        )
    }

    /// Tells that the bus is there, and counts it if it had been lost.
    fn welcome(&self, link: &Link, mount: &Mount<SerialWire>) {
        let (port, axes) = (mount.port(), mount.answering());
        match link {
            Link::Awaited { told: None } => info!(
                "{}",
                say!("servos on {port}: {axes}", "サーボ接続: {port}: {axes}")
            ),
            Link::Awaited { told: Some(_) } => info!(
                "{}",
                say!(
                    "[SERVO_RECONNECT] servos are there on {port}: {axes}",
                    "[SERVO_RECONNECT] サーボが見つかりました: {port}: {axes}"
                )
            ),
            Link::Up | Link::Lost { .. } => {
                self.stats.servo_reconnects.increment();
                info!(
                    "{}",
                    say!(
                        "[SERVO_RECONNECT] servos are back on {port}: {axes}",
                        "[SERVO_RECONNECT] サーボに再接続しました: {port}: {axes}"
                    )
                );
            }
        }
    }

    /// Logs and counts why there is no bus, once for each reason: waiting on is no further fault.
    fn report(&self, link: Link, why: String) -> Link {
        let same = match &link {
            Link::Up | Link::Awaited { told: None } => false,
            Link::Awaited { told: Some(told) } | Link::Lost { told } => *told == why,
        };
        if same {
            debug!("still no servo bus: {why}");
            return link;
        }
        self.stats.servo_faults.increment();
        match link {
            Link::Up => {
                error!(
                    "{}",
                    say!(
                        "the servo bus is lost: {why}; trying again until it is back",
                        "サーボとの接続が切れました: {why}。復旧するまで再試行します"
                    )
                );
                Link::Lost { told: why }
            }
            Link::Awaited { .. } => {
                error!(
                    "{}",
                    say!(
                        "waiting for the servo port: {why}",
                        "サーボのポートを待っています: {why}"
                    )
                );
                Link::Awaited { told: Some(why) }
            }
            Link::Lost { .. } => {
                warn!(
                    "{}",
                    say!(
                        "the servo bus is still away: {why}",
                        "サーボはまだ復旧していません: {why}"
                    )
                );
                Link::Lost { told: why }
            }
        }
    }

    /// Waits, but not past the moment at which the port changes.
    fn pause(&self, pause: Duration, seen: &[(std::path::PathBuf, u64, u64)]) {
        let until = self.clock.now() + pause;
        loop {
            let left = until.since(self.clock.now());
            if left.is_zero()
                || self
                    .beat
                    .wait(self.clock.as_ref(), &self.stop, left.min(LOOK))
            {
                return;
            }
            let now = port::fingerprint(&self.config.port);
            if !now.is_empty() && now != seen {
                return;
            }
        }
    }
}

/// Opens the configured port, or with `auto` the first one on which the pan servo answers.
///
/// # Errors
/// No port can be opened; the message names each with its reason.
pub(super) fn open(
    config: &config::Servo,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
) -> Result<Bus<SerialWire>> {
    let paths = port::candidates(&config.port);
    let mut reasons = Vec::new();
    for path in &paths {
        if stop.requested() {
            break;
        }
        match port::open(path, config.baud) {
            Ok(wire) => {
                let mut bus = Bus::new(wire, Arc::clone(clock));
                let id = config.axes.pan.id;
                if config.port != port::AUTO || bus.is_there(id)? {
                    return Ok(bus);
                }
                reasons.push(format!("no servo {id} answers on {}", path.display()));
            }
            Err(e) => reasons.push(format!("{e:#}")),
        }
    }
    if reasons.is_empty() {
        anyhow::bail!(
            "no USB serial port is there: plug in the servo adapter, or name its port in \"servo.port\" \
             (--servo-port)"
        );
    }
    anyhow::bail!("{}", reasons.join("; "))
}
