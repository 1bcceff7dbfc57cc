//! Planted faults: proof that what watches over the service notices, on the binary as it is.
//!
//! Nothing of this exists unless the environment names a file ([`VARIABLE`]); then a thread takes the lines that are
//! written into it and plants what they say. `docs/faults.md` lists them. `facetap soak --fault` and
//! `scripts/crash-test.sh` use it.

pub mod crash;
mod held;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use log::warn;

use crate::base::clock::Clock;
use crate::base::planted::{self, FaultKind, VARIABLE};
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use held::Held;

/// Set by systemd for what it runs (systemd.exec(5)).
const IN_EARNEST: &str = "INVOCATION_ID";
/// How often the file is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// One line of the file.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    /// In the loop of this name, at its next turn; or on the thread of this name for calls that may hang, at its next
    /// call.
    Loop(String, FaultKind),
    /// MiB a second.
    Leak(f64),
    /// Descriptors a second.
    DescriptorLeak(f64),
    SlowTaps,
    LostTaps,
    /// Ends the process; the kinds are those of [`crate::watch::crash`].
    Crash(String),
}

fn order(line: &str) -> Option<Order> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let word = words.next();
    if kind == "stall" {
        let seconds = words.next()?.parse().ok()?;
        let time = Duration::try_from_secs_f64(seconds).ok()?;
        return Some(Order::Loop(word?.to_owned(), FaultKind::Stall(time)));
    }
    let rate = || {
        word.and_then(|w| w.parse::<f64>().ok())
            .filter(|n| n.is_finite() && *n > 0.0)
    };
    Some(match (kind, word) {
        ("panic", Some(name)) => Order::Loop(name.to_owned(), FaultKind::Panic),
        ("hang", Some(name)) => Order::Loop(name.to_owned(), FaultKind::Hang),
        ("panic" | "hang", None) => return None,
        ("leak", _) => Order::Leak(rate()?),
        ("fd-leak", _) => Order::DescriptorLeak(rate()?),
        ("slow", None) => Order::SlowTaps,
        ("lose-tap", None) => Order::LostTaps,
        (crash, None) => Order::Crash(crash.to_owned()),
        _ => return None,
    })
}

/// Starts the thread, if the environment names a file.
///
/// # Errors
/// The operating system refuses another thread.
pub fn start(threads: &mut Threads, clock: &std::sync::Arc<dyn Clock>, stop: &Stop) -> Result<()> {
    let Some(file) = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()) else {
        return Ok(());
    };
    let file = PathBuf::from(file);
    warn!(
        "{VARIABLE} is set: faults are planted when {} says so",
        file.display()
    );
    let (clock, stop_order) = (std::sync::Arc::clone(clock), stop.clone());
    let in_earnest = std::env::var_os(IN_EARNEST).is_some_and(|v| !v.is_empty());
    threads.start("faults", stop, move || {
        let mut held = Held::default();
        loop {
            for line in take(&file) {
                obey(&line, &mut held, in_earnest);
            }
            held.grow(LOOK);
            if clock.wait(&stop_order, LOOK) {
                return;
            }
        }
    })
}

/// The lines of the file, which is gone after that: a process that is started again does not do it all once more.
fn take(file: &Path) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(file) else {
        return Vec::new();
    };
    if std::fs::remove_file(file).is_err() {
        return Vec::new();
    }
    text.lines().map(str::to_owned).collect()
}

/// `in_earnest`: people's taps come in, so nothing is planted that lies to them.
fn obey(line: &str, held: &mut Held, in_earnest: bool) {
    warn!("planted fault: {line}");
    match order(line) {
        None => warn!("planted fault not understood: {line}"),
        Some(Order::Loop(name, kind)) => {
            planted::in_loop(name, kind);
        }
        Some(Order::Leak(rate)) => held.leak = rate,
        Some(Order::DescriptorLeak(rate)) => held.descriptor_leak = rate,
        Some(Order::SlowTaps) => planted::slow_taps(),
        Some(Order::LostTaps) if in_earnest => {
            warn!(
                "refused: under systemd taps are people's, and none is confirmed that is not recorded"
            );
        }
        Some(Order::LostTaps) => planted::lost_taps(),
        Some(Order::Crash(kind)) => {
            log::logger().flush();
            if !crash::provoke(&kind) {
                warn!("planted fault not understood: {kind}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_not() {
        assert_eq!(
            order("panic camera"),
            Some(Order::Loop("camera".into(), FaultKind::Panic))
        );
        assert_eq!(
            order("hang servo"),
            Some(Order::Loop("servo".into(), FaultKind::Hang))
        );
        assert_eq!(
            order("stall camera-device 2.5"),
            Some(Order::Loop(
                "camera-device".into(),
                FaultKind::Stall(Duration::from_millis(2500))
            ))
        );
        assert_eq!(order("leak 2.5"), Some(Order::Leak(2.5)));
        assert_eq!(order("segv"), Some(Order::Crash("segv".into())));
        for bad in [
            "stall",
            "stall camera",
            "stall x -1",
            "",
            "leak",
            "leak x",
            "leak -1",
            "panic",
            "slow down",
        ] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_planted_panic_happens_once_and_only_there() {
        obey("panic a-loop-of-this-test", &mut Held::default(), true);
        planted::point("another");
        assert!(std::panic::catch_unwind(|| planted::point("a-loop-of-this-test")).is_err());
        planted::point("a-loop-of-this-test");
    }

    #[test]
    fn nobody_is_lied_to_in_earnest() {
        obey("lose-tap", &mut Held::default(), true);
        assert!(!planted::taps_are_lost());
    }

    #[test]
    fn the_file_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faults");
        assert!(take(&file).is_empty());
        std::fs::write(&file, "slow\nleak 1\n").unwrap();
        assert_eq!(take(&file), ["slow", "leak 1"]);
        assert!(take(&file).is_empty());
    }
}
