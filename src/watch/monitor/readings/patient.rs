//! Readings that may hang (a disk on a dead network, a driver of a sensor or a graphics card), waited for up to a limit.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;

use super::{Failure, Live, Readings};
use crate::base::beat::Beat;
use crate::base::clock::Monotime;
use crate::base::limited::Limited;
use crate::base::stop::Stop;
use crate::say;
use crate::watch::monitor::sample::Sample;

/// Time for all readings of a sample, which takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// [`Live`] on a thread of its own.
#[derive(Debug)]
pub struct Patient {
    live: Limited<Live>,
    root: PathBuf,
    log_folder: PathBuf,
    data_folder: PathBuf,
}

impl Patient {
    /// As [`Live::new`]. `beat` is that of who waits.
    #[must_use]
    pub fn new(
        root: PathBuf,
        log_folder: PathBuf,
        data_folder: PathBuf,
        stop: &Stop,
        beat: &Beat,
    ) -> Self {
        Self {
            live: Limited::new("readings", stop, beat),
            root,
            log_folder,
            data_folder,
        }
    }
}

impl Readings for Patient {
    fn sample(&mut self, now: Monotime) -> (Sample, Vec<Failure>) {
        let (root, log, data) = (
            self.root.clone(),
            self.log_folder.clone(),
            self.data_folder.clone(),
        );
        let opened = self.live.open(LIMIT, move || {
            Ok::<_, std::convert::Infallible>(Live::new(&root, &log, &data))
        });
        let sampled = opened.and_then(|_| self.live.with(LIMIT, move |live| live.sample(now)));
        sampled.unwrap_or_else(|why| {
            let why = anyhow!(say!(
                "{why}; a disk or a driver hangs (dmesg | tail names it)",
                "{why}（ディスクまたはドライバーの停止。dmesg | tail で確認できます）"
            ));
            let what = "readings";
            (Sample::default(), vec![Failure { what, why }])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_handed_through() {
        let here = PathBuf::from(".");
        let mut readings = Patient::new(
            "/".into(),
            here.clone(),
            here,
            &Stop::new(),
            &Beat::default(),
        );
        for _ in 0..2 {
            let (sample, failures) = readings.sample(Monotime::default());
            assert!(failures.is_empty(), "{failures:?}");
            assert!(sample.rss_bytes.is_some());
        }
    }

    #[test]
    fn what_hangs_is_a_failure_of_that_name() {
        let stop = Stop::new();
        stop.request(crate::base::stop::Reason::Duration);
        let here = PathBuf::from(".");
        let mut readings = Patient::new("/".into(), here.clone(), here, &stop, &Beat::default());
        let (sample, failures) = readings.sample(Monotime::default());
        assert_eq!(failures[0].what, "readings");
        assert!(sample.rss_bytes.is_none());
    }
}
