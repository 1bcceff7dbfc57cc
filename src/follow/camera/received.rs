//! Bytes as they arrive, and when: a picture on a connection is as old as its first byte.

use std::ops::Deref;

use super::{Frame, Picture};
use crate::base::clock::Monotime;

/// A picture, and when its first byte arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The JPEG.
    pub jpeg: Vec<u8>,
    /// When its first byte came.
    pub begun: Monotime,
}

impl Arrived {
    /// The frame that it is, with this number.
    #[must_use]
    pub fn frame(self, number: u64) -> Frame {
        Frame {
            number,
            captured: self.begun,
            picture: Picture::Jpeg(self.jpeg),
        }
    }
}

/// What was received and not yet taken.
#[derive(Debug, Default)]
pub struct Received {
    bytes: Vec<u8>,
    /// When the first of the bytes arrived.
    begun: Monotime,
    /// The last moment of arrival: from where on, and when.
    last: (usize, Monotime),
}

impl Received {
    /// Takes in what was received at `now`.
    pub fn push(&mut self, data: &[u8], now: Monotime) {
        if self.bytes.is_empty() {
            self.begun = now;
        }
        if self.bytes.is_empty() || self.last.1 != now {
            self.last = (self.bytes.len(), now);
        }
        self.bytes.extend_from_slice(data);
    }

    /// Takes the picture that the first `end` bytes are.
    pub fn take(&mut self, end: usize) -> Arrived {
        let begun = self.begun;
        let mut jpeg = self.bytes.split_off(end);
        std::mem::swap(&mut jpeg, &mut self.bytes);
        self.moved(end);
        Arrived { jpeg, begun }
    }

    /// Drops the first `count` bytes.
    pub fn drop_front(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.moved(count);
    }

    /// The front has moved on by so many bytes.
    fn moved(&mut self, count: usize) {
        let (from, when) = self.last;
        if count >= from {
            self.begun = when;
        }
        self.last.0 = from.saturating_sub(count);
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    #[test]
    fn every_byte_keeps_the_time_of_the_read_that_brought_it() {
        let mut received = Received::default();
        received.push(b"ab", at(1));
        received.push(b"cd", at(2));
        // Two pieces of one read, as the chunks of a transfer coding make them.
        received.push(b"ef", at(2));
        assert_eq!(received.take(1).begun, at(1));
        assert_eq!(received.take(1).begun, at(1));
        let second = received.take(3);
        assert_eq!((second.jpeg.as_slice(), second.begun), (&b"cde"[..], at(2)));
        received.drop_front(1);
        received.push(b"g", at(5));
        assert_eq!(received.take(1).begun, at(5));
        assert!(received.is_empty());
    }
}
