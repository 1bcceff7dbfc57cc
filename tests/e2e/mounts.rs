//! File systems of a test's own, in a mount namespace that ends with the test, however it ends.

use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs a test in a thread with a mount namespace of its own; what it starts is in there, too. Says so and
/// returns where that is not possible.
pub fn isolated(test: impl FnOnce() + Send + 'static) {
    isolated_by(CloneFlags::CLONE_NEWNS, test);
}

/// The same with a network of its own, which has nothing but a loopback interface.
pub fn isolated_from_the_network(test: impl FnOnce() + Send + 'static) {
    isolated_by(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET, || {
        switch_loopback_on();
        test();
    });
}

fn isolated_by(what: CloneFlags, test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // Of the thread alone: the other tests see nothing of it.
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: file systems cannot be mounted without root");
            return;
        }
        if let Err(e) = unshare(what) {
            eprintln!("SKIPPED: no namespace can be made here ({what:?}): {e}");
            return;
        }
        // The root of a chroot is no mount and cannot be made private; its mounts seldom are shared.
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        let _ = mount(None::<&str>, "/", None::<&str>, private, None::<&str>);
        synchronise();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A network that is new has its loopback interface switched off.
fn switch_loopback_on() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // SAFETY: zeros are a valid value of this C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the descriptor is open, and the request is complete for this call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Puts one file in the place of another.
pub fn cover(with: &Path, at: &Path) {
    // Where it is a link, what it leads to is covered.
    let at = at.canonicalize().unwrap();
    let bind = MsFlags::MS_BIND;
    mount(Some(with), &at, None::<&str>, bind, None::<&str>).unwrap();
}

/// Lets the clock count as synchronised, as on a board with a network: elsewhere taps would be held for a
/// while before they are delivered.
fn synchronise() {
    let systemd = Path::new("/run/systemd");
    std::fs::create_dir_all(systemd).unwrap();
    tmpfs(systemd, "1m");
    std::fs::create_dir(systemd.join("timesync")).unwrap();
    std::fs::write(systemd.join("timesync/synchronized"), "").unwrap();
}

/// A file system in memory.
pub fn tmpfs(at: &Path, size: &str) {
    let size = format!("size={size}");
    mount_with(&["-t", "tmpfs", "-o", &size, "facetap-test"], at).unwrap();
}

/// A new ext4 of `megabytes` in `image`. False, and loudly, where there are no loop devices.
#[must_use]
pub fn ext4(image: &Path, at: &Path, megabytes: u64) -> bool {
    let file = std::fs::File::create(image).unwrap();
    file.set_len(megabytes << 20).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(image).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: mkfs.ext4 is missing; apt-get install e2fsprogs");
        return false;
    }
    match remount_image(image, at) {
        Ok(()) => true,
        Err(why) => {
            eprintln!("SKIPPED: no loop device can be had: {why}");
            false
        }
    }
}

/// Mounts an image again.
pub fn remount_image(image: &Path, at: &Path) -> Result<(), String> {
    mount_with(&["-o", "loop", image.to_str().unwrap()], at)
}

/// Changes the options of a mount.
pub fn remount(at: &Path, options: &str) -> Result<(), String> {
    mount_with(&["-o", &format!("remount,{options}")], at)
}

/// Freezes a file system, as a card does that is busy with itself: whoever writes waits. It goes on when this is dropped.
#[derive(Debug)]
pub struct Freeze(std::fs::File);

impl Freeze {
    /// FIFREEZE, FITHAW of linux/fs.h.
    const ON: libc::c_ulong = 0xc004_5877;
    const OFF: libc::c_ulong = 0xc004_5878;

    pub fn of(at: &Path) -> Self {
        let folder = std::fs::File::open(at).unwrap();
        // SAFETY: the descriptor is open, and the kernel does not look at the argument.
        let done = unsafe { libc::ioctl(folder.as_raw_fd(), Self::ON as _, 0) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        Self(folder)
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        // SAFETY: as above.
        let _ = unsafe { libc::ioctl(self.0.as_raw_fd(), Self::OFF as _, 0) };
    }
}

/// Takes a file system away.
pub fn unmount(at: &Path) {
    let status = Command::new("umount").arg(at).status().unwrap();
    assert!(status.success(), "umount {}", at.display());
}

fn mount_with(arguments: &[&str], at: &Path) -> Result<(), String> {
    let mut command = Command::new("mount");
    let output = command.args(arguments).arg(at).output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
