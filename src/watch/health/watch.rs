//! The thread that looks after all others. It feeds the watchdog, so nothing here waits for a disk: what is to be
//! written goes to threads of its own ([`Disk`], [`Keeper`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::info;

use super::disk::Disk;
use super::exit::Keeper;
use super::restart::{Now, Plan, Restart};
use super::state::{Counters, Devices, LoopState, Phase, State};
use super::{notify, restart};
use crate::base::beat::{Beats, Pulse};
use crate::base::card_status::Queues;
use crate::base::clock::{Clock, Monotime, rfc3339};
use crate::base::stop::{Reason, Stop};
use crate::config::Live;
use crate::watch::crash;
use crate::watch::monitor::{self, megabytes};
use crate::{say, say_critical};

/// Time between two looks.
const TICK: Duration = Duration::from_secs(1);
/// How often the file is written where nothing moves: no picture, no tap, no device that comes or goes.
const AT_REST: Duration = Duration::from_secs(5);
/// The same where that wears a disk, whatever is counted.
const ON_DISK: Duration = Duration::from_secs(60);
/// Grace period after suspend or SIGCONT.
const AFTER_SLEEP: Duration = Duration::from_secs(10);
/// The log gets this long to write down what hangs.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What the loops know about themselves and the thread asks for.
pub trait Vitals: Send {
    /// Counters, devices, queues and memory of the state; `rss` in bytes.
    fn fill(&self, state: &mut State, rss: u64);

    /// When a card was last held to a reader.
    fn last_card(&self) -> Option<Monotime>;

    /// Whether a face is in view.
    fn face(&self) -> bool;

    /// Whether taps are on their way to the server.
    fn sending(&self) -> bool;

    /// Resident memory in bytes.
    fn rss(&self) -> u64;

    /// In what time the memory reaches its limit, if it grows.
    fn full_in(&self) -> Option<Duration>;
}

/// The thread's parts.
pub struct Health {
    /// The loops.
    pub beats: Beats,
    /// What is known of everything else.
    pub vitals: Box<dyn Vitals>,
    /// What does not change: version, paths, the exit before.
    pub state: State,
    /// The file; none where none can be written.
    pub file: Option<PathBuf>,
    /// When to restart, and the limit of memory.
    pub live: Live,
    /// How long the service runs at least before that limit is applied.
    pub rest: Duration,
    /// Whether the service is ready.
    pub ready: Arc<AtomicBool>,
    /// The record of this run.
    pub record: Arc<std::sync::Mutex<Keeper>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
}

impl Health {
    /// Looks until the order to stop.
    pub fn run(&mut self) {
        let start = self.clock.now();
        let tick = notify::watchdog().map_or(TICK, |limit| TICK.min(limit / 4));
        let in_data_dir = |file: &PathBuf| file.parent() == Some(self.state.data_dir.as_path());
        let wears = self.file.as_ref().is_some_and(in_data_dir);
        let every = if wears { ON_DISK } else { AT_REST };
        self.state.every_s = every.as_secs();
        let mut generation = self.live.generation();
        let mut restart = Restart::new(self.plan());
        let (mut written, mut said) = (None::<Monotime>, String::new());
        let mut told = self.news(wears);
        let mut disk = Disk::new(self.file.clone());
        let (mut last, mut grace) = (start, start);
        loop {
            let now = self.clock.now();
            if now.since(last) > tick * 3 {
                grace = now + AFTER_SLEEP;
            }
            last = now;
            let pulses = self.beats.pulses(now);
            if now >= grace && pulses.iter().any(|p| !p.is_alive()) && !self.stop.requested() {
                self.end_hung(&pulses, &disk);
            }
            notify::alive();
            let rss = self.vitals.rss();
            self.fill(start, &pulses, rss);
            let news = self.news(wears);
            if written.is_none_or(|at| now.since(at) >= every) || news != told {
                if disk.write(&self.state) {
                    (written, told) = (Some(now), news);
                }
                let line = status_line(&self.state);
                if line != said {
                    notify::status(&line);
                    said = line;
                }
            }
            crate::base::stop::lock(&self.record).note(self.clock.as_ref());
            disk.look_around(now);
            if self.live.generation() != generation {
                generation = self.live.generation();
                restart.change(self.plan());
            }
            self.consider(&mut restart, now, now.since(start), rss);
            if self.clock.wait(&self.stop, tick) {
                break;
            }
        }
        self.fill(start, &[], self.vitals.rss());
        self.state.state = Phase::Stopping;
        self.state.ended = self.stop.reason().map(|reason| reason.to_string());
        disk.write(&self.state);
    }

    fn plan(&mut self) -> Plan {
        let config = self.live.now();
        let hours = config.restart_hours;
        let plan = Plan {
            every: (hours > 0.0).then(|| Duration::from_secs_f64(hours * 3600.0)),
            limit: monitor::rss_limit_bytes(&config.monitor),
            rest: self.rest,
        };
        self.state.memory.limit_mb = megabytes(plan.limit);
        plan
    }

    fn consider(&self, restart: &mut Restart, now: Monotime, uptime: Duration, rss: u64) {
        let why = restart.decide(&Now {
            at: now,
            uptime,
            card: self.vitals.last_card().map(|at| now.since(at)),
            face: self.vitals.face(),
            sending: self.vitals.sending(),
            rss,
            full_in: self.vitals.full_in(),
        });
        if let Some(why) = why {
            info!("[AUTO_RESTART] {why}");
            self.stop.request(Reason::Restart {
                why: why.to_string(),
                memory: matches!(why, restart::Why::Memory { .. }),
            });
        }
    }

    /// Names what hangs and ends the process, so that it is started again.
    fn end_hung(&mut self, pulses: &[Pulse], disk: &Disk) {
        let hung: Vec<_> = pulses.iter().filter(|p| !p.is_alive()).collect();
        let names: Vec<_> = hung.iter().map(|p| p.name).collect();
        crash::show_first(&names);
        let describe = |p: &&Pulse| format!("{} ({:.0} s)", p.name, p.silent.as_secs_f64());
        let hung = hung.iter().map(describe).collect::<Vec<_>>().join(", ");
        let what = say!(
            "hung, no sign of life: {hung}",
            "応答のないループがあります: {hung}"
        );
        say_critical!(
            "{what}; ending, to be started again (traces in crash.log)",
            "{what}。再起動のため終了します（crash.log に記録）"
        );
        crate::base::stop::lock(&self.record).end(&what, false, self.clock.as_ref());
        self.state.ended = Some(what);
        disk.write(&self.state);
        // Not by the order to stop: what hangs does not hear it.
        self.clock.wait(&Stop::new(), LAST_WORDS);
        log::logger().flush();
        std::process::abort();
    }

    fn fill(&mut self, start: Monotime, pulses: &[Pulse], rss: u64) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        self.state.updated = rfc3339(&wall);
        self.state.updated_boot_s = Some(tenths(self.clock.boottime()));
        self.state.uptime_s = tenths(now.since(start));
        self.state.state = if self.ready.load(Ordering::Relaxed) {
            Phase::Ready
        } else {
            Phase::Starting
        };
        if !pulses.is_empty() {
            self.state.loops = pulses.iter().map(loop_state).collect();
        }
        self.vitals.fill(&mut self.state, rss);
    }

    /// What is written down at once. Where that wears a disk: only what nobody waits for a minute to see.
    fn news(&self, wears: bool) -> News {
        let state = &self.state;
        News {
            phase: state.state,
            reloads: state.reloads,
            restarts: state.loops.values().map(|l| l.restarts).sum(),
            devices: Devices {
                faces: state.devices.faces.filter(|_| !wears),
                ..state.devices.clone()
            },
            moves: (!wears).then(|| {
                let troubled = (state.troubled.rejected, state.troubled.held_up);
                (state.counters, state.queues, troubled)
            }),
        }
    }
}

/// See [`Health::news`].
#[derive(PartialEq)]
struct News {
    phase: Phase,
    reloads: u64,
    restarts: u64,
    devices: Devices,
    /// Counters, queues, rejected and held-up taps.
    moves: Option<(Counters, Queues, (u64, u64))>,
}

/// Seconds, to the tenth.
fn tenths(d: Duration) -> f64 {
    (d.as_secs_f64() * 10.0).round() / 10.0
}

fn loop_state(pulse: &Pulse) -> (String, LoopState) {
    let state = LoopState {
        alive: pulse.is_alive(),
        silent_s: tenths(pulse.silent),
        limit_s: pulse.limit.as_secs_f64(),
        restarts: pulse.restarts,
    };
    (pulse.name.to_owned(), state)
}

/// What `systemctl status` shows.
fn status_line(state: &State) -> String {
    let devices = &state.devices;
    let yes_no = |there: bool| {
        if there {
            say!("ok", "正常")
        } else {
            say!("none", "なし")
        }
    };
    let mut parts = Vec::new();
    if let Some(camera) = devices.camera {
        parts.push(say!("camera {}", "カメラ {}", yes_no(camera)));
    }
    if let Some(servo) = devices.servo {
        parts.push(say!("servos {}", "サーボ {}", yes_no(servo)));
    }
    if let Some(readers) = devices.readers {
        parts.push(say!("readers {readers}", "カードリーダー {readers}"));
        let waiting = state.queues.taps_waiting;
        let server = &devices.server;
        parts.push(say!(
            "server {server}, waiting {waiting}",
            "サーバー {server}, 未送信 {waiting}"
        ));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts a tap in the tenth second, looks at the file whenever it is asked, and stops in the last.
    struct Scripted {
        clock: Arc<dyn Clock>,
        file: PathBuf,
        written: Arc<std::sync::Mutex<Vec<f64>>>,
        /// The second in which it stops.
        last: u64,
        /// How often the thread has come round, each time having fed the watchdog.
        looks: Arc<std::sync::atomic::AtomicU64>,
        stop: Stop,
    }

    impl Vitals for Scripted {
        fn fill(&self, state: &mut State, _rss: u64) {
            self.looks.fetch_add(1, Ordering::Relaxed);
            let second = self.clock.now().since_zero().as_secs();
            state.counters.taps = u64::from(second >= 10);
            state.devices.faces = Some(u32::from(second >= 13));
            let mut written = crate::base::stop::lock(&self.written);
            if let Ok(there) = crate::watch::health::state::read(&self.file)
                && written.last() != Some(&there.uptime_s)
            {
                written.push(there.uptime_s);
            }
            if second == self.last {
                self.stop.request(Reason::Duration);
            }
        }
        fn last_card(&self) -> Option<Monotime> {
            None
        }
        fn face(&self) -> bool {
            false
        }
        fn sending(&self) -> bool {
            false
        }
        fn rss(&self) -> u64 {
            0
        }
        fn full_in(&self) -> Option<Duration> {
            None
        }
    }

    /// In which seconds of [`Scripted`] the file is written.
    fn written(in_data_dir: bool) -> Vec<f64> {
        let folder = tempfile::tempdir().unwrap();
        let written = Arc::default();
        scripted(folder.path(), in_data_dir, 20, Arc::clone(&written)).run();
        crate::base::stop::lock(&written).clone()
    }

    fn scripted(
        folder: &std::path::Path,
        in_data_dir: bool,
        last: u64,
        written: Arc<std::sync::Mutex<Vec<f64>>>,
    ) -> Health {
        let clock: Arc<dyn Clock> = crate::base::clock::ManualClock::shared(Duration::ZERO);
        let (file, stop) = (folder.join("health.json"), Stop::new());
        let mut state = State::default();
        if in_data_dir {
            folder.clone_into(&mut state.data_dir);
        }
        let record = Keeper::begin(&folder.join("record"), "boot", clock.as_ref()).0;
        Health {
            beats: Beats::default(),
            vitals: Box::new(Scripted {
                clock: Arc::clone(&clock),
                file: file.clone(),
                written,
                last,
                looks: Arc::default(),
                stop: stop.clone(),
            }),
            state,
            file: Some(file),
            live: Live::new(crate::config::Config::default()),
            rest: Duration::ZERO,
            ready: Arc::default(),
            record: Arc::new(std::sync::Mutex::new(record)),
            clock,
            stop,
        }
    }

    /// A pipe that nobody reads holds whoever opens it for writing, as a disk that stands still does. What is held is let
    /// go at the end.
    struct Frozen(Vec<PathBuf>);

    impl Frozen {
        fn at(files: &[PathBuf]) -> Self {
            for file in files {
                let _ = std::fs::remove_file(file);
                nix::unistd::mkfifo(file, nix::sys::stat::Mode::S_IRWXU).unwrap();
            }
            Self(files.to_vec())
        }
    }

    impl Drop for Frozen {
        fn drop(&mut self) {
            use std::os::unix::fs::OpenOptionsExt as _;
            for file in &self.0 {
                let mut options = std::fs::OpenOptions::new();
                options.read(true).custom_flags(nix::libc::O_NONBLOCK);
                let _ = options.open(file);
            }
        }
    }

    #[test]
    fn a_frozen_disk_holds_nobody_up_at_any_uptime() {
        // The record is noted in the 300th second, which is when a disk that stood still once ended the service.
        for (health, record) in [(true, false), (false, true), (true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let mut thread = scripted(folder.path(), false, 700, Arc::default());
            let mut files = Vec::new();
            if health {
                files.push(folder.path().join("health.new"));
            }
            if record {
                files.push(folder.path().join("record/last-exit.new"));
            }
            let frozen = Frozen::at(&files);
            let looks = Arc::new(std::sync::atomic::AtomicU64::new(0));
            let seen = Arc::clone(&looks);
            let clock = Arc::clone(&thread.clock);
            thread.vitals = Box::new(Scripted {
                file: folder.path().join("health.json"),
                clock,
                written: Arc::default(),
                last: 700,
                looks: seen,
                stop: thread.stop.clone(),
            });
            thread.run();
            assert_eq!(
                looks.load(Ordering::Relaxed),
                702,
                "one a second, two at the end"
            );
            drop(frozen);
        }
    }

    #[test]
    fn where_nothing_moves_little_is_written_and_a_tap_is_seen_at_once() {
        assert_eq!(written(false), [0.0, 5.0, 10.0, 13.0, 18.0]);
        // An SD card is worn for what nobody waits a minute to see only.
        assert_eq!(written(true), [0.0]);
    }

    #[test]
    fn the_line_for_the_service_manager_names_what_is_in_use() {
        let state = State {
            devices: Devices {
                camera: Some(true),
                servo: None,
                readers: Some(2),
                server: "up".to_owned(),
                faces: None,
            },
            queues: Queues {
                taps_waiting: 3,
                ..Queues::default()
            },
            ..State::default()
        };
        assert_eq!(
            status_line(&state),
            "camera ok, readers 2, server up, waiting 3"
        );
    }
}
