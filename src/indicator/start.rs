//! The threads that tell people what came of their taps.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use super::lcd::{self, LcdDisplay};
use super::{Display, Panel, open, panel};
use crate::base::clock::Clock;
use crate::base::stop::Stop;
use crate::base::threads::Threads;
use crate::config::Config;
use crate::reader::acr122::{self, ReaderLamp};
use crate::reader::selection;
use crate::standing::Standing;

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
    standing: &Arc<Standing>,
) -> Result<Panel> {
    let (mut panel, events) = panel();
    let lcd = LcdDisplay {
        events: panel.add(),
        standing: Arc::clone(standing),
        settings: config.lcd_settings.clone(),
        open: lcd::open(&config.lcd_settings),
        clock: Arc::clone(clock),
        stop: stop.clone(),
    };
    threads.start("lcd", stop, move || lcd.run())?;

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
        threads.start("reader-lamp", stop, move || lamp.run())?;
    }

    let display = Display {
        events,
        standing: Arc::clone(standing),
        beeps: config.beep_settings.clone(),
        open: open(&config.gpio),
        buzzer,
        clock: Arc::clone(clock),
        stop: stop.clone(),
    };
    threads.start("indicator", stop, move || display.run())?;
    Ok(panel)
}
