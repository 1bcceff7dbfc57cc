//! Signals: the first `SIGTERM` or `SIGINT` stops cleanly, the second at once; `SIGHUP` reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use log::{info, warn};
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

/// Starts the thread that turns signals into the order to stop and into calls of `reload`.
///
/// # Errors
/// The handlers cannot be installed.
pub fn watch(threads: &mut Threads, stop: &Stop, reload: impl Fn() + Send + 'static) -> Result<()> {
    let failed = "cannot install the signal handlers";
    let first_came = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&first_came)).context(failed)?;
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
    })
}
