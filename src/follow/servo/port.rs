//! The serial line: the one file that knows the `serialport` crate.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serialport::{ClearBuffer, SerialPort as _, TTYPort};

use super::wire::Wire;
use crate::base::holders::holder;

/// `servo.port` for the first port whose servo answers.
pub const AUTO: &str = "auto";
/// How long the system may refuse to take bytes. A frame of 30 bytes takes 0.3 ms at 1 Mbaud.
const SEND: Duration = Duration::from_millis(50);
/// Attempts to send the rest of a frame, each of at most [`SEND`] or with some progress.
const SENDS: usize = 64;

/// An open serial port.
pub struct SerialWire {
    port: TTYPort,
    name: String,
}

/// The paths that `servo.port` stands for, best first, looked up anew at each call because USB ports are
/// renumbered after a replug.
#[must_use]
pub fn candidates(setting: &str) -> Vec<PathBuf> {
    if setting == AUTO {
        automatic(Path::new("/dev"))
    } else {
        vec![PathBuf::from(setting)]
    }
}

/// Ports on USB only: the pins of the board itself may be a console, which our bytes would disturb. Whoever
/// has the bus there names the port.
///
/// A port is called by its adapter's serial number. Two adapters of a make that has none share that name, and the second one
/// takes it from the first: those are called by the socket in which they are plugged.
pub(super) fn automatic(dev: &Path) -> Vec<PathBuf> {
    let listed = |folder: &str, prefix: &str| {
        let entries = fs::read_dir(dev.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<PathBuf> = entries
            .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
            .map(|e| e.path())
            .collect();
        names.sort();
        names
    };
    let sockets: Vec<(PathBuf, PathBuf)> = listed("serial/by-path", "")
        .into_iter()
        // The same socket as "usb-" and, since systemd 253, "usbv2-".
        .filter(|path| !path.to_string_lossy().contains("-usbv"))
        .filter_map(|path| Some((path.canonicalize().ok()?, path)))
        .collect();
    let mut ports: Vec<(PathBuf, PathBuf)> = Vec::new();
    for (folder, prefix) in [("serial/by-id", ""), ("", "ttyACM"), ("", "ttyUSB")] {
        for path in listed(folder, prefix) {
            // The same port has several names.
            if let Ok(target) = path.canonicalize()
                && !ports.iter().any(|(known, _)| *known == target)
            {
                ports.push((target, path));
            }
        }
    }
    let makes: Vec<Option<String>> = ports
        .iter()
        .map(|(node, _)| make_without_number(dev, node))
        .collect();
    let paths = ports.iter().zip(&makes).map(|((node, path), make)| {
        let twins = make.is_some() && makes.iter().filter(|other| *other == make).count() > 1;
        let socket = sockets.iter().find(|(target, _)| target == node);
        socket
            .filter(|_| twins)
            .map_or(path, |(_, socket)| socket)
            .clone()
    });
    paths.collect()
}

/// Vendor and product of the USB adapter behind a port, where it has no serial number.
fn make_without_number(dev: &Path, node: &Path) -> Option<String> {
    let tty = dev.parent()?.join("sys/class/tty").join(node.file_name()?);
    let device = tty.join("device").canonicalize().ok()?;
    let usb = device.ancestors().find(|a| a.join("idVendor").exists())?;
    let read = |file: &str| fs::read_to_string(usb.join(file)).unwrap_or_default();
    let make = read("idVendor") + &read("idProduct");
    read("serial").trim().is_empty().then_some(make)
}

/// What can be told about a port without opening it: changes when it is plugged in, out, or replaced.
#[must_use]
pub fn fingerprint(setting: &str) -> Vec<(PathBuf, u64, u64)> {
    candidates(setting)
        .into_iter()
        .filter_map(|path| {
            let target = path.canonicalize().ok()?;
            let about = fs::metadata(&target).ok()?;
            Some((target, about.ino(), about.rdev()))
        })
        .collect()
}

/// What stands in the way of opening a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Another program has it.
    Busy,
    /// Perhaps the bit rate.
    Rate,
    /// Something else.
    Other,
}

/// Why a port that is there cannot be opened.
#[derive(Debug)]
pub struct CannotOpen {
    /// What stands in the way.
    pub trouble: Trouble,
    text: String,
}

impl CannotOpen {
    /// For a stand-in that cannot be opened either.
    #[cfg(test)]
    pub fn new(trouble: Trouble, text: &str) -> Self {
        let text = text.to_owned();
        Self { trouble, text }
    }
}

impl std::fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CannotOpen {}

/// The other program that has a port open, as far as this user may see.
pub(super) fn holder_of(port: impl AsRef<Path>) -> Option<String> {
    holder(&port.as_ref().canonicalize().ok()?)
}

/// Opens a port for this bit rate, for us alone, and clears what had come in.
///
/// # Errors
/// The path is not a serial port, is used by another program, or cannot be set up; the message says what
/// to do.
pub fn open(path: &Path, baud: u32) -> Result<SerialWire> {
    let name = path.display();
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == io::ErrorKind::NotFound => bail!(
            "the serial port {name} does not exist: plug in the servo adapter, or correct \"servo.port\" \
             (--servo-port); `facetap devices` lists the ports"
        ),
        Err(e) => return Err(e).with_context(|| format!("cannot look at the serial port {name}")),
    };
    if about.is_dir() {
        bail!(
            "the serial port {name} is a directory: give a device such as /dev/ttyACM0 in \"servo.port\" \
             (--servo-port), or \"auto\""
        );
    }
    if !about.file_type().is_char_device() {
        bail!(
            "the serial port {name} is not a device: give one such as /dev/ttyACM0 in \"servo.port\" \
             (--servo-port), or \"auto\""
        );
    }
    let builder = serialport::new(path.to_string_lossy(), baud).timeout(SEND);
    let port = TTYPort::open(&builder).map_err(|e| {
        let (trouble, hint) = match e.kind() {
            serialport::ErrorKind::NoDevice => (
                Trouble::Busy,
                match holder_of(path) {
                    Some(program) => format!("{program} uses it; end it first"),
                    None => "another program uses it, or it was just unplugged; `fuser` names the program"
                        .to_owned(),
                },
            ),
            serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => (
                Trouble::Other,
                "add the user of the service to the group \"dialout\"".to_owned(),
            ),
            _ => (
                Trouble::Rate,
                "is it a serial port, and can it do this bit rate (\"servo.baud\")?".to_owned(),
            ),
        };
        let text = format!("cannot open the serial port {name} at {baud} baud: {e}; {hint}");
        CannotOpen { trouble, text }
    })?;
    // Some drivers refuse no rate, and set one that they can.
    if let Ok(set) = port.baud_rate()
        && !is_rate(set, baud)
    {
        let text = format!(
            "the serial port {name} cannot do {baud} baud, its adapter sets {set} instead: choose a rate in \"servo.baud\" that \
             adapter and servos can both do"
        );
        let trouble = Trouble::Rate;
        bail!(CannotOpen { trouble, text });
    }
    let mut wire = SerialWire::new(port, name.to_string())
        .with_context(|| format!("cannot set up the serial port {name}"))?;
    wire.discard_input()
        .with_context(|| format!("cannot clear the serial port {name}"))?;
    Ok(wire)
}

/// Whether a port that is set to this rate is as good as one with the rate that is wanted: a receiver takes a bit for the one
/// beside it from about 5 % on, shared between both ends. A driver that tells no rate says 0.
const fn is_rate(set: u32, wanted: u32) -> bool {
    set == 0 || set.abs_diff(wanted) as u64 * 40 <= wanted as u64
}

impl SerialWire {
    fn new(mut port: TTYPort, name: String) -> io::Result<Self> {
        // Opening took an exclusive lock (flock) and TIOCEXCL. The latter outlives a killed process for as
        // long as anybody else has a pseudo-terminal open, and then keeps the next start out. A shared
        // lock suffices against a second FaceTap, whose exclusive one fails.
        port.set_exclusive(false)?;
        // The crate polls before it writes, but then writes blocking: a buffer with room for a part of the
        // frame would block for ever.
        // SAFETY: the descriptor belongs to `port`, which lives longer than this borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(port.as_raw_fd()) };
        fcntl(descriptor, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self { port, name })
    }
}

impl Wire for SerialWire {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        self.port.set_timeout(SEND)?;
        // There is no flush: tcdrain has no limit of time, and the answer tells that all was sent.
        for _ in 0..SENDS {
            match self.port.write(rest) {
                Ok(n) => rest = &rest[n.min(rest.len())..],
                Err(e) if again(&e) => {}
                Err(e) => return Err(e),
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.port.set_timeout(timeout)?;
        match self.port.read(buffer) {
            // A terminal that was hung up reads as ended.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => Ok(n),
            Err(e) if e.kind() == io::ErrorKind::TimedOut || again(&e) => Ok(0),
            Err(e) => Err(e),
        }
    }

    fn discard_input(&mut self) -> io::Result<()> {
        Ok(self.port.clear(ClearBuffer::Input)?)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for SerialWire {
    fn drop(&mut self) {
        // Closing waits for bytes that an absent far end never takes, up to 30 s. What matters has been
        // answered by now, or waited for long enough (`Bus::write_hastily`).
        let _ = self.port.clear(ClearBuffer::Output);
    }
}

fn again(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// A pseudo-terminal.
pub struct Pair {
    /// The far end, where the servos are.
    pub far: SerialWire,
    /// The path to open as a serial port.
    pub path: PathBuf,
    /// Kept open, so that the far end outlives a service that closes and opens the port.
    _near: TTYPort,
}

/// Makes a pseudo-terminal: what is sent at its far end is received at its path, and the other way round.
///
/// # Errors
/// The system has no pseudo-terminal left.
pub fn pair() -> Result<Pair> {
    let (far, near) =
        TTYPort::pair().context("cannot make a pseudo-terminal for the simulated servos")?;
    let path = PathBuf::from(near.name().context("a pseudo-terminal without a name")?);
    let name = format!("the far end of {}", path.display());
    Ok(Pair {
        far: SerialWire::new(far, name).context("cannot set up a pseudo-terminal")?,
        path,
        _near: near,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn whoever_else_has_a_port_open_is_named() {
        let pair = pair().unwrap();
        assert_eq!(holder_of(&pair.path), None);
        // Whoever has the far end is none of them.
        // SAFETY: the pair owns the descriptor, and outlives this.
        let far = unsafe { BorrowedFd::borrow_raw(pair.far.port.as_raw_fd()) };
        fcntl(far, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
        let port = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&pair.path);
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .stdin(port.unwrap())
            .spawn()
            .unwrap();
        let named = holder_of(&pair.path).unwrap_or_default();
        assert!(named.contains(&other.id().to_string()), "{named}");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(holder_of("/no/such/port"), None);
    }

    #[test]
    fn bytes_pass_in_both_directions_unchanged() {
        let mut pair = pair().unwrap();
        let mut near = open(&pair.path, 1_000_000).unwrap();
        let all: Vec<u8> = (0..=255).collect();
        let mut got: Vec<u8> = Vec::new();
        let mut buffer = [0; 64];
        near.send(&all).unwrap();
        while got.len() < all.len() {
            let n = pair.far.receive(&mut buffer, LONG).unwrap();
            got.extend(&buffer[..n]);
        }
        assert_eq!(got, all);
        // Bytes that a terminal in its usual state would change or swallow.
        let special = [0xFF, 0x0D, 0x11, 0x00, 0x03, 0x7F];
        pair.far.send(&special).unwrap();
        got.clear();
        while got.len() < special.len() {
            let n = near.receive(&mut buffer, LONG).unwrap();
            got.extend(&buffer[..n]);
        }
        assert_eq!(got, special);
    }

    #[test]
    fn a_hung_up_line_fails_and_a_silent_one_does_not() {
        let pair = pair().unwrap();
        let mut near = open(&pair.path, 1_000_000).unwrap();
        assert_eq!(
            near.receive(&mut [0; 8], Duration::from_millis(1)).unwrap(),
            0
        );
        drop(pair);
        assert!(near.receive(&mut [0; 8], LONG).is_err());
        assert!(near.send(b"x").is_err());
    }

    #[test]
    fn a_far_end_that_takes_nothing_is_an_error_not_a_wait() {
        let pair = pair().unwrap();
        let mut near = open(&pair.path, 1_000_000).unwrap();
        let frame = [0x55; 13];
        // More than any buffer of a terminal holds.
        let stuck = (0..100_000).find_map(|_| near.send(&frame).err());
        assert_eq!(stuck.unwrap().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_rate_that_the_adapter_does_not_do_is_noticed() {
        assert!(is_rate(1_000_000, 1_000_000) && is_rate(0, 57_600));
        // A divider that does not go out even, and the next rate that there is.
        assert!(is_rate(115_942, 115_200));
        assert!(
            !is_rate(230_400, 250_000)
                && !is_rate(921_600, 1_000_000)
                && !is_rate(9_600, 1_000_000)
        );
    }

    #[test]
    fn what_is_no_serial_port_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, want) in [
            (folder.path().to_path_buf(), "is a directory"),
            (file, "is not a device"),
            (folder.path().join("absent"), "does not exist"),
            (PathBuf::from("/dev/null"), "cannot open"),
        ] {
            let e = format!("{:#}", open(&path, 1_000_000).err().unwrap());
            assert!(
                e.contains(want) && e.contains(&path.display().to_string()),
                "{e}"
            );
        }
    }

    #[test]
    fn a_second_user_is_kept_out_and_let_in_later() {
        let pair = pair().unwrap();
        let first = open(&pair.path, 1_000_000).unwrap();
        let e = open(&pair.path, 1_000_000).err().unwrap();
        assert!(e.to_string().contains("another program"), "{e}");
        drop(first);
        open(&pair.path, 1_000_000).unwrap();
    }

    #[test]
    fn two_adapters_without_a_number_are_called_by_their_sockets() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["dev/serial/by-id", "dev/serial/by-path", "sys/class/tty"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let plug = |tty: &str, socket: &str, number: &str| {
            fs::write(at("dev").join(tty), "").unwrap();
            let usb = at(&format!("sys/devices/{socket}"));
            fs::create_dir_all(usb.join("if0")).unwrap();
            fs::create_dir_all(at("sys/class/tty").join(tty)).unwrap();
            symlink(
                usb.join("if0"),
                at("sys/class/tty").join(tty).join("device"),
            )
            .unwrap();
            for (file, text) in [
                ("idVendor", "1a86"),
                ("idProduct", "7523"),
                ("serial", number),
            ] {
                fs::write(usb.join(file), text).unwrap();
            }
            let name = at("dev/serial/by-path").join(socket);
            symlink(format!("../../{tty}"), name).unwrap();
            let name = at("dev/serial/by-id").join(format!("usb-1a86{number}"));
            let _ = fs::remove_file(&name);
            symlink(format!("../../{tty}"), name).unwrap();
        };
        let names = || -> Vec<String> {
            let paths = automatic(&at("dev"));
            let names = paths
                .iter()
                .map(|p| p.file_name().unwrap().to_string_lossy());
            names.map(|name| name.into_owned()).collect()
        };
        plug("ttyUSB0", "pci-usb-1.1", "");
        assert_eq!(names(), ["usb-1a86"]);
        plug("ttyUSB1", "pci-usb-1.2", "");
        plug("ttyUSB2", "pci-usb-1.3", "A1");
        assert_eq!(names(), ["pci-usb-1.2", "usb-1a86A1", "pci-usb-1.1"]);
    }

    #[test]
    fn automatic_prefers_stable_names_and_lists_no_port_twice() {
        let dev = tempfile::tempdir().unwrap();
        let at = |name: &str| dev.path().join(name);
        for name in ["ttyACM1", "ttyACM0", "ttyUSB0", "ttyAMA0", "tty1"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir_all(at("serial/by-id")).unwrap();
        std::os::unix::fs::symlink("../../ttyACM1", at("serial/by-id/usb-servo")).unwrap();
        let names: Vec<String> = automatic(dev.path())
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["usb-servo", "ttyACM0", "ttyUSB0"]);
        for name in ["ttyACM1", "ttyACM0", "ttyUSB0"] {
            fs::remove_file(at(name)).unwrap();
        }
        fs::remove_file(at("serial/by-id/usb-servo")).unwrap();
        assert_eq!(
            automatic(dev.path()),
            Vec::<PathBuf>::new(),
            "the board's own pins are left alone"
        );
    }
}
