//! Which sound and which light it is now: decided from events, how things stand and the time. Pure.

use std::time::Duration;

use super::Event;
use super::pattern::{Flash, Lamps, Tone, lights, sound, turn};
use crate::base::card_status::{CardStatus, Server};
use crate::base::clock::Monotime;
use crate::config::BeepSettings;

/// How long blue stays lit at least: a single tap is at the server before anybody could see it.
const BLUE_AT_LEAST: Duration = Duration::from_millis(300);
/// While taps wait for a server that takes none, blue flashes this long, this often.
const WAITING_FLASH: Duration = Duration::from_millis(100);
const WAITING_EVERY: Duration = Duration::from_secs(2);

/// Between the tone of the card and that of the outcome.
const AFTER_CARD_TONE: Tone = Tone { ms: 50, hz: None };

/// How often how things stand is looked at: often while something is going on, seldom at rest.
const LOOK_BUSY: Duration = Duration::from_millis(20);
const LOOK_AT_REST: Duration = Duration::from_millis(500);

/// Sound and light of one moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// The tone in hertz, none for silence.
    pub hz: Option<u16>,
    /// The LEDs.
    pub lamps: Lamps,
}

#[derive(Debug)]
struct Playing {
    event: Event,
    began: Monotime,
    sound: Vec<Tone>,
    lights: Vec<Flash>,
}

impl Playing {
    fn is_over(&self, now: Monotime) -> bool {
        let since = now.since(self.began);
        turn(&self.sound, since).is_none() && turn(&self.lights, since).is_none()
    }
}

/// Plays one event at a time.
#[derive(Debug)]
pub struct Player {
    beeps: BeepSettings,
    playing: Option<Playing>,
    /// The server was found while the start was still being told.
    next: Option<Event>,
    /// The last tap could not be stored, or not lastingly.
    storage_trouble: bool,
    blue_until: Option<Monotime>,
}

impl Player {
    /// Silent and dark.
    #[must_use]
    pub fn new(beeps: BeepSettings) -> Self {
        Self {
            beeps,
            playing: None,
            next: None,
            storage_trouble: false,
            blue_until: None,
        }
    }

    /// An event has happened. It interrupts the one before, except that what is no answer to a tap never
    /// interrupts one.
    pub fn begin(&mut self, event: Event, now: Monotime) {
        match event {
            Event::StorageFailed | Event::CountedInMemory => self.storage_trouble = true,
            Event::Counted => self.storage_trouble = false,
            _ => {}
        }
        let before = self
            .playing
            .as_ref()
            .filter(|p| !p.is_over(now))
            .map(|p| p.event);
        match (before, event) {
            (Some(before), _) if before.answers_a_tap() && !event.answers_a_tap() => {}
            (Some(Event::Started), Event::ServerConnected) => self.next = Some(event),
            _ => self.play(event, now),
        }
    }

    fn play(&mut self, event: Event, now: Monotime) {
        let (mut sound, lights) = (sound(event, &self.beeps), lights(event));
        if sound.is_empty() && lights.is_empty() {
            return;
        }
        if let Some(left) = self.card_tone(now)
            && !sound.is_empty()
        {
            sound.splice(..0, [left, AFTER_CARD_TONE]);
        }
        self.next = None;
        self.playing = Some(Playing {
            event,
            began: now,
            sound,
            lights,
        });
    }

    /// What is left of the tone that says that a card was read. A card answers within milliseconds, so the
    /// outcome would cut it off every time.
    fn card_tone(&self, now: Monotime) -> Option<Tone> {
        let playing = self.playing.as_ref()?;
        let (tone, left) = turn(&playing.sound, now.since(playing.began))?;
        // Shorter than the tone was.
        let ms = left.as_millis() as u16;
        (playing.event == Event::Reading).then_some(Tone { ms, hz: tone.hz })
    }

    /// What is to be heard and seen now, and how soon to ask again.
    pub fn at(&mut self, now: Monotime, card_status: &CardStatus) -> (Output, Duration) {
        if self.playing.as_ref().is_some_and(|p| p.is_over(now)) {
            self.playing = None;
            if let Some(event) = self.next.take() {
                self.play(event, now);
            }
        }
        let blue = self.blue(now, card_status);
        let Some(playing) = &self.playing else {
            let red = self.storage_trouble || card_status.readers() == 0;
            let lamps = Lamps {
                red,
                green: false,
                blue,
            };
            let pause = self.next_blue(now, card_status).min(LOOK_AT_REST);
            return (Output { hz: None, lamps }, pause);
        };
        let since = now.since(playing.began);
        let (tone, light) = (turn(&playing.sound, since), turn(&playing.lights, since));
        let mut lamps = light.map_or(Lamps::default(), |(flash, _)| flash.lamps);
        lamps.blue |= blue;
        let changes = [tone.map(|t| t.1), light.map(|l| l.1)];
        let pause = changes.into_iter().flatten().fold(LOOK_BUSY, Duration::min);
        let hz = tone.and_then(|(tone, _)| tone.hz);
        (Output { hz, lamps }, pause)
    }

    /// How long blue stays as it is, if how things stand does so.
    fn next_blue(&self, now: Monotime, card_status: &CardStatus) -> Duration {
        if let Some(until) = self.blue_until {
            return until.since(now);
        }
        if !is_waiting(card_status) {
            return Duration::MAX;
        }
        let within = since_flash(now);
        let flash = WAITING_FLASH
            .checked_sub(within)
            .filter(|left| !left.is_zero());
        flash.unwrap_or(WAITING_EVERY.saturating_sub(within))
    }

    fn blue(&mut self, now: Monotime, card_status: &CardStatus) -> bool {
        if card_status.sending() {
            self.blue_until = Some(now + BLUE_AT_LEAST);
            return true;
        }
        if self.blue_until.is_some_and(|until| now < until) {
            return true;
        }
        self.blue_until = None;
        is_waiting(card_status) && since_flash(now) < WAITING_FLASH
    }
}

fn is_waiting(card_status: &CardStatus) -> bool {
    card_status.waiting() > 0 && card_status.server() == Server::Down
}

/// Since the last flash for taps that wait began.
fn since_flash(now: Monotime) -> Duration {
    let within = now.since_zero().as_nanos() % WAITING_EVERY.as_nanos();
    Duration::from_nanos(u64::try_from(within).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn player() -> Player {
        Player::new(BeepSettings {
            enabled: true,
            card_read: true,
            success: true,
            fail: true,
        })
    }

    fn fine() -> CardStatus {
        let card_status = CardStatus::default();
        card_status.set_readers(1);
        card_status
    }

    /// The tones between two moments, as (begin, hertz).
    fn heard(player: &mut Player, from: u64, to: u64) -> Vec<(u64, u16)> {
        let card_status = fine();
        let mut before = None;
        let mut tones = Vec::new();
        for now in from..to {
            let hz = player.at(ms(now), &card_status).0.hz;
            if hz != before
                && let Some(hz) = hz
            {
                tones.push((now, hz));
            }
            before = hz;
        }
        tones
    }

    #[test]
    fn a_newer_answer_interrupts_an_older_one() {
        let mut p = player();
        p.begin(Event::StorageFailed, ms(0));
        assert_eq!(heard(&mut p, 0, 50), [(0, 800)]);
        p.begin(Event::Counted, ms(50));
        assert_eq!(heard(&mut p, 50, 2000), [(50, 2500), (200, 2500)]);
    }

    #[test]
    fn nothing_else_cuts_an_answer_off() {
        for intruder in [
            Event::ServerConnected,
            Event::Reading,
            Event::ReaderConnected,
        ] {
            let mut p = player();
            p.begin(Event::Counted, ms(0));
            p.begin(intruder, ms(10));
            assert_eq!(heard(&mut p, 10, 4000), [(10, 2500), (150, 2500)]);
        }
    }

    #[test]
    fn the_tone_of_the_card_is_heard_before_the_outcome_and_the_light_seen_at_once() {
        let mut p = player();
        p.begin(Event::Reading, ms(0));
        p.begin(Event::Counted, ms(8));
        assert!(p.at(ms(8), &fine()).0.lamps.green);
        assert_eq!(
            heard(&mut p, 8, 4000),
            [(8, 2000), (100, 2500), (250, 2500)]
        );
    }

    #[test]
    fn the_connection_waits_until_the_start_was_told() {
        let mut p = player();
        p.begin(Event::Started, ms(0));
        p.begin(Event::ServerConnected, ms(5));
        assert_eq!(
            heard(&mut p, 5, 4000),
            [(5, 1000), (300, 1000), (600, 1500), (800, 1500)]
        );
        p.begin(Event::Started, ms(5000));
        p.begin(Event::ServerConnected, ms(5001));
        p.begin(Event::Counted, ms(5100));
        assert_eq!(heard(&mut p, 5100, 9000), [(5100, 2500), (5250, 2500)]);
    }

    #[test]
    fn the_wait_ends_with_the_tone() {
        let mut p = player();
        p.begin(Event::Counted, ms(0));
        assert_eq!(p.at(ms(95), &fine()).1, Duration::from_millis(5));
        assert_eq!(p.at(ms(500), &fine()).1, LOOK_BUSY);
        assert_eq!(p.at(ms(1000), &fine()), (Output::default(), LOOK_AT_REST));
    }

    #[test]
    fn red_at_rest_tells_of_a_missing_reader_or_of_storage() {
        let mut p = player();
        let red =
            |p: &mut Player, at, card_status: &CardStatus| p.at(ms(at), card_status).0.lamps.red;
        assert!(red(&mut p, 0, &CardStatus::default()));
        assert!(!red(&mut p, 0, &fine()));
        p.begin(Event::StorageFailed, ms(0));
        assert!(red(&mut p, 10_000, &fine()));
        p.begin(Event::Repeat, ms(11_000));
        assert!(red(&mut p, 20_000, &fine()), "nothing was stored since");
        p.begin(Event::Counted, ms(21_000));
        assert!(!red(&mut p, 21_000, &fine()) && !red(&mut p, 30_000, &fine()));
    }

    #[test]
    fn blue_shows_delivery_long_enough_to_be_seen() {
        let mut p = player();
        let card_status = fine();
        let blue =
            |p: &mut Player, at, card_status: &CardStatus| p.at(ms(at), card_status).0.lamps.blue;
        assert!(!blue(&mut p, 0, &card_status));
        card_status.set_under_way(1);
        assert!(blue(&mut p, 1000, &card_status));
        card_status.set_under_way(0);
        assert!(blue(&mut p, 1299, &card_status));
        assert!(!blue(&mut p, 1300, &card_status));
        card_status.set_waiting(1);
        card_status.set_server(Server::Down);
        assert!(blue(&mut p, 4050, &card_status) && !blue(&mut p, 4100, &card_status));
    }

    #[test]
    fn no_flash_is_slept_through() {
        let mut p = player();
        let card_status = fine();
        card_status.set_waiting(1);
        card_status.set_server(Server::Down);
        let mut pause = |at| p.at(ms(at), &card_status).1;
        assert_eq!(pause(4040), Duration::from_millis(60));
        assert_eq!(pause(4100), LOOK_AT_REST);
        assert_eq!(pause(5900), Duration::from_millis(100));
        card_status.set_under_way(1);
        p.at(ms(6500), &card_status);
        card_status.set_under_way(0);
        assert_eq!(p.at(ms(6600), &card_status).1, Duration::from_millis(200));
    }
}
