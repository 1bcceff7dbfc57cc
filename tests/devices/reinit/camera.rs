//! The camera: a stream that breaks off again and again, a clip that is opened and closed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use facetap::base::beat::Beat;
use facetap::base::clock::{Clock, SystemClock};
use facetap::base::slot::{Slot, Taken};
use facetap::base::stats::Stats;
use facetap::base::stop::{Reason, Stop};
use facetap::config::{Camera, Config, Source};
use facetap::follow::camera::{self, Capture, CaptureFeedback, Grab};
use facetap::follow::pose::Pose;
use opencv::core::{CV_8UC3, Mat, Scalar, Size, Vector};
use opencv::prelude::*;
use opencv::{imgcodecs, videoio};

use super::hasty::HastyClock;
use super::measure::{a_thousand_times, alone};
use crate::daemon::wait_until;

/// Pictures of a stream before it breaks off.
const PICTURES: usize = 3;

fn picture() -> Mat {
    Mat::new_rows_cols_with_default(120, 160, CV_8UC3, Scalar::all(90.0)).unwrap()
}

fn camera_at(source: String) -> Camera {
    Camera {
        source: Source::Name(source),
        // The first failure is enough.
        errors_before_reinit: 1,
        ..Config::default().camera
    }
}

fn env(clock: Arc<dyn Clock>, stop: &Stop) -> camera::Env {
    camera::Env::new(clock, Arc::new(|| Pose::HOME), stop)
}

/// A camera on the network that hangs up after a few pictures. Gives its address, and counts whom it has served.
fn fickle_camera() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let mut jpeg = Vector::<u8>::new();
    assert!(imgcodecs::imencode_def(".jpg", &picture(), &mut jpeg).unwrap());
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    std::thread::spawn(move || {
        for link in listener.incoming() {
            let mut link = link.unwrap();
            let mut request = [0; 1024];
            // Whoever hangs up first is of no interest.
            let _ = link.read(&mut request);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
            let part = format!(
                "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                jpeg.len()
            );
            let part = [part.as_bytes(), jpeg.as_slice(), b"\r\n"].concat();
            let _ = link.write_all(&[head.as_bytes(), &part.repeat(PICTURES)].concat());
            drop(link);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, served)
}

/// The capture thread over this camera, which is opened so often.
fn capture(address: &str, served: &Arc<AtomicUsize>, cycles: usize) {
    let (config, stop) = (camera_at(address.to_owned()), Stop::new());
    let kind = camera::classify(&config).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(HastyClock::default());
    let env = env(Arc::clone(&clock), &stop);
    let stats = Arc::new(Stats::default());
    let slot = Arc::new(Slot::default());
    let open = {
        let (stop, config, served) = (stop.clone(), config.clone(), Arc::clone(served));
        let before = served.load(Ordering::SeqCst);
        let mut opened = 0;
        move || {
            wait_until("the end of the connection before", || {
                (served.load(Ordering::SeqCst) >= before + opened).then_some(())
            });
            opened += 1;
            if opened == cycles {
                stop.request(Reason::Duration);
            }
            camera::open(&kind, &config, &env)
        }
    };
    let mut capture = Capture {
        open: Box::new(open),
        feedback: Arc::new(CaptureFeedback::new(Arc::clone(&stats))),
        camera: config,
        slot: Arc::clone(&slot),
        stats: Arc::clone(&stats),
        clock,
        stop,
        next_number: 0,
        beat: Beat::default(),
    };
    let thread = std::thread::spawn(move || capture.run());
    let mut pictures = 0;
    loop {
        match slot.take(Duration::from_secs(1)) {
            Taken::Item(_) => pictures += 1,
            Taken::Nothing => {}
            Taken::Closed => break,
        }
    }
    thread.join().unwrap();
    assert!(pictures >= cycles / 2, "{pictures} pictures");
    assert_eq!(stats.camera_reinits.get() as usize, cycles - 1);
}

#[test]
fn a_stream_that_breaks_off_a_thousand_times() {
    alone(
        "reinit::camera::a_stream_that_breaks_off_a_thousand_times",
        || {
            let (address, served) = fickle_camera();
            a_thousand_times("stream", |cycles| capture(&address, &served, cycles));
        },
    );
}

/// A clip of one second, as cameras record it.
fn record(file: &str) {
    let fourcc = videoio::VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap();
    let size = Size::new(160, 120);
    let mut writer = videoio::VideoWriter::new_with_backend(
        file,
        videoio::CAP_OPENCV_MJPEG,
        fourcc,
        25.0,
        size,
        true,
    )
    .unwrap();
    for _ in 0..25 {
        writer.write(&picture()).unwrap();
    }
    writer.release().unwrap();
}

#[test]
fn a_clip_and_the_simulated_camera_opened_a_thousand_times() {
    alone(
        "reinit::camera::a_clip_and_the_simulated_camera_opened_a_thousand_times",
        || {
            let folder = tempfile::tempdir().unwrap();
            let clip = folder
                .path()
                .join("clip.avi")
                .to_string_lossy()
                .into_owned();
            record(&clip);
            for source in [clip, "simulated".to_owned()] {
                let (config, stop) = (camera_at(source.clone()), Stop::new());
                let kind = camera::classify(&config).unwrap();
                let env = env(Arc::new(SystemClock), &stop);
                a_thousand_times(&source, |cycles| {
                    for _ in 0..cycles {
                        let mut camera = camera::open(&kind, &config, &env).unwrap();
                        wait_until("a picture", || match camera.grab(&stop).unwrap() {
                            Grab::Frame(frame) => Some(frame),
                            Grab::Nothing => None,
                            Grab::End => panic!("{source} ended"),
                        });
                    }
                });
            }
        },
    );
}
