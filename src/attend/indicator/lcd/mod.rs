//! The LCD 1602 on the I2C bus, and the thread behind it: a bus that hangs must not hold up the buzzer.

pub mod charset;
pub mod hd44780;
pub mod i2c;
pub mod screen;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Result;
use log::info;

use super::Notice;
use super::attachment::{Attachment, Said};
use crate::base::card_status::CardStatus;
use crate::base::clock::{Clock, Monotime};
use crate::base::stop::Stop;
use crate::config::LcdSettings;
use crate::{say, say_info, say_warn};
use hd44780::{BLANK, Picture, Step};
use i2c::Expander;
use screen::Screen;

/// How often time and queue are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the LCD is asked whether it still has its power, while nothing is sent.
const ASK: Duration = Duration::from_secs(2);

/// Finds the LCD; tells its address.
pub type OpenLcd = Box<dyn FnMut() -> Result<(u8, Box<dyn Expander>)> + Send>;

/// The real one.
#[must_use]
pub fn open(settings: &LcdSettings) -> OpenLcd {
    let settings = settings.clone();
    Box::new(move || i2c::open(&settings))
}

/// Whether there is an LCD (`facetap check`); where, for people. What it shows is left alone.
///
/// # Errors
/// There is none; the message says what to do.
pub fn probe(settings: &LcdSettings) -> Result<String> {
    let (address, _) = i2c::open(settings)?;
    Ok(place(settings, address))
}

fn place(settings: &LcdSettings, address: u8) -> String {
    let bus = settings.i2c_bus;
    say!(
        "LCD on /dev/i2c-{bus} at 0x{address:02X}",
        "LCD: /dev/i2c-{bus} 0x{address:02X}"
    )
}

/// An LCD that takes text.
struct Lcd {
    expander: Box<dyn Expander>,
    backlight: bool,
    clock: Arc<dyn Clock>,
    shown: Picture,
    /// When it last answered.
    answered: Monotime,
}

impl Lcd {
    fn new(expander: Box<dyn Expander>, backlight: bool, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut lcd = Self {
            expander,
            backlight,
            answered: clock.now(),
            clock,
            shown: BLANK,
        };
        lcd.initialise()?;
        Ok(lcd)
    }

    fn initialise(&mut self) -> Result<()> {
        self.shown = BLANK;
        self.perform(&hd44780::initialise(self.backlight))
    }

    fn show(&mut self, picture: &Picture) -> Result<()> {
        if self.clock.now().since(self.answered) >= ASK {
            // Unplugged and plugged in again between two bytes, it would take the next for anything.
            if hd44780::lost_power(self.expander.receive()?) {
                self.initialise()?;
            }
            self.answered = self.clock.now();
        }
        if *picture != self.shown {
            self.perform(&hd44780::update(&self.shown, picture, self.backlight))?;
            self.shown = *picture;
        }
        Ok(())
    }

    fn perform(&mut self, steps: &[Step]) -> Result<()> {
        // Not cut short by the order to stop: the LCD would take the bytes that follow for others.
        let never = Stop::new();
        for step in steps {
            match step {
                Step::Send(byte) => self.expander.send(*byte)?,
                Step::Wait(time) => {
                    self.clock.wait(&never, *time);
                }
            }
        }
        if !steps.is_empty() {
            self.answered = self.clock.now();
        }
        Ok(())
    }
}

impl Drop for Lcd {
    fn drop(&mut self) {
        // One that has failed stays as it is.
        let _ = self.perform(&hd44780::farewell(self.backlight));
    }
}

/// The thread's body.
pub struct LcdDisplay {
    /// Events from the other threads.
    pub events: Receiver<Notice>,
    /// How things stand.
    pub card_status: Arc<CardStatus>,
    /// Where the LCD is.
    pub settings: LcdSettings,
    /// Finds it.
    pub open: OpenLcd,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
}

impl LcdDisplay {
    /// Shows events until the other threads are gone, or the order to stop is given and nothing waits;
    /// then goes dark.
    pub fn run(&mut self) {
        let mut lcd = Attachment::default();
        let mut screen = Screen::default();
        screen.tell(super::Event::Started.into(), self.clock.now());
        loop {
            self.refresh(&mut lcd, &mut screen);
            // Without an LCD there is nothing to do but to try for it.
            let pause = match lcd.next_try(self.clock.now()) {
                _ if self.stop.requested() => Duration::ZERO,
                Some(pause) => pause,
                None => LOOK,
            };
            match self.events.recv_timeout(pause) {
                Ok(notice) => screen.tell(notice, self.clock.now()),
                Err(RecvTimeoutError::Timeout) if !self.stop.requested() => {}
                Err(_) => return,
            }
        }
    }

    fn refresh(&mut self, lcd: &mut Attachment<Lcd>, screen: &mut Screen) {
        let (clock, backlight) = (Arc::clone(&self.clock), self.settings.backlight);
        let (open, mut found) = (&mut self.open, 0);
        let said = lcd.attend(self.clock.now(), || {
            let (address, expander) = open()?;
            found = address;
            Lcd::new(expander, backlight, clock)
        });
        self.report(said, found);
        let now = self.clock.now();
        let picture = screen.at(now, &self.clock.wall(), &self.card_status);
        if let Some(device) = lcd.device()
            && let Err(e) = device.show(&picture)
        {
            let said = lcd.failed(now, &e);
            self.report(said, 0);
        }
    }

    fn report(&self, said: Said, address: u8) {
        match said {
            Said::Nothing => {}
            Said::Opened => info!("{}", place(&self.settings, address)),
            Said::Absent(why) => say_info!("no LCD: {why}", "LCD は使いません: {why}"),
            Said::Failed(why) => say_warn!("the LCD fails: {why}", "LCD の異常: {why}"),
            Said::Back => say_info!("the LCD works again", "LCD が復旧しました"),
        }
    }
}

#[cfg(test)]
mod tests;
