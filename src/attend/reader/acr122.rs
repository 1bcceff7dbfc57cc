//! LED and buzzer of an ACR122U, used to show the outcome of a tap at the reader itself.
//!
//! Through pseudo commands to the card that lies there (ACR122U API V2.04, sections 6.2 and 6.7), so only
//! while it does: best effort. A reader that refuses is not at fault.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError};
use std::time::Duration;

use log::debug;

use super::ReadError;
use super::pcsc::Exchanges;
use crate::attend::notice::{Event, Notice};
use crate::base::stop::Stop;
use crate::config::BeepSettings;

/// No beep whenever a card is found.
const AUTOMATIC_BEEP_OFF: [u8; 5] = [0xFF, 0x00, 0x52, 0x00, 0x00];
/// LED and buzzer: green for 0.1 s with a beep.
const YES: [u8; 9] = [0xFF, 0x00, 0x40, 0x2E, 0x04, 0x01, 0x00, 0x01, 0x01];
/// Red, blinking five times with beeps.
const NO: [u8; 9] = [0xFF, 0x00, 0x40, 0x5D, 0x04, 0x02, 0x01, 0x05, 0x01];
/// Where the command says whether the buzzer goes with the LED.
const LINK: usize = 8;
/// How long the answer of one reader may keep the lamp of another waiting. A longer program goes on without
/// being waited for, and its reader takes no other in that time.
const ANSWER_TIME: Duration = Duration::from_millis(300);
/// Sends a command to the card in a reader and returns the answer.
pub type Send = Box<dyn Fn(&str, &[u8]) -> Result<Vec<u8>, ReadError> + std::marker::Send>;

/// To the real readers.
#[must_use]
pub fn real() -> Send {
    let exchanges = Exchanges::default();
    Box::new(move |reader, command| exchanges.ask(reader, command, ANSWER_TIME))
}

/// Whether the reader of this name is one.
#[must_use]
pub fn is_acr122(reader: &str) -> bool {
    reader.contains("ACR122")
}

/// The thread's body.
pub struct ReaderLamp {
    /// Events from the other threads.
    pub events: Receiver<Notice>,
    /// Which readers have such a lamp.
    pub has_lamp: fn(&str) -> bool,
    /// Sends the commands.
    pub send: Send,
    /// What is to be heard.
    pub beeps: BeepSettings,
    /// Whether a buzzer of ours is in use, which the reader's must not sound over.
    pub buzzer: Arc<AtomicBool>,
    /// The order to stop.
    pub stop: Stop,
}

impl ReaderLamp {
    /// Tells outcomes until the other threads are gone or the order to stop is given.
    pub fn run(&self) {
        // Readers that have been told about their automatic beep since they came.
        let mut told = BTreeSet::new();
        while !self.stop.requested() {
            match self.events.recv() {
                // A reader may take a moment, which a stop has not. An event tells of it.
                Ok(_) if self.stop.requested() => {}
                Ok(notice) => self.tell(&notice, &mut told),
                Err(RecvError) => return,
            }
        }
    }

    fn tell(&self, notice: &Notice, told: &mut BTreeSet<String>) {
        let Some(reader) = notice.reader.as_deref().filter(|r| (self.has_lamp)(r)) else {
            return;
        };
        if notice.event == Event::ReaderConnected {
            told.remove(reader);
        }
        let ours = self.buzzer.load(Ordering::Relaxed);
        let Some(lamp) = lamp(notice.event, &self.beeps, ours) else {
            return;
        };
        // Outcomes of taps have priority.
        self.command(reader, &lamp);
        if automatic_beep_is_unwanted(&self.beeps, ours)
            && !told.contains(reader)
            && self.command(reader, &AUTOMATIC_BEEP_OFF)
        {
            told.insert(reader.to_owned());
        }
    }

    /// True if the reader has answered, even if it refused the command.
    fn command(&self, reader: &str, command: &[u8]) -> bool {
        match (self.send)(reader, command) {
            Ok(answer) => {
                debug!("{reader}: {command:02X?} -> {answer:02X?}");
                true
            }
            Err(why) => {
                debug!("{reader}: {command:02X?}: {why:?}");
                false
            }
        }
    }
}

/// The command that tells the outcome; none where nothing is to be told. The buzzer goes with it where it
/// is wanted and ours does not sound. Pure.
fn lamp(event: Event, beeps: &BeepSettings, ours: bool) -> Option<[u8; 9]> {
    let (mut command, wanted) = match event {
        Event::Counted | Event::Repeat => (YES, beeps.success),
        Event::CountedInMemory => (YES, beeps.success || beeps.fail),
        Event::Refused | Event::ReadFailed | Event::StorageFailed => (NO, beeps.fail),
        Event::Started
        | Event::ServerConnected
        | Event::ReaderConnected
        | Event::Reading
        | Event::Ending => return None,
    };
    if ours || !beeps.enabled || !wanted {
        command[LINK] = 0;
    }
    Some(command)
}

/// Whether the reader must not beep at every card. Pure.
fn automatic_beep_is_unwanted(beeps: &BeepSettings, ours: bool) -> bool {
    ours || !beeps.enabled || !beeps.card_read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attend::notice::panel;
    use crate::base::stop::lock;
    use std::sync::Mutex;

    const QUIET_YES: [u8; 9] = [0xFF, 0x00, 0x40, 0x2E, 0x04, 0x01, 0x00, 0x01, 0x00];
    const QUIET_NO: [u8; 9] = [0xFF, 0x00, 0x40, 0x5D, 0x04, 0x02, 0x01, 0x05, 0x00];

    fn beeps(enabled: bool, card_read: bool) -> BeepSettings {
        BeepSettings {
            enabled,
            card_read,
            success: true,
            fail: true,
        }
    }

    fn at(event: Event, reader: &str) -> Notice {
        Notice {
            event,
            reader: Some(reader.into()),
            name: None,
        }
    }

    /// The commands sent for these events, by a reader that answers as told.
    fn sent(
        events: &[Notice],
        beeps: BeepSettings,
        ours: bool,
        answers: fn(&[u8]) -> Result<Vec<u8>, ReadError>,
    ) -> Vec<Vec<u8>> {
        let commands = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&commands);
        let (panel, events_of) = panel();
        events.iter().for_each(|e| panel.show(e.clone()));
        drop(panel);
        ReaderLamp {
            events: events_of,
            has_lamp: is_acr122,
            send: Box::new(move |_, command| {
                lock(&record).push(command.to_vec());
                answers(command)
            }),
            beeps,
            buzzer: Arc::new(AtomicBool::new(ours)),
            stop: Stop::new(),
        }
        .run();
        let commands = lock(&commands);
        commands.clone()
    }

    const ACR: &str = "ACS ACR122U PICC Interface 00 00";

    #[test]
    fn outcomes_are_told_and_the_automatic_beep_is_turned_off_once_a_connection() {
        let events = [
            at(Event::ReaderConnected, ACR),
            at(Event::Reading, ACR),
            at(Event::Counted, ACR),
            at(Event::StorageFailed, ACR),
            at(Event::ReaderConnected, ACR),
            at(Event::Repeat, ACR),
        ];
        let off = AUTOMATIC_BEEP_OFF.to_vec();
        let ours = sent(&events, beeps(true, true), true, |_| Ok(vec![0x90, 0x00]));
        assert_eq!(
            ours,
            [
                QUIET_YES.to_vec(),
                off.clone(),
                QUIET_NO.to_vec(),
                QUIET_YES.to_vec(),
                off
            ]
        );
    }

    #[test]
    fn its_buzzer_sounds_only_where_it_is_wanted_and_ours_does_not() {
        assert_eq!(lamp(Event::Counted, &beeps(true, true), false), Some(YES));
        assert_eq!(lamp(Event::Refused, &beeps(true, true), false), Some(NO));
        assert_eq!(
            lamp(Event::Counted, &beeps(false, true), false),
            Some(QUIET_YES)
        );
        let mut quiet = beeps(true, true);
        quiet.fail = false;
        assert_eq!(lamp(Event::ReadFailed, &quiet, false), Some(QUIET_NO));
        assert!(!automatic_beep_is_unwanted(&beeps(true, true), false));
        for (settings, ours) in [
            (beeps(true, true), true),
            (beeps(false, true), false),
            (beeps(true, false), false),
        ] {
            assert!(automatic_beep_is_unwanted(&settings, ours));
        }
    }

    #[test]
    fn a_refusal_is_taken_as_an_answer_silence_is_not() {
        let events = [at(Event::Counted, ACR), at(Event::Counted, ACR)];
        let count = |answers| sent(&events, beeps(true, true), true, answers).len();
        assert_eq!(count(|_| Ok(vec![0x6A, 0x81])), 3);
        assert_eq!(count(|_| Err(ReadError::Card("gone".into()))), 4);
    }

    #[test]
    fn other_readers_are_left_alone() {
        let events = [
            at(Event::Counted, "SONY FeliCa RC-S300/S 00 00"),
            Event::Started.into(),
        ];
        let none = sent(&events, beeps(true, true), false, |_| Ok(vec![]));
        assert_eq!(none, Vec::<Vec<u8>>::new());
    }
}
