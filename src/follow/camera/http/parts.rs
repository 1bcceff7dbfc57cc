//! `multipart/x-mixed-replace`: pictures between boundaries (RFC 2046, 5.1), as cameras really send them.
//!
//! The pictures themselves are what is looked for: one begins where a JPEG begins and ends at its own end marker, whatever
//! stands around it. Boundaries and lengths are needed only for pictures that leave out their end marker or are damaged;
//! they are often missing, false, or late (the boundary then comes with the next picture, a whole period too late).

use anyhow::{Result, bail};
use memchr::memmem::{find, rfind};

use super::boundary::Boundary;
use crate::base::clock::Monotime;
use crate::follow::camera::jpeg::walk::{Walk, Walked};
use crate::follow::camera::jpeg::{BEGINNING, MAX_PICTURE};
use crate::follow::camera::received::{Arrived, Received};

/// Most bytes between two pictures: the head of a part has some hundred.
const MAX_BETWEEN: usize = 64 << 10;
/// A part that is no picture is passed over, for some cameras send texts in between; so many in a row are no stream of
/// pictures.
const OTHERS: u32 = 2;

/// Incremental parser of the stream.
#[derive(Debug)]
pub struct Parts {
    received: Received,
    boundary: Boundary,
    lengths: Lengths,
    /// None before a picture.
    part: Option<Part>,
    /// Parts in a row that were no pictures.
    others: u32,
    /// The last picture was handed out because its length said so. What follows shows whether that was right.
    unproven: bool,
}

/// The picture that `received` begins with.
#[derive(Debug)]
struct Part {
    walk: Walk,
    /// What the head of the part says.
    length: Option<usize>,
    /// So many bytes hold no boundary.
    searched: usize,
}

/// Whether the server's lengths are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    Unknown,
    /// A boundary followed: a picture without an end marker is whole when so much has come.
    Right,
    /// No more heed is paid to them.
    Wrong,
}

impl Parts {
    /// Before the first byte; `boundary` as the header says it.
    #[must_use]
    pub fn new(boundary: Option<&str>) -> Self {
        Self {
            received: Received::default(),
            boundary: Boundary::told(boundary),
            lengths: Lengths::Unknown,
            part: None,
            others: 0,
            unproven: false,
        }
    }

    /// Takes in what was received at `now`.
    pub fn push(&mut self, data: &[u8], now: Monotime) {
        self.received.push(data, now);
    }

    /// The next picture that has arrived completely. After an error the next one may be asked for.
    ///
    /// # Errors
    /// A picture is too large, what arrives are no pictures, or the server has ended the stream.
    pub fn next_picture(&mut self) -> Result<Option<Arrived>> {
        loop {
            if self.part.is_none() && !self.find_beginning()? {
                return Ok(None);
            }
            match self.find_end() {
                End::At(end) => {
                    self.part = None;
                    self.others = 0;
                    return Ok(Some(self.received.take(end)));
                }
                End::NoPicture(next) => {
                    self.part = None;
                    self.received.drop_front(next);
                }
                End::NotYet if self.received.len() > MAX_PICTURE => {
                    self.part = None;
                    self.received.drop_front(self.received.len());
                    bail!("a picture does not end after {MAX_PICTURE} bytes");
                }
                End::NotYet => return Ok(None),
            }
        }
    }

    /// Drops what stands before the next picture. False if none has begun yet.
    fn find_beginning(&mut self) -> Result<bool> {
        let Some(at) = find(&self.received, &BEGINNING) else {
            return self.without_a_picture();
        };
        let text = &self.received[..at];
        self.boundary.learn(text);
        if std::mem::take(&mut self.unproven) {
            let between = text.trim_ascii_start();
            let boundary = self.boundary.find(text, 0);
            let proven = between.starts_with(b"--") || boundary.is_some_and(|b| b.0 == 0);
            self.lengths = if proven {
                Lengths::Right
            } else {
                Lengths::Wrong
            };
        }
        self.part = Some(Part {
            walk: Walk::new(),
            length: content_length(text),
            searched: 0,
        });
        self.received.drop_front(at);
        Ok(true)
    }

    /// No picture has begun. Tells what arrives instead.
    fn without_a_picture(&mut self) -> Result<bool> {
        if let Some((_, end)) = self.boundary.find(&self.received, 0) {
            if self.received[end..].starts_with(b"--") {
                bail!("the server has ended the stream");
            }
            if let Some((next, _)) = self.boundary.find(&self.received, end) {
                let other = holds_something(&self.received[end..next]);
                self.received.drop_front(next);
                self.others += u32::from(other);
                if self.others >= OTHERS {
                    self.others = 0;
                    bail!("a part of the stream is not a JPEG picture");
                }
                return self.without_a_picture();
            }
        }
        if self.received.len() > MAX_BETWEEN {
            // The last two bytes may be the first two of a beginning.
            let kept = BEGINNING.len() - 1;
            self.received.drop_front(self.received.len() - kept);
            bail!("no JPEG picture in the last {MAX_BETWEEN} bytes of the stream");
        }
        Ok(false)
    }

    /// Where the picture ends that `received` begins with.
    fn find_end(&mut self) -> End {
        let Some(part) = &mut self.part else {
            return End::NotYet;
        };
        match part.walk.step_over(&self.received) {
            Walked::Whole(end) => {
                if part.length.is_some_and(|length| length < end) {
                    self.lengths = Lengths::Wrong;
                }
                return End::At(end);
            }
            Walked::Next(at) if part.walk.scans() == 0 => return End::NoPicture(at),
            // The boundary before the next picture is not known yet; its line is no part of this one.
            Walked::Next(at) => return End::At(before_head(&self.received[..at])),
            Walked::Unfinished | Walked::Damaged(_) => {}
        }
        let length = part.length.filter(|_| self.lengths != Lengths::Wrong);
        let trusted = length.filter(|_| self.lengths == Lengths::Right);
        let from = part.searched.max(trusted.unwrap_or(0));
        if let Some((end, _)) = self.boundary.find(&self.received, from) {
            if let Some(length) = length {
                self.lengths = if end.abs_diff(length) <= 2 {
                    Lengths::Right
                } else {
                    Lengths::Wrong
                };
            }
            return End::At(end);
        }
        part.searched = self.received.len().saturating_sub(self.boundary.overlap());
        let Some(length) = length.filter(|length| *length <= self.received.len()) else {
            return End::NotYet;
        };
        // While nothing is known of its lengths, what follows has to be seen: the picture might go on.
        let follows = self.received[length..].trim_ascii_start();
        if self.lengths == Lengths::Right || follows.starts_with(b"--") {
            self.unproven = true;
            return End::At(length);
        }
        if !b"--".starts_with(follows) {
            self.lengths = Lengths::Wrong;
        }
        End::NotYet
    }
}

/// Where a picture ends.
enum End {
    /// These are its bytes.
    At(usize),
    /// It has no data; the next one begins here.
    NoPicture(usize),
    /// That has not arrived.
    NotYet,
}

/// Where the head of the next part begins at the end of `data`, if there is one.
fn before_head(data: &[u8]) -> usize {
    /// Longest head that is looked for.
    const HEAD: usize = 512;
    let from = data.len().saturating_sub(HEAD);
    let Some(at) = rfind(&data[from..], b"\n--") else {
        return data.len();
    };
    let line_end = from + at;
    line_end - usize::from(line_end > 0 && data[line_end - 1] == b'\r')
}

/// Whether there is anything between two boundaries besides a head and blank lines.
fn holds_something(part: &[u8]) -> bool {
    let head = [&b"\r\n\r\n"[..], b"\n\n"]
        .into_iter()
        .filter_map(|blank| Some(find(part, blank)? + blank.len()))
        .min();
    head.is_some_and(|head| !part[head..].trim_ascii().is_empty())
}

/// The length that the head of a part gives, unless that is none. The last one counts: some servers put a head of their own
/// before that of a library.
fn content_length(text: &[u8]) -> Option<usize> {
    let line = text.split(|b| *b == b'\n').rev().find_map(|line| {
        let colon = line.iter().position(|b| *b == b':')?;
        line[..colon]
            .trim_ascii()
            .eq_ignore_ascii_case(b"content-length")
            .then(|| &line[colon + 1..])
    })?;
    let length = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    (1..=MAX_PICTURE).contains(&length).then_some(length)
}
