//! What the service manager is told (sd_notify), and what it expects.

use std::sync::OnceLock;
use std::time::Duration;

use log::warn;
use sd_notify::NotifyState;

use crate::base::beat::Beat;
use crate::base::limited::Limited;
use crate::base::stop::Stop;

/// How long the service manager is waited for, which reads at once.
const PATIENCE: Duration = Duration::from_millis(200);

/// Time from [`starting`] to [`ready`] that is granted: opening the ledger waits for the disk, and an SD card
/// with much to do may take many seconds. Without it the unit's limit, which is made for a start that hangs,
/// would end a slow one again and again.
const START: Duration = Duration::from_secs(60);

/// The service is about to start; a slow start is not a hung one.
pub fn starting() {
    // Far below the largest, 71 minutes.
    let microseconds = u32::try_from(START.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(microseconds)]);
}

/// The service is ready; without a service manager nothing happens.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The service is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Every loop goes on.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// One line for `systemctl status`.
pub(super) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// How often the service manager wants to hear [`alive`] at least (`WatchdogSec`), if it does.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Whether a service manager started the process and starts it again.
#[must_use]
pub fn is_supervised() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some_and(|v| !v.is_empty())
}

/// Sending waits where the service manager does not read (it is frozen, or busy for long), and nobody may wait for that.
fn tell(state: &[NotifyState]) {
    static TELLER: OnceLock<Limited<()>> = OnceLock::new();
    if !is_supervised() {
        return;
    }
    let lines: Vec<String> = state.iter().map(ToString::to_string).collect();
    let teller = TELLER.get_or_init(|| Limited::new("notify", &Stop::new(), &Beat::default()));
    let told = teller.run(PATIENCE, move || {
        let lines: Vec<_> = lines.iter().map(|l| NotifyState::Custom(l)).collect();
        sd_notify::notify(&lines)
    });
    let why = match told {
        Ok(Ok(())) => return,
        Ok(Err(e)) => e.to_string(),
        Err(why) => why.to_string(),
    };
    warn!("the service manager cannot be told ($NOTIFY_SOCKET): {why}");
}
