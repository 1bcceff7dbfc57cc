//! The real pcscd as a child process, with the virtual readers of vsmartcard-vpcd.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use pcsc::{Context, ReaderState, Scope, State};

/// Ports of the virtual readers `Virtual PCD 00 00` and `00 01`.
pub const PORTS: [u16; 2] = [35963, 35964];
/// For whatever a loaded machine may take; a test never waits for it unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

const DAEMON: &str = "/usr/sbin/pcscd";
const DRIVER: &str = "/etc/reader.conf.d/vpcd";

/// The right to run a daemon: there is only one on a machine.
pub struct Turn {
    _lock: Flock<File>,
}

impl Turn {
    /// Waits for it. None, and loudly, where the daemon or the virtual readers are not installed, or a
    /// foreign daemon runs.
    pub fn take() -> Option<Self> {
        for needed in [DAEMON, DRIVER] {
            if !Path::new(needed).exists() {
                eprintln!("SKIPPED: {needed} is missing; apt-get install pcscd vsmartcard-vpcd");
                return None;
            }
        }
        let file = File::create(std::env::temp_dir().join("facetap-test-pcscd.lock")).unwrap();
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, e)| e)
            .unwrap();
        if TcpStream::connect(("127.0.0.1", PORTS[0])).is_ok() {
            eprintln!(
                "SKIPPED: another pcscd runs here; stop it: systemctl stop pcscd.socket pcscd"
            );
            return None;
        }
        Some(Self { _lock: lock })
    }
}

/// A running daemon. Killed when dropped.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts it and waits for its virtual readers.
    pub fn start(_turn: &Turn) -> Self {
        let daemon = Self::spawn(&[]);
        wait_until("the virtual readers", || {
            PORTS.iter().all(|p| listens(*p)).then_some(())
        });
        daemon
    }

    fn spawn(options: &[&str]) -> Self {
        let child = Command::new(DAEMON)
            .arg("--foreground")
            .args(options)
            .args(without_polkit())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }
}

/// What only some of the tests need.
#[allow(dead_code)]
impl Daemon {
    /// Starts it without any reader and waits until it takes calls.
    pub fn without_readers(_turn: &Turn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Self::spawn(&["--config", folder.path().to_str().unwrap()]);
        wait_until("the daemon", || Context::establish(Scope::System).ok());
        daemon
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

/// Debian 13's daemon asks polkit, which a container does not have.
fn without_polkit() -> Option<&'static str> {
    const OPTION: &str = "--disable-polkit";
    let help = Command::new(DAEMON).arg("--help").output().unwrap();
    String::from_utf8_lossy(&help.stdout)
        .contains(OPTION)
        .then_some(OPTION)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the daemon has noticed that there is no card in the virtual reader behind `port`. It looks
/// every 0.4 s; a card that is exchanged for another between two looks never went, as far as it knows.
#[allow(dead_code)] // Without cards there is no need.
pub fn wait_empty(port: u16) {
    let name = format!("Virtual PCD 00 0{}", port - PORTS[0]);
    let context = Context::establish(Scope::System).unwrap();
    let name = std::ffi::CString::new(name).unwrap();
    wait_until("an empty reader", || {
        let mut states = [ReaderState::new(name.clone(), State::UNAWARE)];
        let looked = context.get_status_change(Duration::from_secs(1), &mut states);
        (looked.is_ok() && states[0].event_state().contains(State::EMPTY)).then_some(())
    });
}

/// Whether somebody listens, found out without connecting: that would be a card.
fn listens(port: u16) -> bool {
    let hex = format!(":{port:04X}");
    std::fs::read_to_string("/proc/net/tcp")
        .unwrap()
        .lines()
        .any(|l| {
            let mut fields = l.split_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&hex)) && fields.nth(1) == Some("0A")
        })
}

/// Waits until `ready` has something.
pub fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = ready() {
            return done;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
