//! Health: what the service manager is told.

use log::warn;
use sd_notify::NotifyState;

/// The service is ready; without a service manager nothing happens.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The service is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(state) {
        warn!("the service manager cannot be told ($NOTIFY_SOCKET): {e}");
    }
}
