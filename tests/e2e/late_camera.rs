//! A camera on the network that looks where simulated servos stand, and is late.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use facetap::base::clock::{Clock, SystemClock};
use facetap::base::stop::{Reason, Stop, lock};
use facetap::base::threads::Threads;
use facetap::config::Config;
use facetap::follow::camera::simulated::draw::Painter;
use facetap::follow::camera::simulated::path::Visitor;
use facetap::follow::optics::Optics;
use facetap::follow::pose::Pose;
use facetap::follow::servo::SimulatedServos;
use opencv::core::{Mat, Vec3b, Vector};
use opencv::imgcodecs::imencode_def;
use opencv::prelude::VectorToVec as _;

const SIZE: (i32, i32) = (640, 480);
/// Between two samples of where the mount stands.
const SAMPLE: Duration = Duration::from_millis(5);

/// What the camera does.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Pictures a second.
    pub rate: u32,
    /// From exposure until a picture is sent.
    pub delay: Duration,
    /// By how much that differs from picture to picture, to either side.
    pub jitter: Duration,
    /// From so many seconds after the arrival on the delay is another one.
    pub later: Option<(f64, Duration)>,
    /// Whether a part says how long it is.
    pub lengths: bool,
    /// Where the face is, so many seconds after its arrival.
    pub face: fn(f64) -> Pose,
}

/// A place and when the mount was there, in seconds since the arrival.
type Track = Vec<(f64, Pose)>;

struct Shared {
    setting: Setting,
    stop: Stop,
    arrived: Mutex<Option<Instant>>,
    /// Pictures that are under way, with when they are due.
    under_way: Mutex<VecDeque<(Instant, Arc<Vec<u8>>)>>,
    more: Condvar,
    track: Mutex<Track>,
}

/// The camera with its servos; gone when dropped.
pub struct LateCamera {
    shared: Arc<Shared>,
    threads: Option<Threads>,
    clock: Arc<dyn Clock>,
    /// The servos' port.
    pub servo_port: String,
    /// Where the stream is.
    pub url: String,
}

impl LateCamera {
    /// Nobody is before it until somebody [arrives](Self::arrive).
    pub fn start(setting: Setting) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stop = Stop::new();
        let mut threads = Threads::default();
        let axes = Config::default().servo.axes;
        let servos =
            SimulatedServos::start(&axes, Arc::clone(&clock), &stop, &mut threads).unwrap();
        let servo_port = servos.path().display().to_string();
        let pose = servos.pose();
        Self::with(
            setting,
            servo_port,
            Arc::new(move || pose.now()),
            stop,
            threads,
        )
    }

    /// The same on a mount of somebody else, which is where `pose` says.
    pub fn on(setting: Setting, pose: impl Fn() -> Pose + Send + Sync + 'static) -> Self {
        Self::with(
            setting,
            String::new(),
            Arc::new(pose),
            Stop::new(),
            Threads::default(),
        )
    }

    fn with(
        setting: Setting,
        servo_port: String,
        pose: Arc<dyn Fn() -> Pose + Send + Sync>,
        stop: Stop,
        mut threads: Threads,
    ) -> Self {
        let config = Config::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shared = Arc::new(Shared {
            setting,
            stop: stop.clone(),
            arrived: Mutex::default(),
            under_way: Mutex::default(),
            more: Condvar::new(),
            track: Mutex::default(),
        });
        let sampler = Arc::clone(&shared);
        let start = |threads: &mut Threads, name, body: Box<dyn FnOnce() + Send>| {
            threads.start(name, &stop, body).unwrap();
        };
        let looks = Arc::clone(&pose);
        start(
            &mut threads,
            "where it stands",
            Box::new(move || sampler.sample(&*looks)),
        );
        let painter = Painter::new(Optics::new(&config.camera), SIZE.0, SIZE.1).unwrap();
        let camera = Arc::clone(&shared);
        start(
            &mut threads,
            "late camera",
            Box::new(move || camera.expose(painter, &*pose)),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = Arc::clone(&shared);
        start(
            &mut threads,
            "late stream",
            Box::new(move || server.listen(&listener)),
        );
        Self {
            shared,
            threads: Some(threads),
            clock,
            servo_port,
            url,
        }
    }

    /// Somebody comes before the camera. Times count from here on.
    pub fn arrive(&self) {
        *lock(&self.shared.arrived) = Some(Instant::now());
        lock(&self.shared.track).clear();
    }

    /// Where the mount has been since the arrival.
    pub fn track(&self) -> Track {
        lock(&self.shared.track).clone()
    }
}

impl Drop for LateCamera {
    fn drop(&mut self) {
        self.shared.stop.request(Reason::Duration);
        self.shared.more.notify_all();
        if let Some(threads) = self.threads.take() {
            threads.join(&self.clock, Duration::from_secs(5));
        }
    }
}

impl Shared {
    fn since_arrival(&self) -> Option<f64> {
        lock(&self.arrived).map(|at| at.elapsed().as_secs_f64())
    }

    fn sample(&self, pose: &dyn Fn() -> Pose) {
        while !self.stop.wait(SAMPLE) {
            let now = pose();
            if let Some(seconds) = self.since_arrival() {
                lock(&self.track).push((seconds, now));
            }
        }
    }

    /// Makes pictures at a steady rate, each of the moment.
    fn expose(&self, mut painter: Painter, pose: &dyn Fn() -> Pose) {
        let period = Duration::from_secs_f64(1.0 / f64::from(self.setting.rate));
        let mut random = fastrand::Rng::with_seed(5);
        let mut next = Instant::now();
        while !self
            .stop
            .wait(next.saturating_duration_since(Instant::now()))
        {
            let now = Instant::now();
            next = (next + period).max(now);
            let seconds = self.since_arrival();
            let visitor = seconds.map(|seconds| Visitor {
                place: (self.setting.face)(seconds),
                height: 0.2,
            });
            let mut data = painter.picture(pose(), visitor).unwrap();
            let jpeg = jpeg(&mut data);
            let delay = match (self.setting.later, seconds) {
                (Some((from, delay)), Some(seconds)) if seconds >= from => delay,
                _ => self.setting.delay,
            };
            let jitter = self.setting.jitter.as_secs_f64() * (random.f64() * 2.0 - 1.0);
            let late = Duration::from_secs_f64((delay.as_secs_f64() + jitter).max(0.0));
            lock(&self.under_way).push_back((now + late, jpeg));
            self.more.notify_all();
        }
    }

    fn listen(&self, listener: &TcpListener) {
        listener.set_nonblocking(true).unwrap();
        while !self.stop.wait(Duration::from_millis(20)) {
            if let Ok((viewer, _)) = listener.accept() {
                // One viewer at a time; that it leaves is no fault.
                let _ = self.serve(viewer);
            }
        }
    }

    fn serve(&self, viewer: TcpStream) -> std::io::Result<()> {
        viewer.set_nonblocking(false)?;
        viewer.set_nodelay(true)?;
        viewer.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut request = BufReader::new(viewer.try_clone()?).lines();
        while request
            .next()
            .is_some_and(|line| line.is_ok_and(|l| !l.is_empty()))
        {}
        let mut viewer = viewer;
        viewer.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
        )?;
        while let Some(jpeg) = self.next() {
            let mut part = b"--frame\r\nContent-Type: image/jpeg\r\n".to_vec();
            if self.setting.lengths {
                part.extend(format!("Content-Length: {}\r\n", jpeg.len()).bytes());
            }
            part.extend(b"\r\n");
            part.extend(jpeg.iter());
            part.extend(b"\r\n");
            viewer.write_all(&part)?;
        }
        Ok(())
    }

    /// Waits for the next picture that is due; none at the end.
    fn next(&self) -> Option<Arc<Vec<u8>>> {
        let mut under_way = lock(&self.under_way);
        loop {
            if self.stop.requested() {
                return None;
            }
            let now = Instant::now();
            let wait = match under_way.front() {
                // Pictures do not overtake each other.
                Some((due, _)) if *due <= now => return under_way.pop_front().map(|(_, j)| j),
                Some((due, _)) => *due - now,
                None => Duration::from_millis(50),
            };
            under_way = self.more.wait_timeout(under_way, wait).unwrap().0;
        }
    }
}

fn jpeg(bgr: &mut [u8]) -> Arc<Vec<u8>> {
    let picture = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(SIZE.1, SIZE.0, bgr).unwrap();
    let mut jpeg = Vector::<u8>::new();
    assert!(imencode_def(".jpg", &picture, &mut jpeg).unwrap());
    Arc::new(jpeg.to_vec())
}
