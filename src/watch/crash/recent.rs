//! The last lines of the log, kept where a signal handler can read them.
//!
//! A ring of fixed size, written without a lock and without allocation: a crash may come while a line is written, and
//! the crash report must not wait for the one who writes it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Lines that a crash report shows.
pub const LINES: usize = 50;
/// Bytes kept of a line.
pub const LONGEST_LINE: usize = 256;

/// A few more than are shown, so that those being written meanwhile do not eat into what is shown.
const SLOTS: usize = 64;
const WORDS: usize = LONGEST_LINE / 8;

struct Slot {
    /// The number of the line, from 1, when it is complete; 0 while it is written.
    number: AtomicUsize,
    length: AtomicUsize,
    words: [AtomicU64; WORDS],
}

struct Ring {
    next: AtomicUsize,
    slots: [Slot; SLOTS],
}

static RING: Ring = Ring::new();

/// Keeps a line for the next crash report; the end of a long one is cut off.
pub fn note(line: &str) {
    RING.note(line);
}

/// Gives the last lines to `take`, the oldest first. Safe in a signal handler if `take` is.
pub(super) fn each(take: impl FnMut(&[u8])) {
    RING.each(take);
}

impl Ring {
    const fn new() -> Self {
        Self {
            next: AtomicUsize::new(1),
            slots: [const {
                Slot {
                    number: AtomicUsize::new(0),
                    length: AtomicUsize::new(0),
                    words: [const { AtomicU64::new(0) }; WORDS],
                }
            }; SLOTS],
        }
    }

    fn note(&self, line: &str) {
        let line = line.trim_end();
        let line = &line[..line.floor_char_boundary(LONGEST_LINE)];
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = &self.slots[number % SLOTS];
        slot.number.store(0, Ordering::Relaxed);
        // Whoever sees a new word sees the 0, too.
        std::sync::atomic::fence(Ordering::Release);
        for (word, bytes) in slot.words.iter().zip(line.as_bytes().chunks(8)) {
            let mut eight = [0; 8];
            eight[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
        slot.length.store(line.len(), Ordering::Relaxed);
        slot.number.store(number, Ordering::Release);
    }

    fn each(&self, mut take: impl FnMut(&[u8])) {
        let next = self.next.load(Ordering::Acquire);
        for number in next.saturating_sub(LINES).max(1)..next {
            let slot = &self.slots[number % SLOTS];
            if slot.number.load(Ordering::Acquire) != number {
                continue;
            }
            let mut line = [0; LONGEST_LINE];
            for (bytes, word) in line.chunks_exact_mut(8).zip(&slot.words) {
                bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
            }
            let length = slot.length.load(Ordering::Relaxed).min(LONGEST_LINE);
            std::sync::atomic::fence(Ordering::Acquire);
            if slot.number.load(Ordering::Relaxed) == number {
                take(&line[..length]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(ring: &Ring) -> Vec<String> {
        let mut lines = Vec::new();
        ring.each(|l| lines.push(String::from_utf8(l.to_vec()).expect("whole characters")));
        lines
    }

    #[test]
    fn the_last_fifty_lines_are_kept_in_order() {
        let ring = Ring::new();
        assert!(lines(&ring).is_empty());
        ring.note("one\n");
        assert_eq!(lines(&ring), ["one"]);
        for i in 0..200 {
            ring.note(&format!("line {i}"));
        }
        let kept = lines(&ring);
        assert_eq!(kept.len(), LINES);
        assert_eq!(
            (kept[0].as_str(), kept[49].as_str()),
            ("line 150", "line 199")
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let ring = Ring::new();
        ring.note(&"顔".repeat(100));
        assert_eq!(lines(&ring), ["顔".repeat(85)]);
    }

    #[test]
    fn lines_written_at_once_are_whole_or_left_out() {
        let ring = Ring::new();
        std::thread::scope(|s| {
            for letter in ["a", "b", "c"] {
                let ring = &ring;
                s.spawn(move || (0..3000).for_each(|_| ring.note(&letter.repeat(250))));
            }
            for _ in 0..200 {
                for line in lines(&ring) {
                    assert_eq!(line.len(), 250);
                    assert_eq!(line, line[..1].repeat(250));
                }
            }
        });
    }
}
