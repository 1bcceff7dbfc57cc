//! Frames of the Dynamixel protocol 2.0: bytes in, bytes out, nothing else.
//!
//! `FF FF FD 00 id length instruction parameters.. crc`, length and CRC low byte first. A head inside the parameters is made
//! none by one more FD behind it. Source: ROBOTIS, "DYNAMIXEL Protocol 2.0".

use super::Reply;

/// The id that every servo listens to.
pub const BROADCAST: u8 = 0xFE;
const HEAD: [u8; 4] = [0xFF, 0xFF, 0xFD, 0x00];
/// Head, id, length, instruction, CRC.
const SHORTEST: usize = 10;
/// What an answer has where others have their instruction.
const STATUS: u8 = 0x55;

/// Instructions.
pub mod instruction {
    /// Answer with model and firmware.
    pub const PING: u8 = 0x01;
    /// Answer with the contents of registers.
    pub const READ: u8 = 0x02;
    /// Change registers and answer with the status.
    pub const WRITE: u8 = 0x03;
    /// Start anew.
    pub const REBOOT: u8 = 0x08;
    /// The same registers of several servos, which answer one after the other.
    pub const SYNC_READ: u8 = 0x82;
    /// Registers of several servos, without replies.
    pub const SYNC_WRITE: u8 = 0x83;
}

/// CRC-16 with the polynomial 8005, begun with 0, most significant bit first.
#[must_use]
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x8005
            }
        })
    })
}

/// A frame to or from servo `id`.
#[must_use]
pub fn frame(id: u8, instruction: u8, parameters: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(parameters.len() + 2);
    body.push(instruction);
    for byte in parameters {
        body.push(*byte);
        if body.ends_with(&HEAD[..3]) {
            body.push(0xFD);
        }
    }
    // Nothing here makes a frame of more than a few hundred bytes.
    let length = (body.len() + 2) as u16;
    let mut bytes = HEAD.to_vec();
    bytes.push(id);
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    let sum = crc(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// Asks for `count` bytes from `register` on.
#[must_use]
pub fn read(id: u8, register: u16, count: u16) -> Vec<u8> {
    let parameters = [register.to_le_bytes(), count.to_le_bytes()].concat();
    frame(id, instruction::READ, &parameters)
}

/// Writes `data` from `register` on.
#[must_use]
pub fn write(id: u8, register: u16, data: &[u8]) -> Vec<u8> {
    frame(
        id,
        instruction::WRITE,
        &[&register.to_le_bytes()[..], data].concat(),
    )
}

/// Asks several servos for `count` bytes from `register` on.
#[must_use]
pub fn sync_read(register: u16, count: u16, ids: &[u8]) -> Vec<u8> {
    let [register, count] = [register.to_le_bytes(), count.to_le_bytes()];
    frame(
        BROADCAST,
        instruction::SYNC_READ,
        &[&register, &count, ids].concat(),
    )
}

/// Writes four bytes at `register` of several servos.
#[must_use]
pub fn sync_write(register: u16, values: &[(u8, i32)]) -> Vec<u8> {
    let mut parameters = [register.to_le_bytes(), 4u16.to_le_bytes()].concat();
    for (id, value) in values {
        parameters.push(*id);
        parameters.extend(value.to_le_bytes());
    }
    frame(BROADCAST, instruction::SYNC_WRITE, &parameters)
}

/// How an answer of servo `id` begins.
pub fn head(id: u8) -> Vec<u8> {
    [&HEAD[..], &[id]].concat()
}

/// All whole answers of servo `id`, in their order. Every offset is looked at, so that noise, broken frames and those of others
/// do no harm.
#[must_use]
pub fn replies(bytes: &[u8], id: u8) -> Vec<Reply> {
    let mut found = Vec::new();
    let mut from = 0;
    while from + SHORTEST <= bytes.len() {
        match answer_at(&bytes[from..], id) {
            Some(reply) => {
                from += reply.bytes;
                found.push(reply);
            }
            None => from += 1,
        }
    }
    found
}

fn answer_at(bytes: &[u8], id: u8) -> Option<Reply> {
    let rest = bytes.strip_prefix(&HEAD)?;
    let [who, low, high, ..] = *rest else {
        return None;
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    let frame = bytes.get(..HEAD.len() + 3 + length)?;
    let (frame, sum) = frame.split_last_chunk::<2>()?;
    if who != id || crc(frame) != u16::from_le_bytes(*sum) {
        return None;
    }
    let body = unstuffed(frame.get(HEAD.len() + 3..)?);
    let [STATUS, error, data @ ..] = &body[..] else {
        return None;
    };
    Some(Reply {
        status: (*error).into(),
        data: data.to_vec(),
        count: data.len(),
        bytes: frame.len() + 2,
    })
}

/// The body without the FD that stands behind each head in it.
fn unstuffed(body: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::with_capacity(body.len());
    let mut skip = false;
    for byte in body {
        if skip && *byte == 0xFD {
            skip = false;
            continue;
        }
        plain.push(*byte);
        skip = plain.ends_with(&HEAD[..3]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::feetech::hex;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_are_exact() {
        let goal = 2048i32.to_le_bytes();
        for (made, want) in [
            (
                frame(1, instruction::PING, &[]),
                "FF FF FD 00 01 03 00 01 19 4E",
            ),
            (
                write(1, 116, &goal),
                "FF FF FD 00 01 09 00 03 74 00 00 08 00 00 42 89",
            ),
            (write(1, 64, &[1]), "FF FF FD 00 01 06 00 03 40 00 01 DB 66"),
            (read(1, 70, 1), "FF FF FD 00 01 07 00 02 46 00 01 00 3C A3"),
            (
                frame(1, instruction::REBOOT, &[]),
                "FF FF FD 00 01 03 00 08 2F 4E",
            ),
            // The maker's example of a sync read (ids 1 and 2, present position).
            (
                sync_read(132, 4, &[1, 2]),
                "FF FF FD 00 FE 09 00 82 84 00 04 00 01 02 CE FA",
            ),
        ] {
            assert_eq!(made, hex(want));
        }
    }

    #[test]
    fn an_answer_is_taken_apart_and_a_question_is_none() {
        // The maker's example: model 1030, firmware 38.
        let bytes = hex("FF FF FD 00 01 07 00 55 00 06 04 26 65 5D");
        let [found] = &replies(&bytes, 1)[..] else {
            panic!("not one answer");
        };
        assert_eq!((found.status, &found.data[..]), (0, &[6, 4, 0x26][..]));
        assert!(replies(&bytes, 2).is_empty());
        assert!(replies(&frame(1, instruction::PING, &[]), 1).is_empty());
        for n in 0..bytes.len() {
            assert!(replies(&bytes[..n], 1).is_empty());
            let mut broken = bytes.clone();
            broken[n] ^= 0x10;
            assert!(replies(&broken, 1).is_empty());
        }
    }

    #[test]
    fn a_head_among_the_data_is_stuffed() {
        let data = [0xFF, 0xFF, 0xFD, 0x05];
        let bytes = write(1, 116, &data);
        assert_eq!(bytes[10..15], [0xFF, 0xFF, 0xFD, 0xFD, 0x05]);
        assert_eq!(bytes[5], 10);
    }

    proptest! {
        #[test]
        fn any_answer_is_found_behind_any_noise(
            noise in prop::collection::vec(any::<u8>(), 0..40),
            id in 0u8..=0xFC,
            error: u8,
            data in prop::collection::vec(prop_oneof![Just(0xFFu8), Just(0xFD), any::<u8>()], 0..30),
        ) {
            let mut bytes = noise;
            bytes.extend(frame(id, STATUS, &[&[error], &data[..]].concat()));
            let found = replies(&bytes, id);
            let last = found.last().unwrap();
            prop_assert_eq!((last.status, &last.data), (error.into(), &data));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), id: u8) {
            prop_assert!(replies(&bytes, id).iter().all(|found| found.bytes <= bytes.len()));
        }
    }
}
