use super::*;
use crate::attend::indicator::{Event, panel};
use crate::base::clock::ManualClock;
use crate::base::stop::lock;
use i2c::double::Recording;
/// A display whose LCD is a recording.
struct Bench {
    display: LcdDisplay,
    lcd: Attachment<Lcd>,
    screen: Screen,
    chip: Recording,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::shared(Duration::from_secs(1));
        let chip = Recording::default();
        let expander = chip.clone();
        let card_status = CardStatus::default();
        card_status.set_readers(1);
        let display = LcdDisplay {
            events: panel().1,
            card_status: Arc::new(card_status),
            settings: LcdSettings {
                i2c_addr: 0x27,
                i2c_bus: 1,
                backlight: true,
            },
            open: Box::new(move || {
                let mut expander: Box<dyn Expander> = Box::new(expander.clone());
                expander.receive()?;
                Ok((0x27, expander))
            }),
            clock: clock.clone(),
            stop: Stop::new(),
        };
        Self {
            display,
            lcd: Attachment::default(),
            screen: Screen::default(),
            chip,
            clock,
        }
    }

    /// What is sent at one look, after some time.
    fn look(&mut self, after: Duration) -> Vec<u8> {
        self.clock.advance(after);
        self.display.refresh(&mut self.lcd, &mut self.screen);
        std::mem::take(&mut lock(&self.chip.0).sent)
    }
}

fn sent(steps: &[Step]) -> Vec<u8> {
    let bytes = steps.iter().filter_map(|s| match s {
        Step::Send(byte) => Some(*byte),
        Step::Wait(_) => None,
    });
    bytes.collect()
}

fn beginning() -> Vec<u8> {
    sent(&hd44780::initialise(true))
}

const STEP: Duration = Duration::from_millis(200);
const RETRY: Duration = super::super::attachment::RETRY;

#[test]
fn it_is_initialised_and_shows_the_rest_then_only_what_changes() {
    let mut bench = Bench::new();
    let mut expected = BLANK;
    expected[0][..10].copy_from_slice(b"Touch Card");
    expected[1].copy_from_slice(b"00:00        Q:0");
    let first = [beginning(), sent(&hd44780::update(&BLANK, &expected, true))];
    assert_eq!(bench.look(STEP), first.concat());
    assert_eq!(bench.look(STEP), Vec::<u8>::new());
    bench.display.card_status.set_waiting(7);
    assert_eq!(
        bench.look(STEP),
        // Cursor to the last cell of the second line; '7'.
        [0xC8, 0xCC, 0xC8, 0xFC, 0xF8, 0x39, 0x3D, 0x39, 0x7D, 0x79]
    );
}

#[test]
fn an_lcd_that_was_unplugged_begins_anew_and_shows_what_is_due() {
    let mut bench = Bench::new();
    let all = bench.look(STEP);
    lock(&bench.chip.0).unplugged = true;
    assert_eq!(bench.look(ASK), Vec::<u8>::new());
    assert!(
        bench.lcd.device().is_none(),
        "noticed though nothing changed"
    );
    lock(&bench.chip.0).unplugged = false;
    assert_eq!(
        bench.look(STEP),
        Vec::<u8>::new(),
        "not before the next try"
    );
    assert_eq!(bench.look(RETRY).len(), all.len());
}

#[test]
fn power_lost_between_two_bytes_is_noticed() {
    let mut bench = Bench::new();
    let all = bench.look(STEP);
    lock(&bench.chip.0).fresh = true;
    assert_eq!(bench.look(ASK), all);
    assert_eq!(bench.look(ASK), Vec::<u8>::new());
}

#[test]
fn one_that_is_plugged_in_later_is_found() {
    let mut bench = Bench::new();
    lock(&bench.chip.0).unplugged = true;
    assert_eq!(bench.look(STEP), Vec::<u8>::new());
    lock(&bench.chip.0).unplugged = false;
    assert_eq!(bench.look(STEP), Vec::<u8>::new());
    let begun = bench.look(RETRY);
    assert_eq!(begun[..beginning().len()], beginning());
}

#[test]
fn the_thread_ends_with_an_empty_dark_lcd() {
    let Bench {
        mut display, chip, ..
    } = Bench::new();
    let (panel, events) = panel();
    display.events = events;
    panel.show(Event::Counted);
    drop(panel);
    display.run();
    let sent_bytes = lock(&chip.0).sent.clone();
    assert!(sent_bytes.starts_with(&beginning()));
    assert!(sent_bytes.ends_with(&sent(&hd44780::farewell(true))));
}
