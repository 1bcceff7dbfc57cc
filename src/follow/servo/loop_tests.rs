//! The real loop over real pseudo-terminals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Zoned;

use crate::base::clock::{Clock, Monotime, SystemClock};
use crate::base::stop::{Reason, Stop, lock};
use crate::config::Config;
use crate::follow::control::{Axis, Follower, Mode};
use crate::follow::optics::{Optics, from_room};
use crate::follow::pose::Pose;

use super::loop_scene::{Service, face_at};
use super::{PoseHandle, SimulatedServos, port};

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

/// Servos that end with `stop`.
fn simulate(service: &mut Service, stop: &Stop) -> SimulatedServos {
    let (axes, clock) = (&service.config.servo.axes, Arc::clone(&service.clock));
    SimulatedServos::start(axes, clock, stop, &mut service.threads).unwrap()
}

/// The loop with servos that end with the service.
fn simulated() -> (Service, PoseHandle) {
    let mut service = Service::new();
    let stop = service.stop.clone();
    let servos = simulate(&mut service, &stop);
    service.drive(servos.path());
    (service, servos.pose())
}

/// A picture by the mount in `pose` of a face that stands at [`ROOM`].
fn see(service: &Service, frame: u64, pose: &PoseHandle) {
    see_at(service, frame, pose, ROOM);
}

/// The same of one that stands there.
fn see_at(service: &Service, frame: u64, pose: &PoseHandle, room: Pose) {
    let (direction, _) = from_room(pose.now(), room);
    let pixel = Optics::new(&service.config.camera).pixel(direction, 640.0, 480.0);
    service.see(frame, pixel.map(|(x, y)| face_at(x as f32, y as f32)));
}

fn until_in_the_middle(service: &Service, pose: &PoseHandle) {
    service.until(
        "the face in the middle",
        |frame| see(service, frame, pose),
        || near(pose.now(), ROOM),
    );
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
    let (service, pose) = simulated();
    until_in_the_middle(&service, &pose);
    assert_eq!(pose.torque(), [true; 3]);
    let faults = service.stats.servo_faults.get();
    assert_eq!(service.stats.servo_reconnects.get(), 0);
    service.end();
    assert_eq!(pose.torque(), [false; 3]);
    assert!(faults < 10, "{faults}");
}

#[test]
fn goes_home_and_rests_when_nobody_is_there() {
    let (service, pose) = simulated();
    service.until("rest", |_| (), || service.mode() == Mode::Resting);
    service.until("torque off", |_| (), || pose.torque() == [false; 3]);
    assert!(near(pose.now(), Pose::HOME));
    // A face wakes it up again.
    until_in_the_middle(&service, &pose);
    service.end();
}

#[test]
fn lets_go_before_a_face_that_does_not_move_and_follows_it_when_it_does() {
    let mut service = Service::new();
    service.config.tracking.rest_after = 2.0;
    let (tracking, camera) = (&service.config.tracking, &service.config.camera);
    let axes = &service.config.servo.axes;
    *lock(&service.follower) = Follower::new(tracking, camera, axes);
    let stop = service.stop.clone();
    let servos = simulate(&mut service, &stop);
    service.drive(servos.path());
    let pose = servos.pose();
    until_in_the_middle(&service, &pose);
    let portrait = |frame| see(&service, frame, &pose);
    service.until("torque off", portrait, || pose.torque() == [false; 3]);
    assert!(near(pose.now(), ROOM), "it stands where it was");
    let elsewhere = Pose { pan: -5.0, ..ROOM };
    let moves = |frame| see_at(&service, frame, &pose, elsewhere);
    service.until("the face elsewhere", moves, || near(pose.now(), elsewhere));
    service.end();
}

#[test]
fn servos_of_a_busy_board_are_not_taken_for_silent() {
    let mut service = Service::new();
    let stop = service.stop.clone();
    let servos = simulate(&mut service, &stop);
    let clock = Arc::new(BusyClock::default());
    service.drive_by(clock, servos.path());
    service.until("rest", |_| (), || service.mode() == Mode::Resting);
    service.end();
}

#[test]
fn a_port_that_is_replaced_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("servos");
    let mut service = Service::new();
    // Absent at first.
    service.drive(&link);
    service.until(
        "a first attempt",
        |_| (),
        || service.stats.servo_faults.get() > 0,
    );

    let first_stop = Stop::new();
    let first = simulate(&mut service, &first_stop);
    std::os::unix::fs::symlink(first.path(), &link).unwrap();
    let pose = first.pose();
    service.until("the first bus", |_| (), || pose.torque() == [true; 3]);
    assert_eq!(service.stats.servo_reconnects.get(), 0);

    // Unplugged: its far end closes.
    first_stop.request(Reason::Duration);
    std::fs::remove_file(&link).unwrap();
    service.until("the loss", |_| (), || service.mode() == Mode::Absent);

    let stop = service.stop.clone();
    let second = simulate(&mut service, &stop);
    std::os::unix::fs::symlink(second.path(), &link).unwrap();
    let pose = second.pose();
    until_in_the_middle(&service, &pose);
    assert_eq!(service.stats.servo_reconnects.get(), 1);
    service.end();
    assert_eq!(pose.torque(), [false; 3]);
}

#[test]
fn a_servo_that_lost_its_power_is_set_up_again() {
    let (service, pose) = simulated();
    let see = |frame| see(&service, frame, &pose);
    service.until("torque", see, || pose.torque() == [true; 3]);
    pose.blink(Axis::Tilt);
    assert_eq!(pose.torque(), [true, true, false]);
    service.until("torque again", see, || pose.torque() == [true; 3]);
    until_in_the_middle(&service, &pose);
    service.end();
}

#[test]
fn a_directory_as_port_is_waited_on_until_servos_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let port = folder.path().join("port");
    std::fs::create_dir(&port).unwrap();
    let mut service = Service::new();
    service.drive(&port);
    service.until("a fault", |_| (), || service.stats.servo_faults.get() > 0);
    assert_eq!(service.mode(), Mode::Absent);
    let stop = service.stop.clone();
    let servos = simulate(&mut service, &stop);
    std::fs::remove_dir(&port).unwrap();
    std::os::unix::fs::symlink(servos.path(), &port).unwrap();
    service.until("the servos", |_| (), || service.mode() != Mode::Absent);
    service.end();
}

#[test]
fn a_dead_bus_does_not_hold_up_the_end() {
    let pair = port::pair().unwrap();
    let mut service = Service::new();
    service.drive(&pair.path);
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

#[test]
fn of_several_ports_the_first_with_a_servo_is_taken_and_one_that_breaks_is_passed_over() {
    let mut service = Service::new();
    let stop = service.stop.clone();
    let sound = simulate(&mut service, &stop);
    // One at which nobody answers, one that is hung up, one that is no port.
    let silent = port::pair().unwrap();
    let broken = port::pair().unwrap();
    let gone = broken.path.clone();
    drop(broken);
    let mut config = service.config.servo.clone();
    config.port = port::AUTO.to_owned();
    let paths = [
        gone.clone(),
        "/dev/null".into(),
        silent.path.clone(),
        sound.path().to_owned(),
    ];
    let bus = super::opening::open_first(&paths, &config, &service.clock, &stop).unwrap();
    assert_eq!(bus.name(), sound.path().to_string_lossy());
    let none = super::opening::open_first(&paths[..3], &config, &service.clock, &stop);
    let why = none.err().unwrap().to_string();
    for path in &paths[..3] {
        assert!(why.contains(&*path.to_string_lossy()), "{why}");
    }
    drop(bus);
    service.end();
}
