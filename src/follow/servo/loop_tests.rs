//! The real loop over real pseudo-terminals.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Zoned;

use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime, SystemClock};
use crate::base::limited::Limited;
use crate::base::stats::Stats;
use crate::base::stop::{Reason, Stop, lock};
use crate::base::threads::Threads;
use crate::config::Config;
use crate::follow::control::{Axis, Follower, Mode, Observation};
use crate::follow::detect::{Face, Point};
use crate::follow::optics::{Optics, from_room};
use crate::follow::pose::Pose;
use crate::follow::trace::FrameTrace;

use super::port;
use super::{ServoLoop, SimulatedServos};

/// A board that wakes whoever waits on it only after a third of a second more.
#[derive(Default)]
struct BusyClock(AtomicU64);

impl Clock for BusyClock {
    fn now(&self) -> Monotime {
        SystemClock.now() + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn boottime(&self) -> Duration {
        SystemClock.boottime()
    }

    fn wall(&self) -> Zoned {
        SystemClock.wall()
    }

    fn wait(&self, stop: &Stop, timeout: Duration) -> bool {
        self.0.fetch_add(333, Ordering::Relaxed);
        SystemClock.wait(stop, timeout)
    }
}

/// Far longer than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(60);

struct Service {
    follower: Arc<Mutex<Follower>>,
    stats: Arc<Stats>,
    clock: Arc<dyn Clock>,
    stop: Stop,
    threads: Threads,
}

impl Service {
    fn new(config: &Config) -> Self {
        let follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
        Self {
            follower: Arc::new(Mutex::new(follower)),
            stats: Arc::default(),
            clock: Arc::new(SystemClock),
            stop: Stop::new(),
            threads: Threads::default(),
        }
    }

    fn simulate(&mut self, config: &Config, stop: &Stop) -> SimulatedServos {
        let clock = Arc::clone(&self.clock);
        SimulatedServos::start(&config.servo.axes, clock, stop, &mut self.threads).unwrap()
    }

    fn drive(&mut self, config: &Config, port: &Path) {
        self.drive_by(Arc::clone(&self.clock), config, port);
    }

    fn drive_by(&mut self, clock: Arc<dyn Clock>, config: &Config, port: &Path) {
        let mut servo = config.servo.clone();
        servo.port = port.to_string_lossy().into_owned();
        let servos = ServoLoop {
            config: servo,
            tracking: config.tracking.clone(),
            follower: Arc::clone(&self.follower),
            trace: Arc::new(FrameTrace::default()),
            stats: Arc::clone(&self.stats),
            clock,
            stop: self.stop.clone(),
            beat: Beat::default(),
            port: Limited::new("servo-port", &self.stop, &Beat::default()),
        };
        self.threads
            .start("servos", &self.stop, move || servos.run())
            .unwrap();
    }

    /// Waits until `done`, doing `meanwhile` every 33 ms.
    fn until(&self, what: &str, mut meanwhile: impl FnMut(u64), mut done: impl FnMut() -> bool) {
        let start = self.clock.now();
        for frame in 0.. {
            meanwhile(frame);
            if done() {
                return;
            }
            assert!(
                self.clock.now().since(start) < LONG,
                "waited in vain: {what}"
            );
            self.clock.wait(&Stop::new(), Duration::from_millis(33));
        }
    }

    fn see(&self, config: &Config, frame: u64, mount: Pose, room: Pose) {
        let now = self.clock.now();
        lock(&self.follower).observe(Observation {
            frame,
            captured: now,
            now,
            width: 640,
            height: 480,
            face: face(config, mount, room),
        });
    }

    fn end(self) {
        self.stop.request(Reason::Duration);
        assert!(self.threads.join(&self.clock, LONG).is_empty());
    }

    fn mode(&self) -> Mode {
        lock(&self.follower).mode()
    }
}

fn face(config: &Config, mount: Pose, room: Pose) -> Option<Face> {
    let (direction, _) = from_room(mount, room);
    let (x, y) = Optics::new(&config.camera).pixel(direction, 640.0, 480.0)?;
    let (x, y) = (x as f32, y as f32);
    Some(Face {
        x: x - 40.0,
        y: y - 40.0,
        w: 80.0,
        h: 80.0,
        left_eye: Point { x: x - 20.0, y },
        right_eye: Point { x: x + 20.0, y },
        score: 0.9,
    })
}

fn near(a: Pose, b: Pose) -> bool {
    (a.pan - b.pan).abs() < 2.0 && (a.tilt - b.tilt).abs() < 2.0
}

const ROOM: Pose = Pose {
    pan: 18.0,
    tilt: -9.0,
    roll: 0.0,
};

#[test]
fn turns_to_a_face_and_lets_go_at_the_end() {
    let config = Config::default();
    let mut service = Service::new(&config);
    let stop = service.stop.clone();
    let servos = service.simulate(&config, &stop);
    let pose = servos.pose();
    service.drive(&config, servos.path());
    service.until(
        "the face in the middle",
        |frame| service.see(&config, frame, pose.now(), ROOM),
        || near(pose.now(), ROOM),
    );
    assert_eq!(pose.torque(), [true; 3]);
    let faults = service.stats.servo_faults.get();
    assert_eq!(service.stats.servo_reconnects.get(), 0);
    service.end();
    assert_eq!(pose.torque(), [false; 3]);
    assert!(faults < 10, "{faults}");
}

#[test]
fn goes_home_and_rests_when_nobody_is_there() {
    let config = Config::default();
    let mut service = Service::new(&config);
    let stop = service.stop.clone();
    let servos = service.simulate(&config, &stop);
    let pose = servos.pose();
    service.drive(&config, servos.path());
    service.until("rest", |_| (), || service.mode() == Mode::Resting);
    service.until("torque off", |_| (), || pose.torque() == [false; 3]);
    assert!(near(pose.now(), Pose::HOME));
    // A face wakes it up again.
    service.until(
        "the face in the middle",
        |frame| service.see(&config, frame, pose.now(), ROOM),
        || near(pose.now(), ROOM),
    );
    service.end();
}

#[test]
fn servos_of_a_busy_board_are_not_taken_for_silent() {
    let config = Config::default();
    let mut service = Service::new(&config);
    let stop = service.stop.clone();
    let servos = service.simulate(&config, &stop);
    let clock = Arc::new(BusyClock::default());
    service.drive_by(clock, &config, servos.path());
    service.until("rest", |_| (), || service.mode() == Mode::Resting);
    service.end();
}

#[test]
fn a_port_that_is_replaced_is_opened_again() {
    let config = Config::default();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("servos");
    let mut service = Service::new(&config);
    // Absent at first.
    service.drive(&config, &link);
    service.until(
        "a first attempt",
        |_| (),
        || service.stats.servo_faults.get() > 0,
    );

    let first_stop = Stop::new();
    let first = service.simulate(&config, &first_stop);
    std::os::unix::fs::symlink(first.path(), &link).unwrap();
    let pose = first.pose();
    service.until("the first bus", |_| (), || pose.torque() == [true; 3]);
    assert_eq!(service.stats.servo_reconnects.get(), 0);

    // Unplugged: its far end closes.
    first_stop.request(Reason::Duration);
    std::fs::remove_file(&link).unwrap();
    service.until("the loss", |_| (), || service.mode() == Mode::Absent);

    let stop = service.stop.clone();
    let second = service.simulate(&config, &stop);
    std::os::unix::fs::symlink(second.path(), &link).unwrap();
    let pose = second.pose();
    service.until(
        "the face in the middle again",
        |frame| service.see(&config, frame, pose.now(), ROOM),
        || near(pose.now(), ROOM),
    );
    assert_eq!(service.stats.servo_reconnects.get(), 1);
    service.end();
    assert_eq!(pose.torque(), [false; 3]);
}

#[test]
fn a_servo_that_lost_its_power_is_set_up_again() {
    let config = Config::default();
    let mut service = Service::new(&config);
    let stop = service.stop.clone();
    let servos = service.simulate(&config, &stop);
    let pose = servos.pose();
    service.drive(&config, servos.path());
    let see = |frame| service.see(&config, frame, pose.now(), ROOM);
    service.until("torque", see, || pose.torque() == [true; 3]);
    pose.blink(Axis::Tilt);
    assert_eq!(pose.torque(), [true, true, false]);
    service.until("torque again", see, || pose.torque() == [true; 3]);
    service.until("the face in the middle", see, || near(pose.now(), ROOM));
    service.end();
}

#[test]
fn a_directory_as_port_is_waited_on_until_servos_are_there() {
    let config = Config::default();
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    std::fs::create_dir(&port).unwrap();
    let mut service = Service::new(&config);
    service.drive(&config, &port);
    service.until("a fault", |_| (), || service.stats.servo_faults.get() > 0);
    assert_eq!(service.mode(), Mode::Absent);
    let stop = service.stop.clone();
    let servos = service.simulate(&config, &stop);
    std::fs::remove_dir(&port).unwrap();
    std::os::unix::fs::symlink(servos.path(), &port).unwrap();
    service.until("the servos", |_| (), || service.mode() != Mode::Absent);
    service.end();
}

#[test]
fn a_dead_bus_does_not_hold_up_the_end() {
    let config = Config::default();
    let pair = port::pair().unwrap();
    let mut service = Service::new(&config);
    service.drive(&config, &pair.path);
    service.until("a fault", |_| (), || service.stats.servo_faults.get() > 0);
    service.end();
    drop(pair);
}

#[test]
fn a_probe_tells_of_every_axis() {
    let mut config = Config::default().servo;
    config.port = super::SIMULATED.to_owned();
    let text = super::probe(config.clone()).unwrap();
    assert!(
        text.contains("pan: id 1, position 2048 (0.0 degrees), 7.4 V, 30 °C"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4, "{text}");
    config.port = "/".to_owned();
    let e = super::probe(config).unwrap_err();
    assert!(e.to_string().contains("is a directory"), "{e}");
}
