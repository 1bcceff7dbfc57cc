//! Readers whose cards answer at once, as a [`Connection`].

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Answer, Connection, Moment, Readers, Slot};
use crate::base::clock::Clock;

/// Asks when told to, and keeps the answers.
pub struct AtOnce<R> {
    readers: R,
    clock: Arc<dyn Clock>,
    asked: u64,
    answers: Vec<Answer>,
}

impl<R: Readers> AtOnce<R> {
    /// A connection to `readers`.
    pub fn new(readers: R, clock: Arc<dyn Clock>) -> Self {
        Self {
            readers,
            clock,
            asked: 0,
            answers: Vec::new(),
        }
    }
}

impl<R: Readers> Connection for AtOnce<R> {
    fn wait(&mut self, timeout: Duration) -> Result<Vec<Slot>> {
        self.readers.wait(timeout)
    }

    fn ask(&mut self, reader: &str, command: &[u8]) -> u64 {
        self.asked += 1;
        let result = self.readers.transmit(reader, command);
        self.answers.push(Answer {
            ticket: self.asked,
            at: Moment::now(self.clock.as_ref()),
            result,
            atr: None,
        });
        self.asked
    }

    fn answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }
}
