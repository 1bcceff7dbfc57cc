//! The lines that wait for the disk: bounded, and ERROR lines are kept in preference.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use anyhow::Result;

use super::line::{Line, Severity};

/// Bytes that may wait: some thousand lines. At the 20 lines a second of a bad minute that is three minutes of a
/// disk that stands still.
const MOST_BYTES: usize = 1 << 20;
/// Lines that may wait, each of which costs a little beside its text.
const MOST_LINES: usize = 8192;

/// What waits in the queue of the one logger that a program has, for whoever watches it.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// How many lines wait for the disk now.
#[must_use]
pub fn waiting() -> u64 {
    WAITING.load(Ordering::Relaxed)
}

/// What the thread `log` has to do next.
#[derive(Debug)]
pub(super) enum Order {
    Write(Line),
    /// Open the file again, and tell how that went.
    Reopen(SyncSender<Result<()>>),
}

impl Order {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(line) => line.text.len(),
            Self::Reopen(_) => 0,
        }
    }
}

/// Orders in their order, and the number of lines that found no room.
#[derive(Debug, Default)]
pub(super) struct Queue {
    orders: VecDeque<Order>,
    bytes: usize,
    /// Orders that have left the queue, one way or the other.
    gone: u64,
    /// Dropped behind the last line that is in the queue.
    lost: u64,
}

impl Queue {
    /// Puts a line in, or counts it as lost. Ordinary lines leave a quarter of the room to ERROR lines; a CRITICAL
    /// line pushes out the oldest ones.
    pub(super) fn line(&mut self, mut line: Line) {
        let share = if line.severity >= Severity::Error {
            4
        } else {
            3
        };
        let bytes = line.text.len();
        if line.severity == Severity::Critical {
            while !self.has_room(bytes, 4) && self.push_out() {}
        } else if !self.has_room(bytes, share) {
            self.lost += 1;
            return;
        }
        line.lost_before = std::mem::take(&mut self.lost);
        self.bytes += bytes;
        self.orders.push_back(Order::Write(line));
        self.tell();
    }

    /// Puts the order to open the file again in; false if there is no room.
    pub(super) fn reopen(&mut self, answer: SyncSender<Result<()>>) -> bool {
        let room = self.has_room(0, 4);
        if room {
            self.orders.push_back(Order::Reopen(answer));
            self.tell();
        }
        room
    }

    pub(super) fn pop(&mut self) -> Option<Order> {
        let order = self.orders.pop_front()?;
        self.bytes -= order.bytes();
        self.gone += 1;
        self.tell();
        Some(order)
    }

    fn tell(&self) {
        WAITING.store(self.orders.len() as u64, Ordering::Relaxed);
    }

    /// How many orders have left the queue so far, whether to be carried out or to make room.
    pub(super) fn gone(&self) -> u64 {
        self.gone
    }

    /// How many will have left it when those that are in it now have.
    pub(super) fn end(&self) -> u64 {
        self.gone + self.orders.len() as u64
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lines lost behind the last one, not told to anybody since.
    pub(super) fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn has_room(&self, bytes: usize, quarters: usize) -> bool {
        self.bytes + bytes <= MOST_BYTES / 4 * quarters
            && self.orders.len() < MOST_LINES / 4 * quarters
    }

    /// Drops the oldest order; the next line tells of it.
    fn push_out(&mut self) -> bool {
        let Some(order) = self.pop() else {
            return false;
        };
        let gone = match order {
            Order::Write(line) => line.lost_before + 1,
            Order::Reopen(_) => 0,
        };
        let next = self.orders.iter_mut().find_map(|order| match order {
            Order::Write(line) => Some(line),
            Order::Reopen(_) => None,
        });
        match next {
            Some(line) => line.lost_before += gone,
            None => self.lost += gone,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line(severity: Severity, bytes: usize) -> Line {
        Line::test(Duration::ZERO, severity, &"x".repeat(bytes))
    }

    /// Empties the queue: lines of each severity, and all that were lost.
    fn empty(queue: &mut Queue) -> (Vec<Severity>, u64) {
        let mut lost = 0;
        let mut severities = Vec::new();
        while let Some(order) = queue.pop() {
            if let Order::Write(line) = order {
                lost += line.lost_before;
                severities.push(line.severity);
            }
        }
        assert_eq!(queue.bytes, 0);
        (severities, lost + queue.lost())
    }

    #[test]
    fn neither_bytes_nor_lines_grow_without_limit() {
        for size in [0, 100, 8000] {
            let mut queue = Queue::default();
            for i in 0..100_000 {
                let severity = [Severity::Debug, Severity::Error, Severity::Critical][i % 3];
                queue.line(line(severity, size));
                assert!(queue.bytes <= MOST_BYTES && queue.orders.len() <= MOST_LINES);
            }
            let (kept, lost) = empty(&mut queue);
            assert_eq!(kept.len() as u64 + lost, 100_000, "each is kept or counted");
        }
    }

    #[test]
    fn error_lines_are_kept_in_preference_and_critical_ones_always() {
        let mut queue = Queue::default();
        for _ in 0..20_000 {
            queue.line(line(Severity::Info, 100));
        }
        for _ in 0..100 {
            queue.line(line(Severity::Error, 100));
        }
        for _ in 0..20_000 {
            queue.line(line(Severity::Warning, 100));
            queue.line(line(Severity::Error, 100));
        }
        queue.line(line(Severity::Critical, 5000));
        let (kept, _) = empty(&mut queue);
        let count = |s| kept.iter().filter(|k| **k == s).count();
        assert!(count(Severity::Error) > 1000, "{}", count(Severity::Error));
        assert_eq!(count(Severity::Critical), 1);
        assert_eq!(kept.last(), Some(&Severity::Critical));
    }

    #[test]
    fn a_gap_is_told_where_it_is() {
        let mut queue = Queue::default();
        let mut room = 0;
        while queue.lost == 0 {
            queue.line(line(Severity::Info, 1000));
            room += 1;
        }
        queue.line(line(Severity::Info, 1000));
        queue.line(line(Severity::Error, 1000));
        let mut lines = std::iter::from_fn(|| queue.pop());
        for _ in 1..room {
            assert!(matches!(lines.next(), Some(Order::Write(l)) if l.lost_before == 0));
        }
        assert!(matches!(lines.next(), Some(Order::Write(l)) if l.lost_before == 2));
    }

    #[test]
    fn reopening_again_and_again_is_bounded_as_well() {
        let mut queue = Queue::default();
        let (answer, _keep) = std::sync::mpsc::sync_channel(1);
        let accepted = (0..100_000)
            .filter(|_| queue.reopen(answer.clone()))
            .count();
        assert_eq!(accepted, MOST_LINES);
    }
}
