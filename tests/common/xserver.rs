//! Display servers without a screen, and a client that looks at them and types.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use crate::harness::wait_until;

/// A display server; killed when dropped.
pub struct Server {
    child: Child,
    /// What `DISPLAY` is to be.
    pub display: String,
}

fn is_there(program: &str) -> bool {
    let there = Path::new("/usr/bin").join(program).exists();
    if !there {
        eprintln!("SKIPPED: {program} is not here (scripts/setup.sh test)");
    }
    there
}

impl Server {
    /// Xvfb with a screen of this size and depth. None, and loudly, where it is not installed.
    pub fn xvfb(screen: &str, options: &[&str]) -> Option<Self> {
        if !is_there("Xvfb") {
            return None;
        }
        let mut child = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-nolisten",
                "tcp",
                "-screen",
                "0",
                screen,
            ])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb did not start");
        let display = format!(":{}", number.trim());
        Some(Self { child, display })
    }

    /// Weston with XWayland, its files in `folder`. None, and loudly, where they are not installed.
    pub fn weston(folder: &Path) -> Option<Self> {
        if !is_there("weston") || !is_there("Xwayland") {
            return None;
        }
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        let log = folder.join("weston.log");
        let child = Command::new("weston")
            .args([
                "--backend=headless-backend.so",
                "--xwayland",
                "--idle-time=0",
            ])
            .args(["--width=800", "--height=600", "--socket=facetap-test"])
            .arg(format!("--log={}", log.display()))
            .env("XDG_RUNTIME_DIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            display: String::new(),
        };
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        let number = |log: &str| {
            let (_, rest) = log.split_once("listening on display :")?;
            Some(rest.lines().next()?.trim().to_owned())
        };
        wait_until("XWayland's display", || number(&read()).is_some(), read);
        server.display = format!(":{}", number(&read()).unwrap());
        Some(server)
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Weston takes XWayland with it only if it may end by itself.
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A picture of a window: rows of blue, green and red bytes.
pub struct Screenshot {
    pub width: usize,
    pub height: usize,
    pub bgr: Vec<[u8; 3]>,
}

impl Screenshot {
    /// How many pixels of the rows look like this colour.
    pub fn count(&self, rows: std::ops::Range<usize>, colour: [u8; 3]) -> usize {
        let near = |p: &&[u8; 3]| p.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 8);
        let (from, to) = (rows.start * self.width, rows.end * self.width);
        self.bgr[from..to.min(self.bgr.len())]
            .iter()
            .filter(near)
            .count()
    }

    /// Leaves it in the folder `$FACETAP_SCREENSHOTS` for a person to look at, if that is set.
    pub fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("FACETAP_SCREENSHOTS") else {
            return;
        };
        let mut file = format!("P6 {} {} 255\n", self.width, self.height).into_bytes();
        file.extend(self.bgr.iter().flat_map(|[b, g, r]| [*r, *g, *b]));
        std::fs::write(Path::new(&folder).join(format!("{name}.ppm")), file).unwrap();
    }
}

/// A client of the display server.
pub struct Client {
    connection: RustConnection,
    root: Window,
    masks: [u32; 3],
    bytes_per_pixel: usize,
}

impl Client {
    pub fn new(server: &Server) -> Self {
        let (connection, number) = RustConnection::connect(Some(&server.display)).unwrap();
        let setup = connection.setup();
        let screen = &setup.roots[number];
        let mut visuals = screen.allowed_depths.iter().flat_map(|d| &d.visuals);
        let visual = visuals.find(|v| v.visual_id == screen.root_visual).unwrap();
        let mut formats = setup.pixmap_formats.iter();
        let format = formats.find(|f| f.depth == screen.root_depth).unwrap();
        Self {
            root: screen.root,
            masks: [visual.blue_mask, visual.green_mask, visual.red_mask],
            bytes_per_pixel: usize::from(format.bits_per_pixel / 8),
            connection,
        }
    }

    /// The window called `FaceTap`; a window manager may have put it into one of its own.
    pub fn find(&self) -> Option<Window> {
        let mut left = vec![self.root];
        while let Some(window) = left.pop() {
            let name = self
                .connection
                .get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 99)
                .unwrap()
                .reply();
            let class = self
                .connection
                .get_property(false, window, AtomEnum::WM_CLASS, AtomEnum::ANY, 0, 99)
                .unwrap()
                .reply();
            if name.is_ok_and(|n| n.value == b"FaceTap")
                && class.is_ok_and(|c| c.value == b"facetap\0FaceTap\0")
            {
                return Some(window);
            }
            if let Ok(tree) = self.connection.query_tree(window).unwrap().reply() {
                left.extend(tree.children);
            }
        }
        None
    }

    pub fn screenshot(&self, window: Window) -> Option<Screenshot> {
        let size = self.connection.get_geometry(window).ok()?.reply().ok()?;
        let (width, height) = (size.width, size.height);
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, !0)
            .ok()?
            .reply()
            .ok()?;
        let (width, height) = (usize::from(width), usize::from(height));
        let stride = image.data.len() / height;
        let value = |pixel: u32, mask: u32| {
            let most = mask >> mask.trailing_zeros();
            ((pixel & mask) >> mask.trailing_zeros()) * 255 / most
        };
        let pixel = |bytes: &[u8]| {
            let number = bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b));
            self.masks.map(|mask| value(number, mask) as u8)
        };
        let rows = image.data.chunks_exact(stride);
        let bgr = rows
            .flat_map(|row| row[..width * self.bytes_per_pixel].chunks_exact(self.bytes_per_pixel))
            .map(pixel)
            .collect();
        Some(Screenshot { width, height, bgr })
    }

    /// Presses a key as a person does, where the pointer is.
    pub fn press(&self, symbol: u32) {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let keys = self
            .connection
            .get_keyboard_mapping(first, last - first + 1)
            .unwrap()
            .reply()
            .unwrap();
        let at = keys
            .keysyms
            .chunks(usize::from(keys.keysyms_per_keycode))
            .position(|symbols| symbols.contains(&symbol))
            .unwrap();
        let code = first + u8::try_from(at).unwrap();
        for event in [KEY_PRESS_EVENT, KEY_RELEASE_EVENT] {
            self.connection
                .xtest_fake_input(event, code, 0, self.root, 0, 0, 0)
                .unwrap();
        }
        self.connection.flush().unwrap();
    }

    /// Closes the window as a window manager does.
    pub fn close(&self, window: Window) {
        let atom = |name: &[u8]| {
            let cookie = self.connection.intern_atom(false, name).unwrap();
            cookie.reply().unwrap().atom
        };
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        let event = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
        self.connection
            .send_event(false, window, EventMask::NO_EVENT, event)
            .unwrap();
        self.connection.flush().unwrap();
    }

    pub fn resize(&self, window: Window, width: u32, height: u32) {
        let size = x11rb::protocol::xproto::ConfigureWindowAux::new()
            .width(width)
            .height(height);
        self.connection.configure_window(window, &size).unwrap();
        self.connection.flush().unwrap();
    }

    /// Takes the window off the screen, or brings it back.
    pub fn show(&self, window: Window, shown: bool) {
        if shown {
            self.connection.map_window(window).unwrap();
        } else {
            self.connection.unmap_window(window).unwrap();
        }
        self.connection.flush().unwrap();
    }
}

/// A file for `Xvfb -auth` with a key that nobody else knows.
pub fn authority(file: &Path) {
    let mut key = [0; 16];
    let mut random = std::fs::File::open("/dev/urandom").unwrap();
    random.read_exact(&mut key).unwrap();
    let mut entry = vec![0xff, 0xff];
    for part in [b"".as_slice(), b"", b"MIT-MAGIC-COOKIE-1", &key] {
        entry.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        entry.extend(part);
    }
    std::fs::write(file, entry).unwrap();
}
