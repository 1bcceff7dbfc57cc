//! What one turn of each loop costs: `cargo bench`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use facetap::attend::ledger::{Entry, Ledger, roster};
use facetap::attend::reader::Moment;
use facetap::attend::reader::atr::CardType;
use facetap::attend::uid::Uid;
use facetap::base::card_status::Queues;
use facetap::base::clock::{Clock, Monotime, SystemClock};
use facetap::base::stats::Counters;
use facetap::base::stop::Stop;
use facetap::config::Config;
use facetap::config::RosterColumns;
use facetap::follow::camera::Env;
use facetap::follow::camera::source::{self, SourceKind};
use facetap::follow::camera::{Grab, Picture};
use facetap::follow::control::{AxisFeedback, Each, Feedback, Follower, Observation};
use facetap::follow::detect::{self, Face, Point};
use facetap::follow::pose::Pose;
use facetap::watch::logging::Logging;
use facetap::watch::monitor::{Line, Live, Readings, Watcher};

/// One picture of the simulated camera.
fn picture(config: &Config, clock: &Arc<dyn Clock>) -> Picture {
    let stop = Stop::new();
    let env = Env::new(Arc::clone(clock), Arc::new(|| Pose::HOME), &stop);
    let mut camera = source::open(&SourceKind::Simulated, &config.camera, &env).unwrap();
    loop {
        if let Grab::Frame(frame) = camera.grab(&stop).unwrap() {
            return frame.picture;
        }
    }
}

fn detection(c: &mut Criterion) {
    let mut config = Config::default();
    config.detector.model_dir = std::env::var_os("FACETAP_MODELS").map(Into::into);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let picture = picture(&config, &clock);
    let mut detector = detect::open(&config.detector, Path::new("data")).unwrap();
    println!("detector: {}", detector.describe());
    c.bench_function("detect the simulated face", |b| {
        b.iter(|| detector.detect(&picture).unwrap())
    });
}

fn following(c: &mut Criterion) {
    let config = Config::default();
    let mut follower = Follower::new(&config.tracking, &config.camera, &config.servo.axes);
    let mut now = Monotime::default();
    let mut frame = 0;
    let face = Face {
        x: 400.0,
        y: 200.0,
        w: 90.0,
        h: 110.0,
        left_eye: Point { x: 425.0, y: 240.0 },
        right_eye: Point { x: 465.0, y: 244.0 },
        score: 0.9,
    };
    c.bench_function("observe a face and decide a command", |b| {
        b.iter(|| {
            now = now + Duration::from_millis(20);
            frame += 1;
            follower.observe(Observation {
                frame,
                captured: now,
                now,
                width: 640,
                height: 480,
                face: Some(face),
            });
            let axes = Each::new(|_| {
                Some(AxisFeedback {
                    angle: 0.0,
                    load: 0.0,
                })
            });
            follower.tick(now, &Feedback { at: now, axes })
        });
    });
}

fn recording(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path()).unwrap();
    let at = Moment::now(&SystemClock);
    let mut n = 0u64;
    c.bench_function("record a tap, durable", |b| {
        b.iter(|| {
            n += 1;
            let uid = Uid::new(&n.to_be_bytes()).unwrap();
            let entry = Entry {
                uid,
                card: CardType::Felica,
                name: None,
                reader: "bench",
                at: &at,
                in_view: None,
                review: None,
            };
            ledger.record(&entry, Duration::from_secs(60)).unwrap()
        });
    });
}

fn naming(c: &mut Criterion) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (0..10_000)
        .map(|n| format!("04{n:06X}A1B2C3,社員 {n}\n"))
        .collect();
    std::fs::write(file.path(), lines).unwrap();
    c.bench_function("read a roster of 10,000 cards", |b| {
        let (columns, tapped) = (RosterColumns::default(), roster::Tapped::default());
        b.iter(|| roster::read(file.path(), &columns, &tapped).unwrap());
    });
}

/// What a line costs the thread that logs it. The last one: the lines go to standard error as well.
fn logging(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let settings = Config::default().log;
    let logging = Logging::start(&dir.path().join("facetap.log"), &settings).unwrap();
    c.bench_function("log a line", |b| {
        b.iter_custom(|lines| {
            let mut spent = Duration::ZERO;
            for n in 0..lines {
                let begin = Instant::now();
                log::info!("card reader {n}: 0114B34D82179A04 counted (tap {n})");
                spent += begin.elapsed();
                // A queue that is full would be cheaper than one that takes the line.
                if n % 500 == 499 {
                    logging.flush();
                }
            }
            spent
        });
    });
}

fn monitoring(c: &mut Criterion) {
    let here = Path::new(".");
    let mut readings = Live::new(Path::new("/"), here, here);
    let mut watcher = Watcher::new(&Config::default().monitor);
    let clock = SystemClock;
    let start = clock.now();
    c.bench_function("take, judge and write a sample of the monitor", |b| {
        b.iter(|| {
            let now = clock.now();
            let (sample, failures) = readings.sample(now);
            let uptime = now.since(start);
            let said = watcher.look(now, uptime, &sample, failures);
            let line = Line {
                uptime,
                sample: &sample,
                counters: Counters::default(),
                queues: Queues::default(),
            };
            (said, line.to_string())
        });
    });
}

criterion_group!(
    benches, detection, following, recording, naming, logging, monitoring
);
criterion_main!(benches);
