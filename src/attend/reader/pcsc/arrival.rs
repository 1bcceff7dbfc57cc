//! Whether a daemon that was away may be there again: its socket is made anew at each start, which its folder shows.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use log::debug;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::base::clock::Clock;
use crate::base::stop::Stop;

/// Where libpcsclite looks for the socket, and what names another place.
const SOCKET: &str = "/run/pcscd/pcscd.comm";
const VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// Waits for the daemon's socket.
#[derive(Debug)]
pub(super) struct Arrival {
    socket: PathBuf,
    /// None where the system refuses them; then the pauses pass as they are.
    watch: Option<(Inotify, Arc<EventFd>)>,
}

impl Arrival {
    /// The order to stop ends every wait.
    pub fn new(stop: &Stop) -> Self {
        let socket = std::env::var_os(VARIABLE).filter(|v| !v.is_empty());
        Self::of(socket.unwrap_or_else(|| SOCKET.into()).into(), stop)
    }

    fn of(socket: PathBuf, stop: &Stop) -> Self {
        let watch = watch().inspect_err(|e| debug!("no watch for the PC/SC daemon: {e}"));
        let watch = watch.ok();
        if let Some((_, order)) = &watch {
            let order = Arc::clone(order);
            stop.on_request(move || {
                let _ = order.write(1);
            });
        }
        let arrival = Self { socket, watch };
        arrival.look_on();
        arrival
    }

    /// Waits for `limit`, or until the socket is made; true in that case. The order to stop ends it.
    pub fn wait(&self, clock: &dyn Clock, stop: &Stop, limit: Duration) -> bool {
        let Some((inotify, order)) = &self.watch else {
            clock.wait(stop, limit);
            return false;
        };
        self.look_on();
        let end = clock.now() + limit;
        loop {
            // What came since the wait before is a sign as well.
            if self.came(inotify) {
                return true;
            }
            let left = end.since(clock.now());
            if left.is_zero() || stop.requested() {
                return false;
            }
            let mut waits = [
                PollFd::new(inotify.as_fd(), PollFlags::POLLIN),
                PollFd::new(order.as_fd(), PollFlags::POLLIN),
            ];
            // Rounded up, not to wait for nothing at the end.
            let left = left + Duration::from_millis(1);
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut waits, left) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => {
                    clock.wait(stop, limit);
                    return false;
                }
            }
        }
    }

    /// The folder may be new, or not be there before the daemon's first start; then the one above tells.
    fn look_on(&self) {
        let Some((inotify, _)) = &self.watch else {
            return;
        };
        let flags =
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        let folder = self.folder();
        if let Err(e) = inotify.add_watch(folder, flags) {
            debug!("{}: {e}", folder.display());
            if let Some(above) = folder.parent() {
                let _ = inotify.add_watch(above, flags);
            }
        }
    }

    fn folder(&self) -> &Path {
        self.socket.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the socket, or the folder for it, was made.
    fn came(&self, inotify: &Inotify) -> bool {
        let events = inotify.read_events().unwrap_or_default();
        let names = [self.socket.file_name(), self.folder().file_name()];
        let is_its = |name: &OsStr| names.contains(&Some(name));
        events.iter().any(|e| e.name.as_deref().is_some_and(is_its))
    }
}

fn watch() -> nix::Result<(Inotify, Arc<EventFd>)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let order = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    Ok((inotify, Arc::new(order)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::stop::Reason;
    use std::fs;

    /// The test waits so long only if nothing wakes it.
    const NEVER: Duration = Duration::from_secs(3600);

    #[test]
    fn the_socket_and_its_folder_are_seen_to_come_and_other_files_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, stop) = (dir.path().join("pcscd"), Stop::new());
        let arrival = Arrival::of(folder.join("pcscd.comm"), &stop);
        fs::write(dir.path().join("other"), "").unwrap();
        assert!(!arrival.wait(&SystemClock, &stop, Duration::from_millis(1)));
        fs::create_dir(&folder).unwrap();
        assert!(arrival.wait(&SystemClock, &stop, NEVER));
        assert!(!arrival.wait(&SystemClock, &stop, Duration::from_millis(1)));
        fs::write(folder.join("pcscd.pid"), "").unwrap();
        assert!(!arrival.wait(&SystemClock, &stop, Duration::from_millis(1)));
        fs::write(folder.join("pcscd.comm"), "").unwrap();
        assert!(arrival.wait(&SystemClock, &stop, NEVER));
    }

    #[test]
    fn the_order_to_stop_ends_the_wait() {
        let dir = tempfile::tempdir().unwrap();
        let stop = Stop::new();
        let arrival = Arrival::of(dir.path().join("pcscd.comm"), &stop);
        let order = stop.clone();
        let thread = std::thread::spawn(move || order.request(Reason::Duration));
        assert!(!arrival.wait(&SystemClock, &stop, NEVER));
        thread.join().unwrap();
    }
}
