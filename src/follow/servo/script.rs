//! A line without hardware for tests: it answers as scripted, byte by byte, in virtual time.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::clock::{Clock, ManualClock, Monotime};
use crate::base::stop::lock;

use super::wire::Wire;

/// The frames that were sent, and when.
pub type Sent = Arc<Mutex<Vec<(Monotime, Vec<u8>)>>>;

/// What a line does with a frame: the chunks in which bytes come back.
pub type Answer = Box<dyn FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send>;

/// A line that answers as scripted. Waiting for nothing lets the clock run.
pub struct Script {
    pub clock: Arc<ManualClock>,
    pub answer: Answer,
    /// By so much every answer is late.
    pub late: Arc<Mutex<Duration>>,
    pub incoming: VecDeque<(Monotime, Vec<u8>)>,
    pub sent: Sent,
}

impl Script {
    pub fn new(
        clock: &Arc<ManualClock>,
        answer: impl FnMut(&[u8]) -> io::Result<Vec<Vec<u8>>> + Send + 'static,
    ) -> Self {
        Self {
            clock: Arc::clone(clock),
            answer: Box::new(answer),
            late: Arc::default(),
            incoming: VecDeque::new(),
            sent: Sent::default(),
        }
    }
}

impl Wire for Script {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = self.clock.now();
        lock(&self.sent).push((now, bytes.to_vec()));
        let due = now + *lock(&self.late);
        let answer = (self.answer)(bytes)?;
        self.incoming
            .extend(answer.into_iter().map(|bytes| (due, bytes)));
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.clock.advance(Duration::from_micros(500));
        let now = self.clock.now();
        let Some((due, chunk)) = self
            .incoming
            .front_mut()
            .filter(|(due, _)| *due <= now + timeout)
        else {
            self.clock.advance(timeout);
            return Ok(0);
        };
        self.clock.advance(due.since(now));
        let n = chunk.len().min(buffer.len());
        buffer[..n].copy_from_slice(&chunk[..n]);
        chunk.drain(..n);
        if chunk.is_empty() {
            self.incoming.pop_front();
        }
        Ok(n)
    }

    fn discard_input(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.incoming.retain(|(due, _)| *due > now);
        Ok(())
    }

    fn name(&self) -> &str {
        "a script"
    }
}
