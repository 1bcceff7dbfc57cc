//! What a process uses, and a process for one test alone.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Cycles after which everything that is made once has been made.
const WARM: usize = 100;
/// Cycles altogether.
pub const CYCLES: usize = 1000;
/// Resident memory may grow by so many KiB.
const GROWTH: i64 = 2048;
/// Set in the process of one test.
const ALONE: &str = "FACETAP_TEST_ALONE";
/// Threads that were told to end, and the last words of a connection, are given so long.
const SETTLE: Duration = Duration::from_secs(2);

/// What a process uses.
#[derive(Debug, Clone, Copy)]
struct Figures {
    descriptors: usize,
    threads: usize,
    rss_kib: i64,
}

impl Figures {
    fn now() -> Self {
        let entries = |folder: &str| std::fs::read_dir(folder).unwrap().count();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|l| l.split_whitespace().next()).unwrap();
        Self {
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            rss_kib: rss.parse().unwrap(),
        }
    }

    /// The least within a short while: what is about to end does not count.
    fn settled() -> Self {
        let begin = Instant::now();
        let mut least = Self::now();
        while begin.elapsed() < SETTLE {
            std::thread::sleep(SETTLE / 40);
            let now = Self::now();
            least.descriptors = least.descriptors.min(now.descriptors);
            least.threads = least.threads.min(now.threads);
            least.rss_kib = least.rss_kib.min(now.rss_kib);
        }
        least
    }

    fn has_more_than(&self, before: &Self) -> bool {
        self.descriptors > before.descriptors
            || self.threads > before.threads
            || self.rss_kib > before.rss_kib + GROWTH
    }
}

/// Goes through a thousand cycles; `cycles` goes through as many as it is told. Panics if more is used at the end than
/// after the first hundred.
pub fn a_thousand_times(what: &str, mut cycles: impl FnMut(usize)) {
    cycles(WARM);
    let warm = Figures::settled();
    cycles(CYCLES - WARM);
    let now = Figures::settled();
    let figures = format!("{what}: after {WARM} cycles {warm:?}, after {CYCLES} {now:?}");
    println!("{figures}");
    assert!(!now.has_more_than(&warm), "{figures}");
}

/// Does the cycles on several threads at once; each is told its number and how many it has to do.
pub fn side_by_side(threads: usize, cycles: usize, body: impl Fn(usize, usize) + Sync) {
    std::thread::scope(|scope| {
        for n in 0..threads {
            let body = &body;
            // Rounded up: rather one too many.
            scope.spawn(move || body(n, cycles.div_ceil(threads)));
        }
    });
}

/// Runs the body of the test of this name in a process in which nothing else happens.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "yes")
        // glibc gives each new thread one of eight heaps per core; which one it gets would be the noise in the figures.
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    println!("{said}");
    // That of a child is not that of this test.
    for line in said.lines().filter(|l| l.starts_with("SKIPPED")) {
        eprintln!("{line}");
    }
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "no test is called {test}");
}

#[test]
fn growth_is_seen() {
    let before = Figures::now();
    let more = |change: fn(&mut Figures)| {
        let mut now = before;
        change(&mut now);
        now.has_more_than(&before)
    };
    assert!(more(|f| f.descriptors += 1));
    assert!(more(|f| f.threads += 1));
    assert!(more(|f| f.rss_kib += GROWTH + 1));
    assert!(!more(|f| f.rss_kib += GROWTH));
}
