//! What comes back from the servo bus after a question: the id that was asked in the first byte, what is spoken and whether
//! the echo of the question comes first in the second, then the bytes.

#![no_main]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use facetap::base::clock::ManualClock;
use facetap::config;
use facetap::follow::servo::bus::Bus;
use facetap::follow::servo::protocol::{self, sts};
use facetap::follow::servo::survey::survey;
use facetap::follow::servo::wire::Wire;
use libfuzzer_sys::fuzz_target;

/// A line on which the same bytes come back whatever is asked.
struct Parrot<'a> {
    bytes: &'a [u8],
    left: Vec<u8>,
    echo: bool,
    clock: Arc<ManualClock>,
}

impl Wire for Parrot<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(!bytes.is_empty());
        if self.echo {
            self.left.extend(bytes);
        }
        self.left.extend(self.bytes);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        if self.left.is_empty() {
            self.clock.advance(timeout);
            return Ok(0);
        }
        let n = self.left.len().min(buffer.len()).min(7);
        buffer[..n].copy_from_slice(&self.left[..n]);
        self.left.drain(..n);
        Ok(n)
    }

    fn discard_input(&mut self) -> io::Result<()> {
        self.left.clear();
        Ok(())
    }

    fn name(&self) -> &str {
        "a parrot"
    }
}

fuzz_target!(|data: &[u8]| {
    let [id, echo, bytes @ ..] = data else {
        return;
    };
    // Those that a servo can have; 254 means all of them.
    let id = *id % 254;
    for found in sts::answers(bytes, id) {
        assert!(found.id == id && found.end <= bytes.len());
    }
    let protocol = protocol::of(match echo >> 4 & 3 {
        0 => config::Protocol::Sts,
        1 => config::Protocol::Scs,
        2 => config::Protocol::Maestro,
        _ => config::Protocol::Dynamixel,
    });
    let clock = ManualClock::shared(Duration::from_secs(1));
    let parrot = Parrot {
        bytes,
        left: Vec::new(),
        echo: echo % 2 == 1,
        clock: Arc::clone(&clock),
    };
    let mut bus = Bus::new(parrot, protocol, clock);
    assert!(bus.greet().is_ok());
    // Nobody but the one that was asked is heard.
    if let Ok(Some(readings)) = bus.read_axes(&[id, id.wrapping_add(1)]) {
        assert_eq!(readings.len(), 2);
    }
    if let Ok(heard) = bus.listen(id) {
        assert!(heard.readings.len() <= bytes.len());
    }
    if let Ok(found) = survey(&mut bus, id, echo % 4 > 1) {
        if let Some(why) = found.unfit(protocol, id, (1480, 2616)) {
            assert!(!why.told(protocol).is_empty());
        }
    }
    let _ = bus.held(id);
    let _ = bus.let_go(id);
    if let Err(fault) = bus.read_axis(id) {
        assert!(!fault.to_string().is_empty() && !fault.is_line());
    }
});
