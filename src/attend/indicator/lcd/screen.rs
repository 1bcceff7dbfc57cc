//! What the LCD shows when: decided from events, how things stand and the time. Pure.

use std::time::Duration;

use jiff::Zoned;

use super::charset::codes;
use super::hd44780::{BLANK, COLUMNS, Picture};
use crate::attend::indicator::{Event, Notice};
use crate::base::card_status::{CardStatus, Server};
use crate::base::clock::Monotime;
use crate::say;

/// How long an answer stays.
const YES: Duration = Duration::from_secs(2);
const NO: Duration = Duration::from_secs(3);
/// A card that takes longer has failed, which is an event of its own; one that was lying there all the time
/// gets no answer.
const READING: Duration = Duration::from_secs(4);
/// How long "Sending..." stays at least: a tap is often delivered before anybody could read it.
const SENDING: Duration = Duration::from_millis(700);

/// What is shown for a while.
#[derive(Debug)]
struct Shown {
    notice: Notice,
    since: Monotime,
}

impl Shown {
    fn stays(&self) -> Duration {
        match self.notice.event {
            Event::Reading => READING,
            Event::Refused | Event::ReadFailed | Event::StorageFailed => NO,
            _ => YES,
        }
    }
}

/// The screen.
#[derive(Debug, Default)]
pub struct Screen(Option<Shown>);

impl Screen {
    /// Something has happened. Only what concerns a card takes the screen, and the start.
    pub fn tell(&mut self, notice: Notice, now: Monotime) {
        if matches!(
            notice.event,
            Event::ServerConnected | Event::ReaderConnected | Event::Ending
        ) {
            return;
        }
        self.0 = Some(Shown { notice, since: now });
    }

    /// What is to be seen now.
    pub fn at(&mut self, now: Monotime, wall: &Zoned, card_status: &CardStatus) -> Picture {
        if self
            .0
            .as_ref()
            .is_some_and(|s| now.since(s.since) >= s.stays())
        {
            self.0 = None;
        }
        let (first, second) = match &self.0 {
            Some(shown) => answer(&shown.notice, now.since(shown.since), card_status),
            None => (at_rest(card_status), foot(wall, card_status)),
        };
        picture(&first, &second)
    }
}

fn at_rest(card_status: &CardStatus) -> String {
    let text = if card_status.readers() == 0 {
        "No Reader"
    } else {
        "Touch Card"
    };
    text.to_owned()
}

/// Clock on the left, taps that wait on the right; between them those that the server has rejected.
fn foot(wall: &Zoned, card_status: &CardStatus) -> String {
    let rejected = match card_status.rejected() {
        0 => String::new(),
        n => format!("R:{} ", n.min(99)),
    };
    let most = if rejected.is_empty() { 9_999_999 } else { 9999 };
    let queue = format!("{rejected}Q:{}", card_status.waiting().min(most));
    format!("{:02}:{:02}{queue:>11}", wall.hour(), wall.minute())
}

/// The texts that the old client had are the same in both languages.
fn answer(notice: &Notice, age: Duration, card_status: &CardStatus) -> (String, String) {
    let name = |or: String| notice.name.clone().filter(|n| shows(n)).unwrap_or(or);
    match notice.event {
        Event::Reading => ("Reading...".to_owned(), String::new()),
        Event::Counted => (
            name(say!("Counted", "ｷﾛｸ ｼﾏｼﾀ")),
            delivery(age, card_status),
        ),
        Event::CountedInMemory => (
            name(say!("Counted", "ｷﾛｸ ｼﾏｼﾀ")),
            say!("In Memory Only!", "ﾒﾓﾘ ﾉﾐ ﾃﾞｽ!"),
        ),
        Event::Repeat => (
            name(say!("Already Counted", "ｷﾛｸ ｽﾞﾐ ﾃﾞｽ")),
            if notice.name.as_deref().is_some_and(shows) {
                say!("Already Counted", "ｷﾛｸ ｽﾞﾐ ﾃﾞｽ")
            } else {
                String::new()
            },
        ),
        Event::Refused => (
            say!("Card Refused", "ﾂｶｴﾅｲ ｶｰﾄﾞ ﾃﾞｽ"),
            say!("Use Another Card", "ﾍﾞﾂﾉ ｶｰﾄﾞ ﾃﾞ"),
        ),
        Event::ReadFailed => (
            say!("Tap Again", "ﾓｳｲﾁﾄﾞ ﾀｯﾁ"),
            say!("Hold It Longer", "ﾕｯｸﾘ ｶｻﾞｼﾃｸﾀﾞｻｲ"),
        ),
        Event::StorageFailed => (
            say!("NOT COUNTED", "ｷﾛｸ ﾃﾞｷﾏｾﾝ"),
            say!("Storage Failure", "ﾎｿﾞﾝ ｼｯﾊﾟｲ"),
        ),
        Event::Started | Event::ServerConnected | Event::ReaderConnected | Event::Ending => {
            let version = env!("CARGO_PKG_VERSION");
            ("FaceTap".to_owned(), version.to_owned())
        }
    }
}

/// Where a tap is that has been counted.
fn delivery(age: Duration, card_status: &CardStatus) -> String {
    // What is held up has been tried: the others are what is still to come.
    let waits = card_status.waiting() > card_status.held_up();
    let under_way = age < SENDING || card_status.sending() || waits;
    match card_status.server() {
        Server::None | Server::Down => "Saved Local".to_owned(),
        Server::Unknown | Server::Up if under_way => "Sending...".to_owned(),
        Server::Unknown | Server::Up => say!("Delivered", "ｿｳｼﾝ ｽﾞﾐ"),
    }
}

/// Whether a name can be shown and is one.
fn shows(name: &str) -> bool {
    codes(name).is_some_and(|c| !c.is_empty())
}

/// A line that is too long loses its end.
fn picture(first: &str, second: &str) -> Picture {
    let mut picture = BLANK;
    for (line, text) in picture.iter_mut().zip([first, second]) {
        // Our own texts can all be shown, which a test sees to.
        let text = codes(text).unwrap_or_default();
        for (cell, code) in line.iter_mut().zip(text.into_iter().take(COLUMNS)) {
            *cell = code;
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn ms(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    fn wall() -> Zoned {
        date(2026, 4, 1)
            .at(9, 5, 59, 0)
            .to_zoned(TimeZone::UTC)
            .unwrap()
    }

    fn card_status(server: Server, waiting: u64) -> CardStatus {
        let card_status = CardStatus::default();
        card_status.set_readers(1);
        card_status.set_server(server);
        card_status.set_waiting(waiting);
        card_status
    }

    fn see(screen: &mut Screen, at: u64, card_status: &CardStatus) -> [String; 2] {
        screen
            .at(ms(at), &wall(), card_status)
            .map(|line| line.map(char::from).iter().collect::<String>())
            .map(|line| line.trim_end().to_owned())
    }

    fn notice(event: Event, name: Option<&str>) -> Notice {
        Notice {
            event,
            reader: Some("R".into()),
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn at_rest_it_asks_for_a_card_and_shows_clock_and_queue() {
        let mut s = Screen::default();
        let up = card_status(Server::Up, 12);
        assert_eq!(see(&mut s, 0, &up), ["Touch Card", "09:05       Q:12"]);
        up.set_readers(0);
        up.set_waiting(12_345_678);
        assert_eq!(see(&mut s, 0, &up), ["No Reader", "09:05  Q:9999999"]);
    }

    #[test]
    fn rejected_taps_are_seen_at_rest() {
        let mut s = Screen::default();
        let up = card_status(Server::Up, 3);
        up.set_rejected(2);
        assert_eq!(see(&mut s, 0, &up)[1], "09:05    R:2 Q:3");
        up.set_rejected(1000);
        up.set_waiting(12_345);
        assert_eq!(see(&mut s, 0, &up)[1], "09:05R:99 Q:9999");
    }

    #[test]
    fn what_is_held_up_does_not_hide_that_others_are_delivered() {
        let mut s = Screen::default();
        let up = card_status(Server::Up, 4);
        up.set_held_up(4, Vec::new());
        s.tell(notice(Event::Counted, None), ms(0));
        assert_eq!(see(&mut s, 800, &up)[1], "Delivered");
        up.set_waiting(5);
        assert_eq!(see(&mut s, 801, &up)[1], "Sending...");
    }

    #[test]
    fn a_tap_from_the_card_to_the_server() {
        let mut s = Screen::default();
        let up = card_status(Server::Up, 0);
        s.tell(notice(Event::Reading, None), ms(0));
        assert_eq!(see(&mut s, 5, &up), ["Reading...", ""]);
        s.tell(notice(Event::Counted, Some("Ann Lee")), ms(10));
        assert_eq!(see(&mut s, 20, &up), ["Ann Lee", "Sending..."]);
        assert_eq!(see(&mut s, 800, &up), ["Ann Lee", "Delivered"]);
        up.set_waiting(1);
        assert_eq!(see(&mut s, 1000, &up), ["Ann Lee", "Sending..."]);
        up.set_server(Server::Down);
        assert_eq!(see(&mut s, 1100, &up), ["Ann Lee", "Saved Local"]);
        assert_eq!(see(&mut s, 2010, &up), ["Touch Card", "09:05        Q:1"]);
    }

    #[test]
    fn without_a_server_a_tap_is_saved() {
        let mut s = Screen::default();
        s.tell(notice(Event::Counted, None), ms(0));
        let none = card_status(Server::None, 1);
        assert_eq!(see(&mut s, 0, &none), ["Counted", "Saved Local"]);
        // Neither half of a name nor an empty one.
        for name in ["山田 太郎", "ヤマダ 太郎", ""] {
            s.tell(notice(Event::Counted, Some(name)), ms(0));
            assert_eq!(see(&mut s, 0, &none)[0], "Counted");
        }
        s.tell(
            notice(Event::Counted, Some("Bartholomew Fitzgerald")),
            ms(0),
        );
        assert_eq!(see(&mut s, 0, &none)[0], "Bartholomew Fitz");
    }

    #[test]
    fn what_is_no_answer_does_not_take_the_screen() {
        let mut s = Screen::default();
        let up = card_status(Server::Up, 0);
        s.tell(notice(Event::ReadFailed, None), ms(0));
        s.tell(Event::ServerConnected.into(), ms(1));
        s.tell(Event::ReaderConnected.into(), ms(1));
        assert_eq!(see(&mut s, 2999, &up), ["Tap Again", "Hold It Longer"]);
        assert_eq!(see(&mut s, 3000, &up)[0], "Touch Card");
    }

    #[test]
    fn a_reading_without_an_end_does_not_stay_for_ever() {
        let mut s = Screen::default();
        s.tell(notice(Event::Reading, None), ms(0));
        let up = card_status(Server::Up, 0);
        assert_eq!(see(&mut s, 4_000, &up)[0], "Touch Card");
    }

    /// Every text of both languages: it can be shown, and fits.
    #[test]
    fn every_text_fits() {
        let source = include_str!("screen.rs");
        let mut texts = 0;
        for call in source.split("say!(\"").skip(1) {
            let call = call.split(')').next().unwrap();
            for text in call.split('"').step_by(2).filter(|t| !t.is_empty()) {
                if text.contains("skip(1)") || !call.contains("\", \"") {
                    continue;
                }
                let cells = codes(text).unwrap_or_else(|| panic!("{text} cannot be shown"));
                assert!(cells.len() <= COLUMNS, "{text} is too long");
                texts += 1;
            }
        }
        assert!(texts >= 20, "{texts}");
    }
}
