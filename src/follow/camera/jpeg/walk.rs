//! The way through a picture from marker to marker, as its bytes arrive.
//!
//! Searching for the two bytes that end a picture would find them in a thumbnail or in an application's
//! segment, too. The segments are walked instead, and only the data of a scan are searched: there, FF is
//! always followed by 00, by FF or by a marker (ITU-T T.81 B.1.1.5).

use memchr::memchr;

use super::{EOI, Place, SOI, SOI_CODE, SOS, marker};

/// Longest body of a marker that begins a scan: that of four components (B.2.3).
const LONGEST_SOS: usize = 12;

/// Where a picture ends, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    /// Not within these bytes.
    Unfinished,
    /// Whole: these are its bytes.
    Whole(usize),
    /// Cut short: the next one begins here.
    Next(usize),
    /// Here is something that no picture has. Asked again, the walk goes on behind it, to the next marker.
    Damaged(usize),
}

/// A walk through the picture that the bytes begin with.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    at: usize,
    /// The marker before, of a segment that may reach beyond the bytes.
    segment: usize,
    in_scan: bool,
    scans: u32,
}

impl Walk {
    /// Before the first marker after SOI.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at: SOI.len(),
            segment: SOI.len(),
            in_scan: false,
            scans: 0,
        }
    }

    /// Goes on through what has arrived, which begins with the same bytes at every call.
    pub fn step(&mut self, data: &[u8]) -> Walked {
        loop {
            if self.in_scan {
                let Some(at) = find_marker(data, self.at) else {
                    self.at = self.at.max(data.len());
                    return Walked::Unfinished;
                };
                self.at = at;
            }
            let at = self.at;
            match marker(data, at) {
                None => return Walked::Unfinished,
                Some(Place::Alone(SOI_CODE, _)) => return Walked::Next(at),
                Some(Place::Alone(EOI, end)) if self.scans > 0 => return Walked::Whole(end),
                // Restarts, and TEM; after them the data go on.
                Some(Place::Alone(0x01 | 0xD0..=0xD7, next)) if self.in_scan => self.at = next,
                Some(Place::Segment(SOS, body)) if body.len() <= LONGEST_SOS => {
                    self.scans = self.scans.saturating_add(1);
                    self.in_scan = true;
                    (self.segment, self.at) = (at, body.end);
                }
                // Progressive pictures have several scans, with tables between them.
                Some(Place::Segment(code, body))
                    if code != SOS && (!self.in_scan || is_table(code)) =>
                {
                    (self.segment, self.at) = (at, body.end);
                }
                Some(_) => {
                    self.at = data
                        .get(at + 1..)
                        .and_then(|rest| memchr(0xFF, rest))
                        .map_or(data.len(), |to| at + 1 + to);
                    return Walked::Damaged(at);
                }
            }
        }
    }

    /// Like [`step`](Self::step), but passes over damage, as decoders do.
    pub fn step_over(&mut self, data: &[u8]) -> Walked {
        loop {
            match self.step(data) {
                Walked::Damaged(_) => {}
                walked => return walked,
            }
        }
    }

    /// Scans that have begun.
    #[must_use]
    pub const fn scans(&self) -> u32 {
        self.scans
    }

    /// How many of these bytes, in which the picture does not end, a decoder can use: a segment that is not complete
    /// would swallow the end marker. None before the first scan.
    #[must_use]
    pub fn usable(&self, data: &[u8]) -> Option<usize> {
        // The last step has come to the end of the bytes, or stands before a marker that is not complete.
        let end = if self.at > data.len() {
            self.segment
        } else if marker_begun(&data[self.at..]) {
            self.at
        } else {
            data.len()
        };
        let begun = self.scans - u32::from(self.at > data.len() && self.is_sos(data));
        (begun > 0).then_some(end)
    }

    fn is_sos(&self, data: &[u8]) -> bool {
        matches!(marker(data, self.segment), Some(Place::Segment(SOS, _)))
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

/// What stands between two scans: DHT, DNL, DQT, DRI, and a comment. Anything else there is damage: its length would lead
/// over the end of the picture.
const fn is_table(code: u8) -> bool {
    matches!(code, 0xC4 | 0xDB | 0xDC | 0xDD | 0xFE)
}

/// Whether a marker has begun whose code or length is still to come.
fn marker_begun(rest: &[u8]) -> bool {
    rest.first() == Some(&0xFF) && marker(rest, 0).is_none()
}

/// The first marker in a scan that is neither a stuffed FF nor a restart; or an FF at the very end.
fn find_marker(data: &[u8], from: usize) -> Option<usize> {
    let data = data.get(from..)?;
    let mut at = 0;
    loop {
        at += memchr(0xFF, data.get(at..)?)?;
        match data.get(at + 1) {
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            _ => return Some(from + at),
        }
    }
}
