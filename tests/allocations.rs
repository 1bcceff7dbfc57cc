//! The largest live allocations of a process, of Rust and of OpenCV, found with other threads allocating meanwhile.
//! This program has the same allocation functions as the real one.

#[path = "common/program.rs"]
mod program;

use std::ffi::c_void;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use facetap::watch::allocations::{self, Site};
use nix::libc;
use opencv::core::{CV_8UC3, Mat, Scalar, Size, Vector};
use opencv::{imgcodecs, imgproc};

facetap::record_allocations!();

/// Recording is one for the process; the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Recording, for one test.
struct Recording(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>);

impl Recording {
    fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        allocations::start().unwrap();
        Self(turn)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        allocations::stop();
    }
}

/// Threads that allocate and free all the time, sizes of all kinds, some freed by another thread.
struct Noise {
    stop: &'static AtomicBool,
    threads: Vec<JoinHandle<u64>>,
}

impl Noise {
    fn start() -> Self {
        let stop: &'static AtomicBool = Box::leak(Box::default());
        let work = |seed: u64| {
            let (give, take) = std::sync::mpsc::sync_channel::<Vec<u8>>(16);
            let freeing = thread::spawn(move || take.into_iter().map(|v| v.len() as u64).sum());
            let allocating = thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut kept: Vec<Vec<u8>> = Vec::new();
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut new = vec![1; 1 << random.u32(0..19)];
                    new.reserve(random.usize(0..5000));
                    match random.u8(0..3) {
                        0 => drop(give.send(new)),
                        1 => kept.push(new),
                        _ => drop(black_box(new)),
                    }
                    kept.truncate(10);
                    n += 1;
                }
                n
            });
            [freeing, allocating]
        };
        Self {
            stop,
            threads: [1, 2].into_iter().flat_map(work).collect(),
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            assert!(thread.join().unwrap() > 0);
        }
    }
}

fn find<'a>(sites: &'a [Site], what: &str) -> &'a Site {
    let of_three = sites.iter().take(3).find(|s| s.place.contains(what));
    of_three.unwrap_or_else(|| panic!("{what} is not among the first three of {sites:#?}"))
}

/// The estimates here have a standard deviation of at most a twelfth, so that none is ever as wrong as this.
fn is_about(estimate: u64, truth: u64) -> bool {
    estimate.abs_diff(truth) * 2 < truth
}

#[inline(never)]
fn leak_small(n: usize) -> Vec<Vec<u8>> {
    let mut kept = Vec::with_capacity(n);
    for _ in 0..n {
        kept.push(vec![7; 400]);
    }
    kept
}

#[test]
fn a_leak_of_rust_is_named_with_file_and_line_and_with_its_size() {
    let _recording = Recording::start();
    let noise = Noise::start();
    let kept = leak_small(100_000);
    let sites = allocations::largest(10).unwrap();
    noise.end();
    let site = find(&sites, "allocations::leak_small");
    assert!(
        site.place.starts_with("tests/allocations.rs:"),
        "{}",
        site.place
    );
    assert!(is_about(site.bytes, 100_000 * 400), "{site}");
    assert!(is_about(site.count, 100_000), "{site}");
    assert!(allocations::totals().unwrap().current_bytes > 15_000_000);
    drop(kept);
    let sites = allocations::largest(10).unwrap();
    assert!(
        !sites
            .iter()
            .any(|s| s.place.contains("leak_small") && s.bytes > 400_000),
        "{sites:#?}"
    );
    assert!(allocations::totals().unwrap().peak_bytes > 15_000_000);
}

#[inline(never)]
fn decoded(file: &Vector<u8>) -> Mat {
    imgcodecs::imdecode(file, imgcodecs::IMREAD_COLOR).unwrap()
}

#[inline(never)]
fn enlarged(picture: &Mat) -> Mat {
    let mut large = Mat::default();
    let size = Size::new(640, 480);
    imgproc::resize(picture, &mut large, size, 0.0, 0.0, imgproc::INTER_LINEAR).unwrap();
    large
}

#[test]
fn matrices_that_are_kept_are_named_by_the_function_of_opencv_and_its_caller() {
    let picture = Mat::new_rows_cols_with_default(120, 160, CV_8UC3, Scalar::all(90.0)).unwrap();
    let mut file = Vector::new();
    imgcodecs::imencode(".png", &picture, &mut file, &Vector::new()).unwrap();

    let _recording = Recording::start();
    let noise = Noise::start();
    let small: Vec<Mat> = (0..800).map(|_| decoded(&file)).collect();
    let large: Vec<Mat> = (0..40).map(|_| enlarged(&picture)).collect();
    let copies: Vec<Mat> = (0..800).map(|_| picture.clone()).collect();
    let sites = allocations::largest(10).unwrap();
    noise.end();

    let site = find(&sites, "cv::resize <- tests/allocations.rs:");
    assert!(site.place.contains("enlarged"), "{site}");
    assert!(is_about(site.bytes, 40 * 640 * 480 * 3), "{site}");
    let site = find(&sites, "decoded");
    assert!(site.place.starts_with("cv::im"), "{site}");
    assert!(is_about(site.bytes, 800 * 120 * 160 * 3), "{site}");
    let site = find(&sites, "cv::Mat::");
    assert!(is_about(site.bytes, 800 * 120 * 160 * 3), "{site}");
    drop((small, large, copies));
    let left = allocations::largest(10).unwrap();
    assert!(
        !left
            .iter()
            .any(|s| s.place.contains("cv::") && s.bytes > 500_000),
        "{left:#?}"
    );
}

#[test]
fn every_function_of_the_c_library_records_and_forgets() {
    const SIZE: usize = 32 << 20;
    let _recording = Recording::start();
    let live = || allocations::totals().unwrap().current_bytes as i64;
    let before = live();
    let rises = |to: usize, what: &str| {
        let now = live() - before;
        assert!(now.abs_diff(to as i64) < 4 << 20, "{what}: {now} of {to}");
    };
    // SAFETY: nothing is read or written, and each is freed once.
    unsafe {
        let mut other: *mut c_void = std::ptr::null_mut();
        assert_eq!(libc::posix_memalign(&raw mut other, 3, SIZE), libc::EINVAL);
        assert_eq!(libc::posix_memalign(&raw mut other, 4096, SIZE), 0);
        assert_eq!(other as usize % 4096, 0);
        for (what, new) in [
            ("malloc", libc::malloc(SIZE)),
            ("calloc", libc::calloc(SIZE / 8, 8)),
            ("realloc", libc::realloc(std::ptr::null_mut(), SIZE)),
            ("aligned_alloc", libc::aligned_alloc(64, SIZE)),
            ("memalign", libc::memalign(64, SIZE)),
            (
                "reallocarray",
                libc::reallocarray(std::ptr::null_mut(), SIZE / 8, 8),
            ),
            ("posix_memalign", other),
        ] {
            assert!(!new.is_null(), "{what}");
            black_box(new);
            libc::free(new);
        }
        rises(0, "all freed");

        let first = black_box(libc::malloc(SIZE));
        rises(SIZE, "malloc");
        let second = black_box(libc::realloc(first, 2 * SIZE));
        rises(2 * SIZE, "realloc");
        assert!(libc::realloc(second, usize::MAX / 2).is_null());
        assert!(libc::reallocarray(second, usize::MAX, 2).is_null());
        rises(2 * SIZE, "a realloc that fails");
        let third = black_box(libc::calloc(1, SIZE));
        rises(3 * SIZE, "calloc");
        libc::free(second);
        rises(SIZE, "free");
        libc::free(third);
        rises(0, "everything freed");
        assert!(libc::malloc(usize::MAX / 2).is_null());
        libc::free(std::ptr::null_mut());
    }
}

#[test]
fn nothing_is_recorded_after_the_end_and_what_was_is_forgotten() {
    let recording = Recording::start();
    let kept = vec![1u8; 8 << 20];
    assert!(allocations::totals().unwrap().current_bytes > 7_000_000);
    drop(recording);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(allocations::totals(), None);
    drop(kept);
    assert_eq!(allocations::largest(10).unwrap(), []);
    allocations::start().unwrap();
    assert!(allocations::totals().unwrap().current_bytes < 4_000_000);
    allocations::stop();
}

#[test]
fn the_real_program_records_when_its_configuration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(
        &config,
        r#"{"language": "en", "memory_monitor": {"enabled": true, "tracemalloc": true}}"#,
    )
    .unwrap();
    let log = folder.path().join("facetap.log");
    let done = std::process::Command::new(program::facetap())
        .args([
            "run",
            "--no-display",
            "--no-camera",
            "--no-servo",
            "--no-cards",
        ])
        .args(["--duration", "0.2", "--config"])
        .arg(&config)
        .arg("--log-file")
        .arg(&log)
        .env("STATE_DIRECTORY", folder.path())
        .env("RUNTIME_DIRECTORY", folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("memory_monitor.tracemalloc: allocations are recorded"),
        "{log}"
    );
}
