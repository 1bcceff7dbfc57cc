//! What a planted leak holds on to.

use std::fs::File;
use std::time::Duration;

const MIB: f64 = 1_048_576.0;
/// Memory is taken in pieces of this size, each of them touched.
const PIECE: usize = 64 << 10;

/// Memory and descriptors that are never given back.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// MiB a second.
    pub leak: f64,
    /// Descriptors a second.
    pub descriptor_leak: f64,
    owed_bytes: f64,
    owed_descriptors: f64,
    memory: Vec<Vec<u8>>,
    descriptors: Vec<File>,
}

impl Held {
    /// Takes what the rates ask for after this time.
    pub fn grow(&mut self, time: Duration) {
        self.owed_bytes += self.leak * MIB * time.as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // 64 KiB
        while self.owed_bytes >= PIECE as f64 {
            self.owed_bytes -= PIECE as f64;
            self.memory.push(vec![0xA5; PIECE]);
        }
        self.owed_descriptors += self.descriptor_leak * time.as_secs_f64();
        while self.owed_descriptors >= 1.0 {
            self.owed_descriptors -= 1.0;
            self.descriptors.extend(File::open("/dev/null"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaks_as_fast_as_it_is_told() {
        let mut held = Held {
            leak: 2.0,
            descriptor_leak: 3.0,
            ..Held::default()
        };
        for _ in 0..20 {
            held.grow(Duration::from_millis(100));
        }
        assert_eq!(held.memory.len() * PIECE, 4 << 20);
        assert!((5..=6).contains(&held.descriptors.len()));
    }
}
