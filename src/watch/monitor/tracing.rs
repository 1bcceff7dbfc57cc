//! The largest allocation sites, in the words of Python's `tracemalloc`, beside the memory log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::memory_log::MemoryFile;
use super::sample::megabytes;
use crate::say_warn;
use crate::watch::allocations::Site;

/// Every so many samples the sites are listed.
const EVERY: u64 = 10;
/// So many of them.
const LARGEST: usize = 10;

/// What the program holds, as its allocator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Live bytes.
    pub current: u64,
    /// The most that ever lived.
    pub peak: u64,
    /// The largest sites, largest first.
    pub sites: Vec<Site>,
}

/// Where the sites come from: the ten or so largest.
pub type Source = Arc<dyn Fn(usize) -> anyhow::Result<Traced> + Send + Sync>;

/// Counts samples, and lists the sites at every tenth.
pub(super) struct Tracing {
    source: Source,
    samples: u64,
    at_work: Arc<AtomicBool>,
}

impl Tracing {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            samples: 0,
            at_work: Arc::default(),
        }
    }

    /// Notes a sample. At every tenth, the list is made and written by a thread of its own: to find names for
    /// addresses takes seconds on a board, and the monitor must not wait. One that is still at work is left alone.
    pub(super) fn sampled(&mut self, file: &MemoryFile) {
        self.samples += 1;
        if !self.samples.is_multiple_of(EVERY) || self.at_work.swap(true, Ordering::AcqRel) {
            return;
        }
        let (source, file, at_work) = (
            Arc::clone(&self.source),
            file.clone(),
            Arc::clone(&self.at_work),
        );
        let started = std::thread::Builder::new()
            .name("tracemalloc".to_owned())
            .spawn(move || {
                match source(LARGEST) {
                    Ok(traced) => file.put(&block(&traced)),
                    Err(e) => say_warn!(
                        "the allocation sites cannot be listed: {e:#}",
                        "メモリ割り当て箇所を取得できません: {e:#}"
                    ),
                }
                at_work.store(false, Ordering::Release);
            });
        if started.is_err() {
            self.at_work.store(false, Ordering::Release);
        }
    }
}

/// The block as the old client wrote it.
fn block(traced: &Traced) -> String {
    let mut text = format!(
        "  [tracemalloc] Current: {:.2}MB, Peak: {:.2}MB\n  [Top 10 メモリ消費箇所]\n",
        megabytes(traced.current),
        megabytes(traced.peak)
    );
    for site in &traced.sites {
        text += &format!("    {}\n", site.to_string().replace(char::is_control, " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::time::{Duration, Instant};

    #[test]
    fn the_block_is_that_of_the_old_client() {
        let traced = Traced {
            current: 40_317_747,
            peak: 44_166_021,
            sites: vec![Site {
                place: "/path/to/file:123".into(),
                bytes: 5_452_595,
                count: 1234,
            }],
        };
        assert_eq!(
            block(&traced),
            "  [tracemalloc] Current: 38.45MB, Peak: 42.12MB\n  [Top 10 メモリ消費箇所]\n    \
             /path/to/file:123: size=5.2 MiB, count=1234, average=4.3 KiB\n"
        );
    }

    #[test]
    fn only_every_tenth_sample_is_listed_and_nobody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let file = MemoryFile::new(&dir.path().join("x.log"), &Config::default().log);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let source: Source = Arc::new(move |n| {
            // Held up until the test has seen that the samples go on.
            let _ = wait.lock().unwrap().recv();
            assert_eq!(n, 10);
            Ok(Traced {
                current: 1 << 20,
                peak: 2 << 20,
                sites: Vec::new(),
            })
        });
        let mut tracing = Tracing::new(source);
        for _ in 0..35 {
            tracing.sampled(&file);
        }
        let path = dir.path().join("memory_usage.log");
        assert!(!path.exists(), "the list is held up");
        drop(go);
        let begin = Instant::now();
        while tracing.at_work.load(Ordering::Acquire) && begin.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text.matches("[tracemalloc]").count(),
            1,
            "the third sample found it at work"
        );
    }
}
