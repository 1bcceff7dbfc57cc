//! Commands of a Maestro in each of its forms: bytes, nothing else.

use crate::follow::servo::steps::Steps;

/// Commands of the compact protocol.
pub mod command {
    /// Channel, then the target in quarter microseconds.
    pub const TARGET: u8 = 0x84;
    /// Channel, then the limit of speed in quarter microseconds in 10 ms.
    pub const SPEED: u8 = 0x87;
    /// Channel, then the limit of acceleration in quarter microseconds in 10 ms in 80 ms.
    pub const ACCELERATION: u8 = 0x89;
    /// Channel; answers with the pulse that is sent, two bytes, 0 for none.
    pub const POSITION: u8 = 0x90;
    /// Answers with the error bits, two bytes, and clears them.
    pub const ERRORS: u8 = 0xA1;
}

/// Straight ahead in quarter microseconds, as a mini-SSC target 127.
const SSC_CENTRE: i32 = 1500 * 4;
/// Quarter microseconds of a unit of a mini-SSC target.
pub(super) const MINI_SSC: i32 = 15;

/// The two bytes of a value, seven bits each, the low ones first.
#[must_use]
pub const fn sevens(value: u16) -> [u8; 2] {
    [(value & 0x7F) as u8, (value >> 7 & 0x7F) as u8]
}

/// CRC-7 with the polynomial 91 hexadecimal, least significant bit first.
#[must_use]
pub fn crc(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            if crc & 1 == 0 {
                crc >> 1
            } else {
                (crc ^ 0x91) >> 1
            }
        })
    })
}

/// A command to one of several controllers on a line.
#[must_use]
pub fn pololu(device: u8, command: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xAA, device];
    if let [first, rest @ ..] = command {
        bytes.push(first & 0x7F);
        bytes.extend(rest);
    }
    bytes
}

/// A target in the mini-SSC protocol, which knows nothing else and is never followed by a CRC: 127 is straight ahead.
#[must_use]
pub fn mini_ssc(channel: u8, goal: Steps) -> Option<[u8; 3]> {
    let target = (goal.0 - SSC_CENTRE + MINI_SSC / 2).div_euclid(MINI_SSC) + 127;
    // 255 begins the next frame.
    (channel < 255).then_some([0xFF, channel, target.clamp(0, 254) as u8])
}

#[cfg(test)]
mod tests {
    use super::super::feetech::hex;
    use super::*;

    #[test]
    fn forms_are_exact() {
        let [low, high] = sevens(6000);
        let target = [command::TARGET, 2, low, high];
        assert_eq!(target[..], hex("84 02 70 2E"));
        assert_eq!(pololu(12, &target), hex("AA 0C 04 02 70 2E"));
        assert_eq!((crc(&[0x83, 0x01]), crc(&target)), (0x17, 0x18));
    }

    #[test]
    fn targets_of_the_mini_ssc_protocol_are_exact() {
        assert_eq!(mini_ssc(2, Steps(6000)), Some([0xFF, 2, 127]));
        // 476.25 µs to either side.
        assert_eq!(mini_ssc(0, Steps(6000 + 1905)), Some([0xFF, 0, 254]));
        assert_eq!(mini_ssc(0, Steps(6000 - 1905)), Some([0xFF, 0, 0]));
        assert_eq!(mini_ssc(0, Steps(8000)), Some([0xFF, 0, 254]));
        assert_eq!(mini_ssc(255, Steps(6000)), None);
    }
}
