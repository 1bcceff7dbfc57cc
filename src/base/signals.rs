//! Signals: the first `SIGTERM` or `SIGINT` stops cleanly, the second at once; `SIGHUP` reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::{info, warn};
use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::base::stop::{Reason, Stop};
use crate::base::threads::Threads;
use crate::say;

/// Two signals so close together are one: `timeout` sends its own to the process and to its group, a terminal likewise.
const ONE: Duration = Duration::from_millis(300);

/// From [`ONE`] later on another signal ends the process at once. Not by `Threads`: nobody is to wait for it.
fn listen_for_a_second(first_came: &Arc<AtomicBool>) {
    let first_came = Arc::clone(first_came);
    let begun = std::thread::Builder::new()
        .name("second-signal".to_owned())
        .spawn(move || {
            let _ = Stop::new().wait(ONE);
            first_came.store(true, Ordering::SeqCst);
        });
    if let Err(e) = begun {
        warn!("a second signal will not be heard: {e}");
    }
}

/// Whether a stop was requested by signal, also while the program was already ending for another reason.
#[derive(Debug, Clone, Default)]
pub struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Whether somebody has by now.
    #[must_use]
    pub fn to_end(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

fn all() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect()
}

/// Signals that come from now on wait for the program that is executed in the place of this one, until it calls
/// [`watch`]. To be called when the other threads have ended.
pub fn leave_to_the_next() {
    let _ = all().thread_block();
}

/// Starts the thread that turns signals into the order to stop and into calls of `reload`.
///
/// # Errors
/// The handlers cannot be installed.
pub fn watch(
    threads: &mut Threads,
    stop: &Stop,
    reload: impl Fn() + Send + 'static,
) -> Result<Asked> {
    let failed = "cannot install the signal handlers";
    let first_came = Arc::new(AtomicBool::new(false));
    let asked = Asked::default();
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&first_came)).context(failed)?;
        flag::register(signal, Arc::clone(&asked.0)).context(failed)?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context(failed)?;
    let handle = signals.handle();
    stop.on_request(move || handle.close());
    let stop_order = stop.clone();
    threads.start("signals", stop, move || {
        for signal in signals.forever() {
            let name = signal_hook::low_level::signal_name(signal).unwrap_or("signal");
            if signal == SIGHUP {
                info!(
                    "[SIGNAL_HANDLER] {}",
                    say!("{name}: reloading", "{name}を受信: 再読み込みします")
                );
                reload();
            } else {
                info!(
                    "[SIGNAL_HANDLER] {}",
                    say!("{name}: stopping cleanly", "{name}を受信: 正常終了します")
                );
                stop_order.request(Reason::Signal(signal));
                listen_for_a_second(&first_came);
            }
        }
    })?;
    // Signals that have been pending since leave_to_the_next are delivered now.
    let _ = all().thread_unblock();
    Ok(asked)
}
