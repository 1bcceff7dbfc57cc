//! A window by the X11 protocol, without a graphics library. Nobody else knows the display server.

mod pixels;
mod socket;

use anyhow::{Context as _, Result, bail};
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::atom_manager;
use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::properties::{WmHints, WmSizeHints};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateGCAux, CreateWindowAux,
    EventMask, ImageFormat, ImageOrder, PropMode, Screen as XScreen, Visibility, VisualClass,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use super::screen::{Happening, Screen};
use crate::base::stop::Stop;
use crate::say;
use pixels::Layout;
use socket::{Patient, connect, lost, no_id, unanswered};

/// A picture is sent in pieces of at most this: any server takes them, however old.
const PIECE: usize = 200_000;
/// The key that quits.
const ESCAPE: u32 = 0xff1b;

atom_manager! {
    Atoms: AtomsCookie {
        WM_PROTOCOLS,
        WM_DELETE_WINDOW,
        UTF8_STRING,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
    }
}

/// The layout of a screen's own visual.
fn layout(connection: &RustConnection<Patient>, screen: &XScreen) -> Option<Layout> {
    let setup = connection.setup();
    let depths = screen.allowed_depths.iter();
    let visual = depths
        .filter(|d| d.depth == screen.root_depth)
        .flat_map(|d| &d.visuals)
        .find(|v| v.visual_id == screen.root_visual)?;
    let true_colour = [VisualClass::TRUE_COLOR, VisualClass::DIRECT_COLOR];
    if !true_colour.contains(&visual.class) {
        return None;
    }
    let formats = setup.pixmap_formats.iter();
    let format = formats.clone().find(|f| f.depth == screen.root_depth)?;
    Layout::new(
        format.bits_per_pixel,
        format.scanline_pad,
        setup.image_byte_order == ImageOrder::MSB_FIRST,
        [visual.blue_mask, visual.green_mask, visual.red_mask],
    )
}

/// An open window.
pub(super) struct X11 {
    connection: RustConnection<Patient>,
    window: u32,
    context: u32,
    depth: u8,
    layout: Layout,
    atoms: Atoms,
    escape: Option<u8>,
    size: (u16, u16),
    is_mapped: bool,
    is_covered: bool,
    is_minimised: bool,
    /// Where a picture is put together, so that nobody sees half of it; its size.
    buffer: Option<(u32, (u16, u16))>,
    /// A piece of a picture.
    piece: Vec<u8>,
}

impl X11 {
    /// Opens a window. May block while it connects; whoever calls has a limit.
    ///
    /// # Errors
    /// There is no server, it refuses, or it shows no colours.
    pub fn open(display: &str, title: &str, size: (u16, u16), stop: &Stop) -> Result<Self> {
        let (connection, number) = connect(display, stop)?;
        let screen = connection
            .setup()
            .roots
            .get(number)
            .context("no such screen")?
            .clone();
        let depth = screen.root_depth;
        let Some(layout) = layout(&connection, &screen) else {
            bail!(say!(
                "its pixels of {depth} bits are not supported; 16, 24 or 32 are",
                "{depth}ビットの画面には対応していません（16, 24, 32ビットのみ）"
            ));
        };
        let atoms = Atoms::new(&connection).map_err(lost)?;
        let atoms = atoms.reply().map_err(unanswered)?;
        let window = connection.generate_id().map_err(no_id)?;
        let context = connection.generate_id().map_err(no_id)?;
        let mut opened = Self {
            connection,
            window,
            context,
            depth,
            layout,
            atoms,
            escape: None,
            size,
            is_mapped: false,
            is_covered: false,
            is_minimised: false,
            buffer: None,
            piece: Vec::new(),
        };
        opened.map(&screen, title).map_err(lost)?;
        opened.find_escape()?;
        Ok(opened)
    }

    fn map(&self, screen: &XScreen, title: &str) -> Result<(), ConnectionError> {
        let (connection, window, atoms) = (&self.connection, self.window, &self.atoms);
        let (width, height) = self.size;
        let events = EventMask::EXPOSURE
            | EventMask::STRUCTURE_NOTIFY
            | EventMask::VISIBILITY_CHANGE
            | EventMask::PROPERTY_CHANGE
            | EventMask::KEY_PRESS;
        let attributes = CreateWindowAux::new().background_pixel(screen.black_pixel);
        connection.create_window(
            COPY_DEPTH_FROM_PARENT,
            window,
            screen.root,
            0,
            0,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            screen.root_visual,
            &attributes,
        )?;
        let listen = ChangeWindowAttributesAux::new().event_mask(events);
        connection.change_window_attributes(window, &listen)?;
        connection.create_gc(
            self.context,
            window,
            &CreateGCAux::new().graphics_exposures(0),
        )?;
        let (mode, text) = (PropMode::REPLACE, title.as_bytes());
        connection.change_property8(mode, window, AtomEnum::WM_NAME, AtomEnum::STRING, text)?;
        connection.change_property8(mode, window, atoms._NET_WM_NAME, atoms.UTF8_STRING, text)?;
        let process = [std::process::id()];
        connection.change_property32(
            mode,
            window,
            atoms._NET_WM_PID,
            AtomEnum::CARDINAL,
            &process,
        )?;
        let delete = [atoms.WM_DELETE_WINDOW];
        connection.change_property32(mode, window, atoms.WM_PROTOCOLS, AtomEnum::ATOM, &delete)?;
        let class = format!("facetap\0{title}\0");
        connection.change_property8(
            mode,
            window,
            AtomEnum::WM_CLASS,
            AtomEnum::STRING,
            class.as_bytes(),
        )?;
        let hints = WmHints {
            input: Some(true),
            ..WmHints::new()
        };
        hints.set(connection, window)?;
        let sizes = WmSizeHints {
            min_size: Some((160, 120)),
            ..WmSizeHints::new()
        };
        sizes.set_normal_hints(connection, window)?;
        connection.map_window(window)?;
        connection.flush()
    }

    /// The buffer for pictures of this size.
    fn buffer(&mut self, size: (u16, u16)) -> Result<u32> {
        if let Some((buffer, of)) = self.buffer {
            if of == size {
                return Ok(buffer);
            }
            self.connection.free_pixmap(buffer).map_err(lost)?;
        }
        let buffer = self.connection.generate_id().map_err(no_id)?;
        self.connection
            .create_pixmap(self.depth, buffer, self.window, size.0, size.1)
            .map_err(lost)?;
        self.buffer = Some((buffer, size));
        Ok(buffer)
    }

    /// Finds out which key ESC is.
    fn find_escape(&mut self) -> Result<()> {
        let setup = self.connection.setup();
        let (first, last) = (setup.min_keycode, setup.max_keycode);
        let keys = self
            .connection
            .get_keyboard_mapping(first, last - first + 1)
            .map_err(lost)?
            .reply()
            .map_err(unanswered)?;
        let symbols = keys
            .keysyms
            .chunks(usize::from(keys.keysyms_per_keycode).max(1));
        self.escape = (first..=last)
            .zip(symbols)
            .find(|(_, symbols)| symbols.contains(&ESCAPE))
            .map(|(code, _)| code);
        Ok(())
    }

    /// Whether the window manager has put it away; some do not unmap it.
    fn look_whether_minimised(&mut self) -> Result<()> {
        let state = self
            .connection
            .get_property(
                false,
                self.window,
                self.atoms._NET_WM_STATE,
                AtomEnum::ATOM,
                0,
                64,
            )
            .map_err(lost)?
            .reply();
        self.is_minimised = match state {
            Ok(state) => state
                .value32()
                .is_some_and(|mut all| all.any(|a| a == self.atoms._NET_WM_STATE_HIDDEN)),
            Err(ReplyError::ConnectionError(e)) => return Err(lost(e)),
            Err(ReplyError::X11Error(_)) => false,
        };
        Ok(())
    }

    fn seen(&self) -> Happening {
        Happening::Seen(self.is_mapped && !self.is_covered && !self.is_minimised)
    }

    fn take(&mut self, event: &Event) -> Result<Option<Happening>> {
        Ok(Some(match event {
            Event::KeyPress(key) if Some(key.detail) == self.escape => Happening::Quit,
            Event::ClientMessage(message)
                if message.type_ == self.atoms.WM_PROTOCOLS
                    && message.data.as_data32()[0] == self.atoms.WM_DELETE_WINDOW =>
            {
                Happening::Quit
            }
            // Destroyed by somebody else: as good as closed.
            Event::DestroyNotify(event) if event.window == self.window => Happening::Quit,
            Event::ConfigureNotify(to) if to.window == self.window => {
                self.size = (to.width.max(1), to.height.max(1));
                Happening::Resized(self.size.0, self.size.1)
            }
            Event::MapNotify(_) => {
                self.is_mapped = true;
                self.seen()
            }
            Event::UnmapNotify(_) => {
                self.is_mapped = false;
                self.seen()
            }
            Event::VisibilityNotify(to) => {
                self.is_covered = to.state == Visibility::FULLY_OBSCURED;
                self.seen()
            }
            Event::PropertyNotify(of) if of.atom == self.atoms._NET_WM_STATE => {
                self.look_whether_minimised()?;
                self.seen()
            }
            Event::Expose(_) => Happening::Exposed,
            Event::MappingNotify(_) => {
                self.find_escape()?;
                return Ok(None);
            }
            // A request that came too late for something that is gone, perhaps.
            _ => return Ok(None),
        }))
    }
}

impl Screen for X11 {
    fn happenings(&mut self) -> Result<Vec<Happening>> {
        let mut all = Vec::new();
        while let Some(event) = self.connection.poll_for_event().map_err(lost)? {
            all.extend(self.take(&event)?);
        }
        Ok(all)
    }

    fn show(&mut self, (width, height): (u32, u32), bytes: &[u8]) -> Result<()> {
        let (width, height) = (u16::try_from(width)?, u16::try_from(height)?);
        let left = i16::try_from(self.size.0.saturating_sub(width) / 2)?;
        let top = i16::try_from(self.size.1.saturating_sub(height) / 2)?;
        let buffer = self.buffer((width, height))?;
        let stride = self.layout.stride(width.into());
        let most = self.connection.maximum_request_bytes().min(PIECE);
        // The request's own fields take 24 bytes.
        let rows = (most.saturating_sub(64) / stride.max(1)).max(1);
        let whole = bytes.chunks(rows * usize::from(width) * 3);
        let mut y = 0_i16;
        for part in whole {
            let lines = part.chunks_exact(usize::from(width) * 3);
            let count = u16::try_from(lines.len())?;
            self.piece.resize(lines.len() * stride, 0);
            for (line, to) in lines.zip(self.piece.chunks_exact_mut(stride)) {
                self.layout.row(line, to);
            }
            self.connection
                .put_image(
                    ImageFormat::Z_PIXMAP,
                    buffer,
                    self.context,
                    width,
                    count,
                    0,
                    y,
                    0,
                    self.depth,
                    &self.piece,
                )
                .map_err(lost)?;
            y = y.saturating_add_unsigned(count);
        }
        self.connection
            .copy_area(
                buffer,
                self.window,
                self.context,
                0,
                0,
                left,
                top,
                width,
                height,
            )
            .map_err(lost)?;
        self.connection.flush().map_err(lost)
    }
}
