//! The thread behind buzzer and LEDs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Result;
use log::warn;

use super::attachment::{Attachment, Said};
use super::gpio::Pins;
use super::none::Nothing;
use super::player::{Output, Player};
use super::{Event, Notice};
use crate::base::card_status::CardStatus;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::config::{BeepSettings, Gpio};
use crate::{say, say_info, say_warn};

/// Buzzer and LEDs. Dropping them leaves everything dark and silent.
pub trait Outputs: Send {
    /// Makes it sound and light so. Returns within milliseconds.
    ///
    /// # Errors
    /// A device failed; the message names it. The others may have been set.
    fn set(&mut self, output: Output) -> Result<()>;

    /// Whether there is a buzzer.
    fn has_buzzer(&self) -> bool;
}

/// Takes buzzer and LEDs, again and again.
pub type OpenOutputs = Box<dyn FnMut() -> Result<Box<dyn Outputs>> + Send>;

/// The thread's body.
pub struct Display {
    /// Events from the other threads.
    pub events: Receiver<Notice>,
    /// How things stand, for the lights at rest.
    pub card_status: Arc<CardStatus>,
    /// What is to be heard.
    pub beeps: BeepSettings,
    /// Takes buzzer and LEDs.
    pub open: OpenOutputs,
    /// Told whether a buzzer of ours is in use.
    pub buzzer: Arc<AtomicBool>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The order to stop.
    pub stop: Stop,
}

impl Display {
    /// Shows events until the other threads are gone, or the order to stop is given and nothing waits;
    /// then goes dark.
    pub fn run(&mut self) {
        let mut outputs = Attachment::default();
        let mut player = Player::new(self.beeps.clone());
        let mut shown = None;
        // What the first try costs must not shorten the first sound.
        self.attend(&mut outputs);
        player.begin(Event::Started, self.clock.now());
        loop {
            if self.attend(&mut outputs) {
                shown = None;
            }
            let now = self.clock.now();
            let (output, pause) = player.at(now, &self.card_status);
            if shown != Some(output)
                && let Some(device) = outputs.device()
            {
                match device.set(output) {
                    Ok(()) => shown = Some(output),
                    Err(e) => {
                        self.buzzer.store(false, Ordering::Relaxed);
                        report(outputs.failed(now, &e));
                    }
                }
            }
            // Without a device there is nothing to do but to try for it.
            let pause = match outputs.next_try(self.clock.now()) {
                _ if self.stop.requested() => Duration::ZERO,
                Some(until_try) => until_try,
                None => pause,
            };
            match self.events.recv_timeout(pause) {
                Ok(notice) => player.begin(notice.event, self.clock.now()),
                Err(RecvTimeoutError::Timeout) if !self.stop.requested() => {}
                Err(_) => return,
            }
        }
    }

    /// Tries for the devices when it is time. True if they have just been taken.
    fn attend(&mut self, outputs: &mut Attachment<Box<dyn Outputs>>) -> bool {
        let said = outputs.attend(self.clock.now(), &mut self.open);
        let new = matches!(said, Said::Opened | Said::Back);
        if new {
            let buzzer = outputs.device().is_some_and(|d| d.has_buzzer());
            self.buzzer.store(buzzer, Ordering::Relaxed);
        }
        report(said);
        new
    }
}

fn report(said: Said) {
    match said {
        // What there is was said when it was taken.
        Said::Nothing | Said::Opened => {}
        Said::Absent(why) => say_info!(
            "no buzzer and no LEDs: {why}",
            "ブザーと LED は使いません: {why}"
        ),
        Said::Failed(why) => say_warn!("buzzer and LEDs fail: {why}", "ブザーと LED の異常: {why}"),
        Said::Back => say_info!("buzzer and LEDs work again", "ブザーと LED が復旧しました"),
    }
}

/// What this board has on its pins. Every time it is taken one log line says what there is.
#[must_use]
pub fn open(gpio: &Gpio) -> OpenOutputs {
    let gpio = gpio.clone();
    Box::new(move || {
        if gpio == NO_PINS {
            return Ok(Box::new(Nothing));
        }
        let (pins, faults) = Pins::open(&gpio)?;
        let what = pins.describe();
        say_info!("feedback: {what}", "表示装置: {what}");
        for fault in faults {
            warn!("{fault}");
        }
        Ok(Box::new(pins))
    })
}

const NO_PINS: Gpio = Gpio {
    buzzer: None,
    red: None,
    green: None,
    blue: None,
};

/// Whether the pins can be used (`facetap check`); what there is, for people.
///
/// # Errors
/// They cannot; the message says why.
pub fn probe(gpio: &Gpio) -> Result<String> {
    if *gpio == NO_PINS {
        return Ok(say!("no pin is configured", "ピンは設定されていません"));
    }
    let (pins, faults) = Pins::open(gpio)?;
    let what = pins.describe();
    Ok([vec![what], faults].concat().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::indicator::panel;
    use crate::attend::indicator::pattern::Lamps;
    use crate::base::clock::SystemClock;
    use crate::base::stop::{Reason, lock};
    use std::sync::Mutex;

    /// Writes down what it is told; fails after so many orders.
    struct Recording {
        seen: Arc<Mutex<Vec<Output>>>,
        left: usize,
    }

    impl Outputs for Recording {
        fn set(&mut self, output: Output) -> Result<()> {
            self.left = match self.left.checked_sub(1) {
                Some(left) => left,
                None => anyhow::bail!("broken"),
            };
            lock(&self.seen).push(output);
            Ok(())
        }

        fn has_buzzer(&self) -> bool {
            true
        }
    }

    impl Drop for Recording {
        fn drop(&mut self) {
            lock(&self.seen).push(Output::default());
        }
    }

    fn display(events: Receiver<Notice>, open: OpenOutputs, stop: &Stop) -> Display {
        Display {
            events,
            card_status: Arc::default(),
            beeps: BeepSettings {
                enabled: true,
                card_read: true,
                success: true,
                fail: true,
            },
            open,
            buzzer: Arc::default(),
            clock: Arc::new(SystemClock),
            stop: stop.clone(),
        }
    }

    #[test]
    fn an_event_reaches_the_devices_and_the_end_is_dark_and_silent() {
        let (seen, left) = (Arc::new(Mutex::new(Vec::new())), 1000);
        let (panel, events) = panel();
        let record = Arc::clone(&seen);
        let open: OpenOutputs = Box::new(move || {
            let seen = Arc::clone(&record);
            Ok(Box::new(Recording { seen, left }))
        });
        panel.show(Event::Counted);
        drop(panel);
        let mut display = display(events, open, &Stop::new());
        let buzzer = Arc::clone(&display.buzzer);
        display.run();
        assert!(buzzer.load(Ordering::Relaxed));
        let red = Output {
            hz: Some(1000),
            lamps: Lamps {
                red: true,
                ..Lamps::default()
            },
        };
        let green = Output {
            hz: Some(2500),
            lamps: Lamps {
                green: true,
                ..Lamps::default()
            },
        };
        assert_eq!(*lock(&seen), [red, green, Output::default()]);
    }

    #[test]
    fn a_device_that_fails_stops_nothing_and_is_not_tried_at_every_event() {
        let tries = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&tries);
        let (panel, events) = panel();
        let open: OpenOutputs = Box::new(move || {
            *lock(&counted) += 1;
            Ok(Box::new(Recording {
                seen: Arc::default(),
                left: 0,
            }))
        });
        for _ in 0..5 {
            panel.show(Event::Counted);
        }
        drop(panel);
        display(events, open, &Stop::new()).run();
        assert_eq!(*lock(&tries), 1);
    }

    #[test]
    fn the_order_to_stop_ends_it_while_others_still_hold_the_panel() {
        let (_panel, events) = panel();
        let stop = Stop::new();
        stop.request(Reason::Duration);
        let tried = Arc::new(Mutex::new(false));
        let try_it = Arc::clone(&tried);
        let open: OpenOutputs = Box::new(move || {
            *lock(&try_it) = true;
            anyhow::bail!("absent")
        });
        // That it returns at all is what is to be shown.
        display(events, open, &stop).run();
        assert!(*lock(&tried));
    }
}
