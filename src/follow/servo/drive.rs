//! The servo loop: fifty times a second, for as long as the service runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow};
use log::debug;

use crate::base::backoff::Backoff;
use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime};
use crate::base::limited::{Limited, NotDone};
use crate::base::stats::Stats;
use crate::base::stop::{Stop, lock};
use crate::config::{self, Live};
use crate::follow::control::{Action, Axis, Each, Follower};
use crate::follow::trace::FrameTrace;
use crate::{say, say_error, say_info, say_warn};

use super::handover::{self, Lent};
use super::mount::Mount;
use super::opening::open;
use super::port::{self, SerialWire};
use super::protocol::{self, Limits};

/// Time between two commands.
pub const PERIOD: Duration = Duration::from_millis(20);
/// Time between two looks at servos without torque, as long as nobody is seen. Less than the quarter of a second after
/// which control takes an axis for silent.
const RESTING: Duration = Duration::from_millis(100);
/// While no bus can be had, a change of the port (plugged in, replaced) is noticed within this time.
const LOOK: Duration = Duration::from_millis(500);
/// Time for finding and opening the port and for setting the servos up; some USB adapters take 5 s to say no.
const CONNECT: Duration = Duration::from_secs(20);
/// So often it is looked whether a command wants the port.
const WANTED: Duration = Duration::from_millis(200);
/// Time for one tick. It takes milliseconds, and a second or two where no servo answers.
const TICK: Duration = Duration::from_secs(6);
/// Time for releasing the servos. Less than the second in which the service has to stop.
const RELEASE: Duration = Duration::from_millis(700);
/// Minimum interval between log messages about an axis that presses against its mechanical end.
const TELL_PRESSING: Duration = Duration::from_secs(600);

/// The thread that owns the servo bus.
pub struct ServoLoop {
    /// The port, and what answers there: simulated servos are not what the configuration says.
    pub config: config::Servo,
    /// What else counts: rate, axes, speed and acceleration. When that changes, the servos are set up anew.
    pub live: Live,
    /// Who decides.
    pub follower: Arc<Mutex<Follower>>,
    /// Receives the time at which a command based on a picture was written.
    pub trace: Arc<FrameTrace>,
    /// Where faults and reconnections are counted.
    pub stats: Arc<Stats>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
    /// The sign of life.
    pub beat: Beat,
    /// Where the port is opened, served and closed, each of which may hang with its driver.
    pub port: Limited<Mount<SerialWire>>,
}

/// What is known about the bus.
enum Link {
    /// It was never there; the last reason, once told.
    Awaited { told: Option<String> },
    /// It is, or was until just now.
    Up,
    /// It was there and is lost.
    Lost { told: String },
    /// A command has asked for it.
    Lent,
}

/// What the servos are set up by.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    servo: config::Servo,
    limits: Limits,
}

/// Why a connection was ended by us.
enum Over {
    Stopped,
    Changed,
}

/// What was done and said on one connection.
#[derive(Default)]
struct Said {
    /// Whether the servos were told to hold themselves.
    holding: bool,
    /// When they were last asked.
    asked: Option<Monotime>,
    /// When people were told that an axis presses.
    pressing: Each<Option<Monotime>>,
}

/// The port while it is served. Whatever ends that, also a panic, closes it, which releases the servos.
struct Open<'a>(&'a Limited<Mount<SerialWire>>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // What hangs is closed once it returns.
        let _ = self.0.close(RELEASE, drop);
    }
}

impl ServoLoop {
    /// Runs until a stop is requested; opens the bus again whenever it is lost. The servos are released
    /// when it returns.
    pub fn run(&self) {
        let mut link = Link::Awaited { told: None };
        let mut backoff = Backoff::device();
        // The port that broke last: with "auto" the others are tried before it.
        let mut broken = None;
        while !self.stop.requested() {
            let seen = self.fingerprint();
            let mut port = None;
            match self.run_once(&mut link, &mut backoff, broken.as_deref(), &mut port) {
                Ok(Over::Stopped) => return,
                Ok(Over::Changed) => {
                    lock(&self.follower).disconnected();
                    say_info!(
                        "servos are set up anew: their configuration has changed",
                        "設定が変更されたため、サーボを再設定します"
                    );
                    link = Link::Awaited { told: None };
                    continue;
                }
                Err(e) if e.is::<Lent>() => {
                    lock(&self.follower).disconnected();
                    link = self.lend(link);
                    backoff.reset();
                    let _ = self.beat.wait(self.clock.as_ref(), &self.stop, LOOK);
                    continue;
                }
                Err(e) => {
                    lock(&self.follower).disconnected();
                    link = self.report(link, format!("{e:#}"));
                }
            }
            broken = port.or(broken);
            self.pause(backoff.pause(), &seen);
        }
    }

    /// What the servos are set up by.
    fn settings(&self) -> Settings {
        let now = self.live.now();
        let is_real = now.servo.port == self.config.port;
        Settings {
            servo: if is_real {
                now.servo.clone()
            } else {
                self.config.clone()
            },
            limits: Limits::from(&now.tracking),
        }
    }

    /// Whoever decides goes by the configuration of now.
    fn retune(&self) {
        let now = self.live.now();
        lock(&self.follower).retune(&now.tracking, &now.servo.axes);
    }

    /// Opens the bus and serves it until a stop is requested, or until the servos have to be set up anew.
    fn run_once(
        &self,
        link: &mut Link,
        backoff: &mut Backoff,
        broken: Option<&Path>,
        port: &mut Option<PathBuf>,
    ) -> Result<Over> {
        let (mut generation, settings) = (self.live.generation(), self.settings());
        self.retune();
        self.connect(&settings, link, broken, port)?;
        let name = port.clone().unwrap_or_default();
        let mut looked = self.clock.now();
        let _closed_in_the_end = Open(&self.port);
        *link = Link::Up;
        let mut said = Said::default();
        let mut next = self.clock.now();
        let mut over = Over::Stopped;
        while !self.stop.requested() {
            self.beat.turn();
            if self.live.generation() != generation {
                generation = self.live.generation();
                self.retune();
                if self.settings() != settings {
                    over = Over::Changed;
                    break;
                }
            }
            if self.is_due(&said) {
                said.asked = Some(self.clock.now());
                match self.tick(said.holding) {
                    Err(e) if e.is::<NotDone>() && self.stop.requested() => break,
                    done => self.tell(done?, &mut said),
                }
                backoff.reset();
            }
            // Ticks that were missed are not made up for.
            let now = self.clock.now();
            if now.since(looked) >= WANTED {
                looked = now;
                if handover::is_wanted(&name) {
                    let released = self.port.close(RELEASE, |mut mount| mount.release());
                    released.map_err(|why| self.stuck(&why))?.transpose()?;
                    return Err(Lent.into());
                }
            }
            next = (next + PERIOD).max(now);
            self.clock.wait(&self.stop, next.since(now));
        }
        let released = self.port.close(RELEASE, |mut mount| mount.release());
        // Where the order came in the middle of a tick, they were released at the end of that.
        released.map_err(|why| self.stuck(&why))?.transpose()?;
        say_info!("servos released", "サーボのトルクを解放しました");
        Ok(over)
    }

    /// Whether the servos are to be asked now. Those without torque are asked less often until somebody is seen.
    fn is_due(&self, said: &Said) -> bool {
        let now = self.clock.now();
        said.holding
            || said.asked.is_none_or(|asked| now.since(asked) >= RESTING)
            || lock(&self.follower).is_called(now)
    }

    /// Asks the servos, decides, and tells them. All of it at the port's thread: its two wake-ups are the cost of a
    /// driver that may hang.
    fn tick(&self, holding: bool) -> Result<Action> {
        let (follower, trace) = (Arc::clone(&self.follower), Arc::clone(&self.trace));
        let (clock, stop) = (Arc::clone(&self.clock), self.stop.clone());
        let ticked = self.port.with(TICK, move |mount| -> Result<Action> {
            // Asked right before it is needed: a board too busy to wake this thread in time must not look like servos
            // that have fallen silent.
            let feedback = mount.feedback(&stop)?;
            let action = lock(&follower).tick(clock.now(), &feedback);
            match action.command {
                Some(command) => {
                    let command = mount.hold(command)?;
                    if let Some(frame) = action.uses_frame {
                        trace.commanded(frame, clock.now(), command);
                    }
                }
                None if holding => mount.release()?,
                None => {}
            }
            Ok(action)
        });
        match ticked {
            Ok(done) => done,
            Err(NotDone::Stopped) => Err(NotDone::Stopped.into()),
            Err(why) => Err(self.stuck(&why)),
        }
    }

    /// Says what has changed by a decision.
    fn tell(&self, action: Action, said: &mut Said) {
        if said.holding != action.torque {
            said.holding = action.torque;
            if action.torque {
                say_info!("servos hold", "サーボのトルクをオンにしました");
            } else if lock(&self.follower).rests_before_a_face() {
                let seconds = self.live.now().tracking.rest_after;
                say_info!(
                    "servos at rest, torque off: the face before them has not moved for {seconds} s",
                    "サーボ待機中、トルクをオフにしました（顔が {seconds} 秒間動いていません）"
                );
            } else {
                say_info!(
                    "servos at rest, torque off",
                    "サーボ待機中、トルクをオフにしました"
                );
            }
        }
        if let Some(axis) = action.pressing {
            self.tell_pressing(axis, said);
        }
    }

    fn stuck(&self, why: &NotDone) -> anyhow::Error {
        let port = &self.config.port;
        match why {
            NotDone::Hangs => anyhow!(say!(
                "the serial port {port} does not answer: its driver hangs; unplug the servo adapter and plug it in \
                 again, or restart the machine (dmesg | tail names what is stuck)",
                "シリアルポート {port} が応答しません（ドライバーの停止）。サーボアダプターを接続し直すか、再起動してください\
                 （dmesg | tail で停止箇所を確認できます）"
            )),
            why => anyhow!("{port}: {why}"),
        }
    }

    fn tell_pressing(&self, axis: Axis, said: &mut Said) {
        let now = self.clock.now();
        let name = axis.name();
        if said.pressing[axis].is_some_and(|at| now.since(at) < TELL_PRESSING) {
            debug!("servo axis {name} presses against its end again");
            return;
        }
        said.pressing[axis] = Some(now);
        say_warn!(
            "servo axis {name} presses against its end (load above 80 %); no further in that direction",
            "サーボ {name} 軸が機械的な限界に達しました (負荷80%超)。その方向への動作を停止します"
        );
    }

    /// Opens the bus at the port's thread. One that took longer than the limit is taken at the next call.
    fn connect(
        &self,
        settings: &Settings,
        link: &Link,
        broken: Option<&Path>,
        used: &mut Option<PathBuf>,
    ) -> Result<()> {
        let settings = settings.clone();
        let protocol = protocol::of(settings.servo.protocol);
        let broken = broken.map(Path::to_owned);
        let tried = Arc::new(Mutex::new(None));
        let trying = Arc::clone(&tried);
        let (clock, stop, stats) = (
            Arc::clone(&self.clock),
            self.stop.clone(),
            Arc::clone(&self.stats),
        );
        let connected = self.port.open(CONNECT, move || {
            let bus = open(&settings.servo, broken.as_deref(), &clock, &stop)?;
            *lock(&trying) = Some(PathBuf::from(bus.name()));
            Mount::connect(bus, &settings.servo.axes, settings.limits, clock, stats)
        });
        *used = lock(&tried).take();
        connected.map_err(|why| self.stuck(&why))??;
        let (port, axes) = self
            .port
            .with(TICK, |mount| (mount.port().to_owned(), mount.answering()))
            .map_err(|why| self.stuck(&why))?;
        self.welcome(link, &port, &axes);
        if let Some(what) = protocol.shortcomings()
            && matches!(link, Link::Awaited { .. })
        {
            let name = protocol.name();
            say_info!("servos of {name}: {what}", "サーボ ({name}): {what}");
        }
        Ok(())
    }

    /// What can be told about the port without opening it; nothing while that, too, hangs.
    fn fingerprint(&self) -> Vec<(PathBuf, u64, u64)> {
        let setting = self.config.port.clone();
        let look = move || port::fingerprint(&setting);
        self.port.run(TICK, look).unwrap_or_default()
    }

    /// Tells that the bus is there, and counts it if it had been lost.
    fn welcome(&self, link: &Link, port: &str, axes: &str) {
        match link {
            Link::Awaited { told: None } => {
                say_info!("servos on {port}: {axes}", "サーボ接続: {port}: {axes}")
            }
            Link::Awaited { told: Some(_) } => say_info!(
                "[SERVO_RECONNECT] servos are there on {port}: {axes}",
                "[SERVO_RECONNECT] サーボが見つかりました: {port}: {axes}"
            ),
            Link::Lent => say_info!(
                "servos taken back on {port}: {axes}",
                "サーボの使用を再開しました: {port}: {axes}"
            ),
            Link::Up | Link::Lost { .. } => {
                self.stats.servo_reconnects.increment();
                say_info!(
                    "[SERVO_RECONNECT] servos are back on {port}: {axes}",
                    "[SERVO_RECONNECT] サーボに再接続しました: {port}: {axes}"
                );
            }
        }
    }

    /// Says once that a command has the bus.
    fn lend(&self, link: Link) -> Link {
        if !matches!(link, Link::Lent) {
            say_info!(
                "the servos are released and lent to a \"facetap servo\" command; taken back when it ends",
                "サーボを解放し、\"facetap servo\" コマンドに渡しました。終了後に再開します"
            );
        }
        Link::Lent
    }

    /// Logs and counts why there is no bus, once for each reason: waiting on is no further fault.
    fn report(&self, link: Link, why: String) -> Link {
        let same = match &link {
            Link::Up | Link::Lent | Link::Awaited { told: None } => false,
            Link::Awaited { told: Some(told) } | Link::Lost { told } => *told == why,
        };
        if same {
            debug!("still no servo bus: {why}");
            return link;
        }
        self.stats.servo_faults.increment();
        match link {
            Link::Up | Link::Lent => {
                say_error!(
                    "the servo bus is lost: {why}; trying again until it is back",
                    "サーボとの接続が切れました: {why}。復旧するまで再試行します"
                );
                Link::Lost { told: why }
            }
            Link::Awaited { .. } => {
                say_error!(
                    "waiting for the servo port: {why}",
                    "サーボのポートを待っています: {why}"
                );
                Link::Awaited { told: Some(why) }
            }
            Link::Lost { .. } => {
                say_warn!(
                    "the servo bus is still away: {why}",
                    "サーボはまだ復旧していません: {why}"
                );
                Link::Lost { told: why }
            }
        }
    }

    /// Waits, but not past the moment at which the port changes.
    fn pause(&self, pause: Duration, seen: &[(PathBuf, u64, u64)]) {
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
            let now = self.fingerprint();
            if !now.is_empty() && now != seen {
                return;
            }
        }
    }
}
