//! Starts the threads of the indicators.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use super::lcd::{self, LcdDisplay};
use super::{Display, Panel, open, panel};
use crate::attend::reader::acr122::{self, ReaderLamp};
use crate::attend::reader::selection;
use crate::base::beat::Beat;
use crate::base::card_status::CardStatus;
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use crate::config::Config;

/// Starts buzzer and LEDs, the LCD and the lamps of the readers, each on a thread of its own. What is not
/// connected is waited for in there.
///
/// # Errors
/// The operating system refuses another thread.
pub fn start(
    threads: &mut Threads,
    config: &Config,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
    card_status: &Arc<CardStatus>,
) -> Result<Panel> {
    let (mut panel, events) = panel();
    // What hangs here, on a bus of its own, must not end what counts.
    let nobody = Beat::default();
    let mut lcd = LcdDisplay {
        events: panel.add(),
        card_status: Arc::clone(card_status),
        settings: config.lcd_settings.clone(),
        open: lcd::open(&config.lcd_settings),
        clock: Arc::clone(clock),
        stop: stop.clone(),
    };
    threads.start_loop("lcd", stop, clock, &nobody, move || lcd.run())?;

    let buzzer = Arc::new(AtomicBool::new(false));
    if !selection::is_simulated(&config.cards.readers) {
        let lamp = ReaderLamp {
            events: panel.add(),
            has_lamp: acr122::is_acr122,
            send: acr122::real(),
            beeps: config.beep_settings.clone(),
            buzzer: Arc::clone(&buzzer),
            stop: stop.clone(),
        };
        threads.start_loop("reader-lamp", stop, clock, &nobody, move || lamp.run())?;
    }

    let mut display = Display {
        events,
        card_status: Arc::clone(card_status),
        beeps: config.beep_settings.clone(),
        open: open(&config.gpio),
        buzzer,
        clock: Arc::clone(clock),
        stop: stop.clone(),
    };
    panel.end_with(stop);
    threads.start_loop("indicator", stop, clock, &nobody, move || display.run())?;
    Ok(panel)
}
