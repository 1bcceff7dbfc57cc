//! Indicator: what the person at the reader sees and hears.
//!
//! The keeper shows an [`Event`] on a [`Panel`], which never blocks; a small thread ([`Display`]) passes
//! it on to the [`Indicator`]s: the green LED now ([`gpio`]), buzzer, other LEDs and LCD later.

pub mod gpio;
pub mod none;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use anyhow::Result;
use log::{info, warn};

use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config::Gpio;
use crate::say;

/// What happens, for the person at the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The service has started.
    Started,
    /// The server answers: for the first time, or again.
    ServerConnected,
    /// A card lies on a reader and is being read.
    Reading,
    /// It is durable in the ledger.
    Counted,
    /// It is in the ledger, which lies on a disk that forgets everything at a power cut.
    CountedInMemory,
    /// The card had just been counted.
    Repeat,
    /// This card cannot be used here.
    Refused,
    /// The card could not be read: tap again.
    ReadFailed,
    /// The tap could not be stored.
    StorageFailed,
}

/// An event, and whom and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happens.
    pub event: Event,
    /// The reader that it happens at, if it happens at one.
    pub reader: Option<String>,
    /// The person's name, if the roster tells.
    pub name: Option<String>,
}

impl From<Event> for Notice {
    /// What concerns no reader and nobody in particular.
    fn from(event: Event) -> Self {
        Self {
            event,
            reader: None,
            name: None,
        }
    }
}

/// Something that shows events, for as long as each of them takes.
///
/// After an error the indicator may be used further; nobody waits for it to succeed. Dropping it leaves
/// everything dark and silent.
pub trait Indicator: Send {
    /// Begins to show `notice`; one that is still being shown gives way.
    ///
    /// # Errors
    /// The device failed; the message names it.
    fn show(&mut self, notice: &Notice, now: Monotime) -> Result<()>;

    /// Carries on with what is being shown. Returns when it wants to be called next, none while it
    /// shows nothing.
    ///
    /// # Errors
    /// The device failed; the message names it.
    fn advance(&mut self, now: Monotime) -> Result<Option<Monotime>>;
}

/// Events that may wait for the display; more are dropped, for they would be shown too late.
const QUEUE: usize = 8;
/// How soon the order to stop is heard while nothing happens and the keeper hangs.
const PATIENCE: Duration = Duration::from_millis(250);

/// The other threads' end. Showing never blocks.
#[derive(Debug, Clone)]
pub struct Panel(SyncSender<Notice>);

impl Panel {
    /// Shows an event as soon as may be; drops it if the display is far behind.
    pub fn show(&self, notice: impl Into<Notice>) {
        match self.0.try_send(notice.into()) {
            // Without a display nobody looks.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

/// The queue to the display.
#[must_use]
pub fn panel() -> (Panel, Receiver<Notice>) {
    let (sender, receiver) = sync_channel(QUEUE);
    (Panel(sender), receiver)
}

/// The thread's body.
pub struct Display {
    /// Events from the other threads.
    pub events: Receiver<Notice>,
    /// What shows them.
    pub indicator: Box<dyn Indicator>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
}

impl Display {
    /// Shows events until the keeper is gone, or the order to stop is given; then goes dark.
    pub fn run(mut self) {
        let mut failed = false;
        loop {
            let now = self.clock.now();
            let step = self.indicator.advance(now);
            let pause = match &step {
                Ok(Some(next)) => next.since(now).min(PATIENCE),
                _ => PATIENCE,
            };
            let shown = match self.events.recv_timeout(pause) {
                Ok(notice) => self.indicator.show(&notice, self.clock.now()),
                Err(RecvTimeoutError::Timeout) if !self.stop.requested() => Ok(()),
                Err(_) => return,
            };
            let result = step.and(shown);
            if let Err(e) = &result
                && !failed
            {
                let why = format!("{e:#}");
                warn!(
                    "{}",
                    say!("indicator failure: {why}", "表示装置の異常: {why}")
                );
            }
            // Said again only after it has worked in between.
            failed = result.is_err();
        }
    }
}

/// What this board has: the LED, or nothing. One log line says so.
#[must_use]
pub fn open(gpio: &Gpio) -> Box<dyn Indicator> {
    let Some(pin) = gpio.green else {
        return Box::new(none::Nothing);
    };
    match gpio::GreenLed::open(pin) {
        Ok(led) => {
            info!("{}", say!("green LED on GPIO {pin}", "緑 LED: GPIO {pin}"));
            Box::new(led)
        }
        Err(e) => {
            let why = format!("{e:#}");
            info!("{}", say!("no LED: {why}", "LED は使いません: {why}"));
            Box::new(none::Nothing)
        }
    }
}

/// Whether the pins can be used (`facetap check`); what there is, for people.
///
/// # Errors
/// They cannot; the message says why.
pub fn probe(gpio: &Gpio) -> Result<String> {
    match gpio.green {
        None => Ok(say!("no pin is configured", "ピンは設定されていません")),
        Some(pin) => {
            drop(gpio::GreenLed::open(pin)?);
            Ok(say!("green LED on GPIO {pin}", "緑 LED: GPIO {pin}"))
        }
    }
}

/// How long a light stays on, decided without a light. Pure.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Glow {
    /// Dark.
    #[default]
    Off,
    /// Lit until then.
    Until(Monotime),
}

impl Glow {
    /// How long the green LED tells a counted tap.
    pub const COUNTED: Duration = Duration::from_secs(1);

    /// What `event` makes of the green light.
    #[must_use]
    pub fn green(event: Event, now: Monotime) -> Self {
        match event {
            Event::Counted | Event::CountedInMemory => Self::Until(now + Self::COUNTED),
            // A light left over from the tap before would say yes to this one.
            _ => Self::Off,
        }
    }

    /// What is left of it.
    #[must_use]
    pub fn at(self, now: Monotime) -> Self {
        match self {
            Self::Until(end) if now < end => self,
            _ => Self::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;

    #[test]
    fn green_says_counted_for_a_second_and_nothing_else() {
        let now = Monotime::from_zero(Duration::from_secs(5));
        let lit = Glow::green(Event::Counted, now);
        assert_eq!(lit.at(now + Duration::from_millis(999)), lit);
        assert_eq!(lit.at(now + Duration::from_secs(1)), Glow::Off);
        for other in [
            Event::Repeat,
            Event::Refused,
            Event::ReadFailed,
            Event::StorageFailed,
        ] {
            assert_eq!(Glow::green(other, now), Glow::Off);
        }
    }

    /// Fails always, and counts how often it was asked.
    struct Broken(Arc<std::sync::atomic::AtomicU32>);

    impl Indicator for Broken {
        fn show(&mut self, _notice: &Notice, _now: Monotime) -> Result<()> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            anyhow::bail!("broken")
        }
        fn advance(&mut self, _now: Monotime) -> Result<Option<Monotime>> {
            anyhow::bail!("broken")
        }
    }

    #[test]
    fn a_broken_device_stops_nothing() {
        let asked = Arc::default();
        let (panel, events) = panel();
        panel.show(Event::Counted);
        panel.show(Event::Counted);
        drop(panel);
        Display {
            events,
            indicator: Box::new(Broken(Arc::clone(&asked))),
            clock: Arc::new(SystemClock),
            stop: Stop::new(),
        }
        .run();
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    #[test]
    fn a_panel_never_blocks() {
        let (panel, _events) = panel();
        for _ in 0..1000 {
            panel.show(Event::Counted);
        }
    }
}
