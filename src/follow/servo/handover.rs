//! How the bus goes from the service to a command of ours and back: by a lock beside the port.
//!
//! Whoever wants the bus locks a small file that is named after the port (`flock`, which the kernel undoes when its owner dies).
//! The service looks at the lock five times a second; while it is held the service lets the servos go and the port be. The
//! service only reads there, which its sandbox allows.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::port::{self, CannotOpen, SerialWire, Trouble};
use super::reboots::Reboots;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::say;

/// Where locks of devices lie; the first of them that is there.
const FOLDERS: [&str; 3] = ["/run/lock", "/var/lock", "/tmp"];
/// How long another command may keep the bus before this one gives up.
const OTHERS: Duration = Duration::from_secs(3);
/// How long the service may take to let go. It takes less than a second.
const LETS_GO: Duration = Duration::from_secs(4);
/// Between two attempts.
const LOOK: Duration = Duration::from_millis(50);

/// All ports that there are have been asked for by a command of ours.
#[derive(Debug)]
pub struct Lent;

impl std::fmt::Display for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&say!(
            "a \"facetap servo\" command has the servo bus",
            "\"facetap servo\" コマンドがサーボバスを使用中です"
        ))
    }
}

impl std::error::Error for Lent {}

/// The bus, as long as this is kept.
#[derive(Debug)]
pub struct Lease {
    lock: Flock<File>,
    /// Which device the port is, as long as it stays plugged in.
    device: String,
}

impl Lease {
    /// Whether a servo may be started anew now: not more often than the service does it, whichever command did it last. That it
    /// is, is remembered in the lock's file.
    pub fn may_reboot(&self, id: u8, clock: &dyn Clock) -> bool {
        let mut file: &File = &self.lock;
        let mut text = String::new();
        let _ = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_string(&mut text));
        let mine = format!("{} {id} ", self.device);
        let (here, others): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with(&mine));
        let times = here
            .iter()
            .filter_map(|line| line[mine.len()..].parse().ok());
        let mut reboots = Reboots::since(times.map(Duration::from_secs).map(Monotime::from_zero));
        let may = reboots.allow(clock.now());
        if may {
            let of_device = format!("{} ", self.device);
            let others = others
                .iter()
                .filter(|line| line.starts_with(&of_device))
                .map(ToString::to_string);
            let mine = reboots
                .times()
                .map(|at| format!("{mine}{}", at.since_zero().as_secs()));
            let lines: Vec<String> = others.chain(mine).collect();
            // What belongs to somebody else may not be ours to write; then this counts for nobody but us.
            let begun = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
            let _ = begun.and_then(|_| file.write_all((lines.join("\n") + "\n").as_bytes()));
        }
        may
    }
}

fn lock_file(port: &Path) -> Option<(PathBuf, fs::Metadata)> {
    let node = port.canonicalize().ok()?;
    let about = fs::metadata(&node).ok()?;
    let folder = FOLDERS
        .iter()
        .map(Path::new)
        .find(|folder| folder.is_dir())?;
    let name = node
        .to_string_lossy()
        .trim_start_matches('/')
        .replace('/', "-");
    Some((folder.join(format!("facetap-{name}.lock")), about))
}

/// For reading, which is enough for a lock; never a link to elsewhere.
fn open(file: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(file)
}

fn open_to_write(file: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags.bits())
        .open(file)
}

/// Whether the lock's file was made by somebody who may use the port: it has the port's owner or its group, which nobody else
/// can give it, or belongs to root or to us.
fn is_of_a_user(file: &fs::Metadata, node: &fs::Metadata) -> bool {
    let us = nix::unistd::geteuid().as_raw();
    [0, us, node.uid()].contains(&file.uid()) || file.gid() == node.gid()
}

/// Whether somebody wants this port who may use it.
#[must_use]
pub fn is_wanted(port: &Path) -> bool {
    let Some((file, node)) = lock_file(port) else {
        return false;
    };
    let Ok(file) = open(&file) else {
        return false;
    };
    let heard = file
        .metadata()
        .is_ok_and(|about| is_of_a_user(&about, &node));
    heard && Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}

/// Asks for a port; the service lets go of it.
///
/// # Errors
/// Another command keeps it, the order to stop came, or the lock cannot be made.
pub fn ask(port: &Path, clock: &dyn Clock, stop: &Stop) -> Result<Lease> {
    let name = port.display();
    let Some((path, node)) = lock_file(port) else {
        bail!(say!(
            "the serial port {name} does not exist: plug in the servo adapter, or correct \"servo.port\" (--servo-port); \
             `facetap devices` lists the ports",
            "シリアルポート {name} がありません。サーボアダプターを接続するか、\"servo.port\" (--servo-port) を確認してください。\
             `facetap devices` でポートを一覧できます"
        ));
    };
    let shown = path.display();
    let stranger = |file: &File| {
        file.metadata()
            .is_ok_and(|about| !is_of_a_user(&about, &node))
    };
    if open(&path).is_ok_and(|file| stranger(&file)) {
        // The service would not hear of it.
        let _ = fs::remove_file(&path);
    }
    let mut file = match open_to_write(&path).or_else(|_| open(&path)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(&path, &node),
        other => other,
    }
    .with_context(|| {
        say!(
            "cannot use the lock {shown}",
            "ロック {shown} を使用できません"
        )
    })?;
    let begun = clock.now();
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                let device = format!("{}.{}.{}", node.ino(), node.ctime(), node.ctime_nsec());
                return Ok(Lease { lock, device });
            }
            Err((back, _)) => file = back,
        }
        if clock.now().since(begun) > OTHERS {
            bail!(say!(
                "another \"facetap servo\" command has {name}; wait for its end, or end it (`fuser {shown}` names it)",
                "別の \"facetap servo\" コマンドが {name} を使用中です。終了を待つか、終了させてください（`fuser {shown}` で確認できます）"
            ));
        }
        if clock.wait(stop, LOOK) {
            bail!(say!("stopped", "中断しました"));
        }
    }
}

/// Makes the lock's file, for all who may use the port.
fn make(path: &Path, node: &fs::Metadata) -> io::Result<File> {
    let new = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let file = match new {
        // Somebody else was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return open(path),
        other => other?,
    };
    // Who is not in that group can lock it all the same.
    let _ = fchown(&file, None, Some(node.gid()));
    file.set_permissions(fs::Permissions::from_mode(0o664))?;
    Ok(file)
}

/// Opens a port that was asked for, as soon as the service has let go of it.
///
/// # Errors
/// As [`port::open`].
pub fn open_port(path: &Path, baud: u32, clock: &dyn Clock, stop: &Stop) -> Result<SerialWire> {
    let begun = clock.now();
    loop {
        match port::open(path, baud) {
            Err(why)
                if why
                    .downcast_ref()
                    .is_some_and(|c: &CannotOpen| c.trouble == Trouble::Busy)
                    && clock.now().since(begun) < LETS_GO
                    && !clock.wait(stop, LOOK) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::stop::Reason;

    #[test]
    fn a_port_is_wanted_as_long_as_it_is_asked_for() {
        let pair = port::pair().unwrap();
        let stop = Stop::new();
        assert!(!is_wanted(&pair.path));
        let lease = ask(&pair.path, &SystemClock, &stop).unwrap();
        assert!(is_wanted(&pair.path));
        // Across commands.
        drop(lease);
        let mut may = |id| {
            ask(&pair.path, &SystemClock, &stop)
                .unwrap()
                .may_reboot(id, &SystemClock)
        };
        assert_eq!(
            [1, 1, 2, 1, 1, 2].map(&mut may),
            [true, true, true, true, false, true]
        );
        let lease = ask(&pair.path, &SystemClock, &stop).unwrap();
        // A second one waits, and hears the order to stop.
        stop.request(Reason::Duration);
        assert!(ask(&pair.path, &SystemClock, &stop).is_err());
        drop(lease);
        assert!(!is_wanted(&pair.path));
        let (file, _) = lock_file(&pair.path).unwrap();
        fs::remove_file(file).unwrap();
        let gone = ask(Path::new("/nonexistent/port"), &SystemClock, &stop).unwrap_err();
        assert!(gone.to_string().contains("/nonexistent/port"), "{gone}");
    }
}
