//! The HD44780 in an LCD 1602 behind a PCF8574: what is to be sent. Pure.
//!
//! The PCF8574 has eight pins: RS, RW, E and the backlight at bits 0 to 3, the upper half of the LCD's
//! data at bits 4 to 7. The LCD takes half a byte when E falls. Times are those of the HD44780U's data
//! sheet (Hitachi ADE-207-272, pages 24 and 46).

use std::time::Duration;

/// Cells of a line.
pub const COLUMNS: usize = 16;
/// Lines.
pub const LINES: usize = 2;

/// What the LCD shows: a code of its character set for every cell.
pub type Picture = [[u8; COLUMNS]; LINES];

/// Nothing.
pub const BLANK: Picture = [[b' '; COLUMNS]; LINES];

const RS: u8 = 0x01;
const RW: u8 = 0x02;
const E: u8 = 0x04;
const BACKLIGHT: u8 = 0x08;

const CLEAR: u8 = 0x01;
/// The cursor moves on by itself; the picture stays.
const ENTRY_MODE: u8 = 0x06;
/// The display on, without a cursor.
const DISPLAY_ON: u8 = 0x0C;
/// Four bits, two lines, 5 x 8 dots.
const FUNCTION: u8 = 0x28;
const CURSOR: u8 = 0x80;
/// Where the second line begins in the LCD's memory.
const SECOND_LINE: u8 = 0x40;

/// Until the LCD is ready after its power came, which may have been this moment: 40 ms at 2.7 V.
const AFTER_POWER: Duration = Duration::from_millis(50);
const AFTER_FIRST_RESET: Duration = Duration::from_micros(4_100);
const AFTER_SECOND_RESET: Duration = Duration::from_micros(100);
const AFTER_CLEAR: Duration = Duration::from_micros(2_000);

/// What is to be done on the bus. A byte takes 180 microseconds at 100 kHz, and 45 at 400 kHz, which is
/// longer than an ordinary instruction (37 microseconds) needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send this byte.
    Send(u8),
    /// Let this time pass.
    Wait(Duration),
}

/// Puts steps together.
#[derive(Debug)]
struct Writer {
    backlight: u8,
    /// RS as it was last sent, none if that is not known.
    rs: Option<u8>,
    steps: Vec<Step>,
}

impl Writer {
    fn new(backlight: bool) -> Self {
        Self {
            backlight: if backlight { BACKLIGHT } else { 0 },
            rs: None,
            steps: Vec::new(),
        }
    }

    /// Half a byte, in the upper half of `bits`.
    fn half(&mut self, bits: u8, rs: u8) {
        let byte = (bits & 0xF0) | rs | self.backlight;
        if self.rs != Some(rs) {
            // RS has to be steady before E rises.
            self.steps.push(Step::Send(byte));
            self.rs = Some(rs);
        }
        self.steps.push(Step::Send(byte | E));
        self.steps.push(Step::Send(byte));
    }

    fn byte(&mut self, byte: u8, rs: u8) {
        self.half(byte, rs);
        self.half(byte << 4, rs);
    }

    fn instruction(&mut self, byte: u8) {
        self.byte(byte, 0);
    }

    fn wait(&mut self, time: Duration) {
        self.steps.push(Step::Wait(time));
    }
}

/// Makes an LCD in any state show nothing and take what follows: the initialisation by instruction.
#[must_use]
pub fn initialise(backlight: bool) -> Vec<Step> {
    let mut to = Writer::new(backlight);
    // All lines at rest before the first E.
    to.steps.push(Step::Send(to.backlight));
    to.rs = Some(0);
    to.wait(AFTER_POWER);
    // Three times "eight bits" is understood whatever half of a byte the LCD waits for.
    for pause in [AFTER_FIRST_RESET, AFTER_SECOND_RESET, AFTER_SECOND_RESET] {
        to.half(0x30, 0);
        to.wait(pause);
    }
    to.half(0x20, 0);
    to.instruction(FUNCTION);
    to.instruction(DISPLAY_ON);
    to.instruction(CLEAR);
    to.wait(AFTER_CLEAR);
    to.instruction(ENTRY_MODE);
    to.steps
}

/// Changes the picture `from` into `to`: only what is different is sent.
#[must_use]
pub fn update(from: &Picture, to: &Picture, backlight: bool) -> Vec<Step> {
    let mut writer = Writer::new(backlight);
    for (line, (old, new)) in from.iter().zip(to).enumerate() {
        let begin = if line == 0 {
            CURSOR
        } else {
            CURSOR | SECOND_LINE
        };
        let mut at = None;
        for (column, code) in new.iter().enumerate() {
            if old[column] == *code {
                continue;
            }
            match at {
                Some(next) if next == column => {}
                // One cell sent again costs no more than the cursor.
                Some(next) if next + 1 == column => writer.byte(new[next], RS),
                // 0 to 15.
                _ => writer.instruction(begin | column as u8),
            }
            writer.byte(*code, RS);
            at = Some(column + 1);
        }
    }
    writer.steps
}

/// Leaves the LCD empty and dark.
#[must_use]
pub fn farewell(backlight: bool) -> Vec<Step> {
    let mut to = Writer::new(backlight);
    to.instruction(CLEAR);
    to.steps.push(Step::Send(0));
    to.steps
}

/// Whether what the PCF8574 shows on its pins says that its power was away: then it has them all high. At
/// rest E and RW are low.
#[must_use]
pub fn lost_power(pins: u8) -> bool {
    pins & (E | RW) == E | RW
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes sent; `|` stands for each wait.
    fn bytes(steps: &[Step]) -> String {
        let words = steps.iter().map(|s| match s {
            Step::Send(byte) => format!("{byte:02X}"),
            Step::Wait(_) => "|".to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_initialisation_is_that_of_the_data_sheet() {
        assert_eq!(
            bytes(&initialise(true)),
            "08 | \
             3C 38 | 3C 38 | 3C 38 | 2C 28 \
             2C 28 8C 88 \
             0C 08 CC C8 \
             0C 08 1C 18 | \
             0C 08 6C 68"
        );
        let waits: Vec<_> = initialise(true)
            .into_iter()
            .filter_map(|s| match s {
                Step::Wait(time) => Some(time.as_micros()),
                Step::Send(_) => None,
            })
            .collect();
        assert_eq!(waits, [50_000, 4_100, 100, 100, 2_000]);
        let lit = |s: &Step| matches!(s, Step::Send(b) if b & BACKLIGHT != 0);
        assert!(!initialise(false).iter().any(lit));
    }

    fn picture(first: &str, second: &str) -> Picture {
        let mut picture = BLANK;
        for (line, text) in picture.iter_mut().zip([first, second]) {
            for (cell, code) in line.iter_mut().zip(text.bytes()) {
                *cell = code;
            }
        }
        picture
    }

    #[test]
    fn a_text_is_cursor_and_characters() {
        assert_eq!(
            bytes(&update(&BLANK, &picture("Hi", ""), true)),
            // Cursor 0x80; RS rises; 'H' 0x48, 'i' 0x69.
            "88 8C 88 0C 08 49 4D 49 8D 89 6D 69 9D 99"
        );
        assert_eq!(
            bytes(&update(&BLANK, &picture("", " 7"), false)),
            // Cursor 0xC1; '7' 0x37.
            "C0 C4 C0 14 10 31 35 31 75 71"
        );
    }

    /// The emulated board's step `lcd` expects the same after the initialisation.
    #[test]
    fn the_first_text_is_as_the_emulated_board_sees_it() {
        assert_eq!(
            bytes(&update(&BLANK, &picture("FaceTap", ""), true)).to_lowercase(),
            "88 8c 88 0c 08 49 4d 49 6d 69 6d 69 1d 19 6d 69 3d 39 6d 69 5d 59 5d 59 4d 49 6d 69 1d 19 7d 79 0d 09"
        );
    }

    #[test]
    fn only_what_changed_is_sent() {
        let before = picture("Touch Card", "12:34        Q:0");
        assert_eq!(update(&before, &before, true), []);
        let minute = picture("Touch Card", "12:35        Q:0");
        assert_eq!(
            bytes(&update(&before, &minute, true)),
            "C8 CC C8 4C 48 39 3D 39 5D 59"
        );
        // Two cells with one between them: one cursor. Farther apart: two.
        let near = update(&picture("abc", ""), &picture("xbz", ""), true);
        let far = update(&picture("abcd", ""), &picture("xbcz", ""), true);
        let cursors = |steps: &[Step]| {
            let rs = |s: &&Step| matches!(s, Step::Send(b) if b & (RS | E) == E);
            steps.iter().filter(rs).count() / 2
        };
        assert_eq!((cursors(&near), cursors(&far)), (1, 2));
    }

    #[test]
    fn both_lines_are_addressed() {
        let steps = update(&BLANK, &picture("A", "B"), true);
        assert_eq!(
            bytes(&steps),
            "88 8C 88 0C 08 49 4D 49 1D 19 C8 CC C8 0C 08 49 4D 49 2D 29"
        );
    }

    #[test]
    fn the_end_is_empty_and_dark() {
        assert_eq!(bytes(&farewell(true)), "08 0C 08 1C 18 00");
    }

    #[test]
    fn pins_that_are_all_high_tell_of_lost_power() {
        assert!(lost_power(0xFF));
        // At rest, with and without light; a simulated chip that knows no pins.
        for pins in [0x08, 0x00, 0xF8, 0x19] {
            assert!(!lost_power(pins));
        }
    }
}
