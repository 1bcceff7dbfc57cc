//! The window's thread. The service goes on without it, whatever happens to it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use log::debug;

use super::board::Sources;
use super::canvas::Canvas;
use super::fonts;
use super::lettering::Lettering;
use super::pace::Pace;
use super::scene;
use super::screen::{Happening, Screen};
use super::x11;
use crate::base::beat::Beat;
use crate::base::clock::{Clock, Monotime, thread_time};
use crate::base::limited::Limited;
use crate::base::stop::{Reason, Stop};
use crate::follow::detect::{Decoder, Pixels};
use crate::follow::preview::{Preview, Shown, Viewer};
use crate::{say, say_info, say_warn};

/// Time for opening; a display at another machine may never answer.
const OPENING: Duration = Duration::from_secs(10);
/// How soon a key or the order to stop is heard.
const LISTEN: Duration = Duration::from_millis(100);
/// So often what is written is brought up to date where no picture comes.
const REFRESH: Duration = Duration::from_secs(1);
/// A picture that is older is not shown as if it were of now.
const STALE: Duration = Duration::from_secs(3);
/// The size that it opens with.
const FIRST_SIZE: (u16, u16) = (640, 480);
/// More pixels than these are not drawn, however large the window; what is beyond stays black.
const LARGEST: (u32, u32) = (1280, 960);

/// The thread's parts.
pub struct Window {
    /// The name of the display (`DISPLAY`), if there is one.
    pub display: Option<String>,
    /// Whether there is a Wayland session, for what is said without a display.
    pub wayland: bool,
    /// What is shown.
    pub sources: Sources,
    /// Where the pictures come from.
    pub preview: Arc<Preview>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Given when the window is closed; ends the thread.
    pub stop: Stop,
}

impl Window {
    /// Shows until the stop, or until there is no display any more.
    pub fn run(&self) {
        let Some(display) = &self.display else {
            let why = if self.wayland {
                say!(
                    "DISPLAY is not set; in a Wayland session it needs XWayland",
                    "DISPLAYが設定されていません。WaylandではXWaylandが必要です"
                )
            } else {
                say!("DISPLAY is not set", "DISPLAYが設定されていません")
            };
            say_info!(
                "no display for a window ({why}), going on headless; --no-display says that this is wanted",
                "画面がありません ({why})。ウィンドウなしで続行します（--no-display と同じ動作）"
            );
            return;
        };
        let opener = Limited::new("window-opening", &self.stop, &Beat::default());
        let (name, stop) = (display.clone(), self.stop.clone());
        let open = move || x11::X11::open(&name, "FaceTap", FIRST_SIZE, &stop);
        let opened = opener.open(OPENING, open).map_err(anyhow::Error::from);
        let opened = opened.and_then(|done| done);
        let opened = opened.and_then(|()| Ok(opener.take(OPENING)?));
        let ended = match opened {
            Ok(mut screen) => {
                say_info!(
                    "window opened on display {display}; ESC in it ends the program",
                    "ウィンドウを開きました (ディスプレイ {display})。ESCで終了します"
                );
                self.serve(&mut screen)
            }
            Err(e) if self.stop.requested() => {
                debug!("{e:#}");
                return;
            }
            Err(e) => {
                say_warn!(
                    "no window on display {display}: {e:#}; going on headless",
                    "ディスプレイ {display} にウィンドウを開けません: {e:#}。ウィンドウなしで続行します"
                );
                return;
            }
        };
        match ended {
            Err(e) if !self.stop.requested() => say_warn!(
                "the window on display {display} is lost: {e:#}; going on headless",
                "ディスプレイ {display} のウィンドウが失われました: {e:#}。ウィンドウなしで続行します"
            ),
            _ => {}
        }
    }

    /// Shows on a window that is open, until the stop.
    fn serve(&self, screen: &mut impl Screen) -> Result<()> {
        let mut easel = Easel::new(&self.stop);
        let mut pace = Pace::default();
        let mut viewer: Option<Viewer> = None;
        let mut size = FIRST_SIZE;
        // Until it is on the screen nobody sees it.
        let mut seen = false;
        let mut spoilt = false;
        let mut last: Option<Arc<Shown>> = None;
        let mut drawn: Option<Monotime> = None;
        while !self.stop.requested() {
            for happening in screen.happenings()? {
                match happening {
                    Happening::Quit => {
                        self.stop.request(Reason::Window);
                        return Ok(());
                    }
                    Happening::Resized(width, height) => {
                        spoilt |= size != (width, height);
                        size = (width, height);
                    }
                    Happening::Seen(now) => seen = now,
                    Happening::Exposed => spoilt = true,
                }
            }
            if !seen {
                viewer = None;
                last = None;
                let _ = self.clock.wait(&self.stop, LISTEN);
                continue;
            }
            let wait = pace.wait(self.clock.now());
            if !wait.is_zero() {
                let _ = self.clock.wait(&self.stop, wait.min(LISTEN));
                continue;
            }
            let fresh = viewer
                .get_or_insert_with(|| self.preview.look())
                .next(LISTEN);
            let now = self.clock.now();
            let due = drawn.is_none_or(|then| now.since(then) >= REFRESH);
            if fresh.is_none() && !spoilt && !due {
                continue;
            }
            last = fresh.or(last).filter(|s| now.since(s.captured) < STALE);
            let before = thread_time();
            let board = self.sources.board(now, last.clone());
            let fits = (
                u32::from(size.0).min(LARGEST.0),
                u32::from(size.1).min(LARGEST.1),
            );
            easel.draw(&board, fits)?;
            screen.show(fits, easel.canvas.bytes()?)?;
            pace.drawn(now, thread_time().saturating_sub(before));
            drawn = Some(now);
            spoilt = false;
        }
        Ok(())
    }
}

/// What drawing needs again and again.
struct Easel {
    decoder: Decoder,
    lettering: Lettering,
    canvas: Canvas,
}

impl Easel {
    fn new(stop: &Stop) -> Self {
        Self {
            decoder: Decoder::default(),
            lettering: Lettering::new(fonts::folders(), stop),
            canvas: Canvas::default(),
        }
    }

    fn draw(&mut self, board: &super::board::Board, size: (u32, u32)) -> Result<()> {
        self.canvas.clear(size)?;
        let pixels = board.shown.as_ref().and_then(|shown| {
            self.decoder.show(&shown.picture).ok()?;
            let side = size.0.max(size.1);
            let decoded = self.decoder.decode(&shown.picture, Pixels::Colour, side);
            // A damaged picture is told by whoever looks for faces in it.
            Some(decoded.ok()?.mat)
        });
        scene::draw(board, pixels, &mut self.lettering, &mut self.canvas)
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
