//! What recording allocations costs: `cargo bench --bench allocations`.
//!
//! Each piece of work is done with recording off and on in turn, in one process, so that whatever else the machine
//! does meanwhile meets both alike. What counts is the processor time; printed is the middle of the ratios of
//! neighbours.

use std::ffi::c_void;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use facetap::base::clock::{Clock, SystemClock};
use facetap::base::stop::Stop;
use facetap::config::Config;
use facetap::follow::camera::Env;
use facetap::follow::camera::Grab;
use facetap::follow::camera::source::{self, SourceKind};
use facetap::follow::detect;
use facetap::follow::pose::Pose;
use facetap::watch::allocations;
use nix::libc;
use nix::time::{ClockId, clock_gettime};

facetap::record_allocations!();

// SAFETY: glibc's own functions under their second names.
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(old: *mut c_void);
}

const ROUNDS: usize = 201;

/// Processor time of this process so far, of all its threads.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .unwrap()
        .into()
}

/// Which of two ways a piece of work is done.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    First,
    Second,
}

/// Times both ways in turn and prints their ratio; `prepare` is called before each and is not timed.
fn compare(name: &str, mut prepare: impl FnMut(Way), mut work: impl FnMut(Way)) {
    let mut time = |way| {
        prepare(way);
        let begin = spent();
        work(way);
        spent() - begin
    };
    let (mut ratios, mut times): (Vec<f64>, Vec<Duration>) = (0..ROUNDS)
        .map(|round| {
            // Whoever comes second finds a warmer cache.
            let (first, second) = if round % 2 == 0 {
                let first = time(Way::First);
                (first, time(Way::Second))
            } else {
                let second = time(Way::Second);
                (time(Way::First), second)
            };
            (second.as_secs_f64() / first.as_secs_f64(), first)
        })
        .unzip();
    ratios.sort_by(f64::total_cmp);
    times.sort();
    println!(
        "{name:48} {:6.3} (half of them {:.3} to {:.3}), the first way {:.2?}",
        ratios[ROUNDS / 2],
        ratios[ROUNDS / 4],
        ratios[ROUNDS * 3 / 4],
        times[ROUNDS / 2]
    );
}

fn record(way: Way) {
    allocations::stop();
    if way == Way::Second {
        allocations::start().unwrap();
    }
}

/// Many small allocations, of which some live for a while, and nothing else: the worst case.
fn small(random: &mut fastrand::Rng, kept: &mut [Vec<u8>]) {
    for _ in 0..50_000 {
        let new = Vec::with_capacity(random.usize(1..1000));
        let place = random.usize(0..kept.len());
        kept[place] = black_box(new);
    }
}

/// Resident memory that belongs to no file, in KiB.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap()
}

/// What giving memory back brings after a peak of 64 MB in small pieces, of which every hundredth stays.
fn trimming() {
    let before = anonymous();
    let mut all: Vec<Option<Box<[u8; 1000]>>> =
        (0..64_000).map(|_| Some(Box::new([1; 1000]))).collect();
    let peak = anonymous();
    for (n, piece) in all.iter_mut().enumerate() {
        if n % 100 != 0 {
            *piece = None;
        }
    }
    let freed = anonymous();
    let begin = spent();
    allocations::trim();
    let took = spent() - begin;
    println!(
        "a peak of 64 MB: {before} KiB before, {peak} at the peak, {freed} when freed, {} after trim(), which took \
         {took:.2?}",
        anonymous()
    );
    drop(black_box(all));
}

fn main() {
    let mut config = Config::default();
    config.detector.model_dir = std::env::var_os("FACETAP_MODELS").map(Into::into);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = Stop::new();
    let env = Env::new(Arc::clone(&clock), Arc::new(|| Pose::HOME), &stop);
    let mut camera = source::open(&SourceKind::Simulated, &config.camera, &env).unwrap();
    let picture = loop {
        if let Grab::Frame(frame) = camera.grab(&stop).unwrap() {
            break frame.picture;
        }
    };
    let mut detector = detect::open(&config.detector, Path::new("data")).unwrap();

    allocations::tune();
    let nothing = |_| ();
    compare(
        "malloc and free of 64 bytes: off / glibc's own",
        nothing,
        |way| {
            for _ in 0..200_000 {
                // SAFETY: freed at once, by the function that belongs to the one that allocated.
                unsafe {
                    match way {
                        Way::First => __libc_free(black_box(__libc_malloc(black_box(64)))),
                        Way::Second => libc::free(black_box(libc::malloc(black_box(64)))),
                    }
                }
            }
        },
    );
    let mut random = fastrand::Rng::with_seed(1);
    let mut kept = vec![Vec::new(); 10_000];
    compare("50,000 small allocations: on / off", record, |_| {
        small(&mut random, &mut kept);
    });
    compare(
        &format!("5 pictures, {}: on / off", detector.describe()),
        record,
        |_| {
            for _ in 0..5 {
                black_box(detector.detect(&picture).unwrap());
            }
        },
    );
    trimming();
}
