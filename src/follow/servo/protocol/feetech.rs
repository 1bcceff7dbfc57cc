//! The frames that Feetech servos of the STS and the SCS family share: bytes in, bytes out, nothing else.
//!
//! Frames are `FF FF id length instruction-or-status parameters.. checksum`, where the length counts what
//! follows it and the checksum is the complement of the sum from the id on.
//! Source: Feetech, "SMS/STS Communication Protocol User Manual".

use super::{Query, Reply, Write};

/// The id that every servo listens to and none answers.
pub const BROADCAST: u8 = 0xFE;

/// Instructions.
pub mod instruction {
    /// Answer, if you are there.
    pub const PING: u8 = 0x01;
    /// Answer with the contents of registers.
    pub const READ: u8 = 0x02;
    /// Change registers and answer with the status.
    pub const WRITE: u8 = 0x03;
    /// Sync read: the same registers of several servos, which answer one after the other.
    pub const SYNC_READ: u8 = 0x82;
    /// Sync write: registers of several servos, without replies.
    pub const SYNC_WRITE: u8 = 0x83;
}

const HEADER: [u8; 2] = [0xFF, 0xFF];
/// Header, id, length, instruction or status, checksum.
pub const SHORTEST: usize = 6;

fn checksum(body: &[u8]) -> u8 {
    !body.iter().fold(0u8, |sum, b| sum.wrapping_add(*b))
}

/// A frame to or from servo `id`, where `kind` is the instruction or the status.
///
/// At most 250 parameters fit; further ones are left out.
#[must_use]
pub fn frame(id: u8, kind: u8, parameters: &[u8]) -> Vec<u8> {
    let parameters = &parameters[..parameters.len().min(250)];
    let mut bytes = Vec::with_capacity(SHORTEST + parameters.len());
    bytes.extend(HEADER);
    bytes.extend([id, parameters.len() as u8 + 2, kind]);
    bytes.extend(parameters);
    bytes.push(checksum(&bytes[2..]));
    bytes
}

/// Asks whether a servo is there.
#[must_use]
pub fn ping(id: u8) -> Vec<u8> {
    frame(id, instruction::PING, &[])
}

/// Asks for `count` bytes from `register` on.
#[must_use]
pub fn read(id: u8, register: u8, count: u8) -> Vec<u8> {
    frame(id, instruction::READ, &[register, count])
}

/// Writes `data` from `register` on.
#[must_use]
pub fn write(id: u8, register: u8, data: &[u8]) -> Vec<u8> {
    let mut parameters = vec![register];
    parameters.extend(data);
    frame(id, instruction::WRITE, &parameters)
}

/// Sync read: asks several servos at once for `count` bytes from `register` on.
#[must_use]
pub fn sync_read(register: u8, count: u8, ids: &[u8]) -> Vec<u8> {
    let mut parameters = vec![register, count];
    parameters.extend(ids);
    frame(BROADCAST, instruction::SYNC_READ, &parameters)
}

/// Sync write: two bytes at `register` of several servos at once, without replies.
#[must_use]
pub fn sync_write_bytes(register: u8, values: impl IntoIterator<Item = (u8, [u8; 2])>) -> Vec<u8> {
    let mut parameters = vec![register, 2];
    for (id, [first, second]) in values {
        parameters.extend([id, first, second]);
    }
    frame(BROADCAST, instruction::SYNC_WRITE, &parameters)
}

/// A frame found in a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Who is addressed, or answers.
    pub id: u8,
    /// The instruction, or the status bits of a reply.
    pub kind: u8,
    /// What follows it.
    pub parameters: &'a [u8],
    /// Bytes up to the end of the frame, with whatever was skipped before it.
    pub end: usize,
}

/// The first complete frame with a right checksum that `wanted` accepts (by id and number of
/// parameters).
///
/// Looking at every offset makes noise, broken frames, frames of others and a wrong length that swallows
/// the next frame harmless.
#[must_use]
pub fn find(bytes: &[u8], wanted: impl Fn(u8, usize) -> bool) -> Option<Found<'_>> {
    (0..bytes.len().saturating_sub(SHORTEST - 1)).find_map(|start| {
        let rest = &bytes[start..];
        let (id, length) = (rest[2], usize::from(rest[3]));
        if rest[..2] != HEADER || id == 0xFF || length < 2 || !wanted(id, length - 2) {
            return None;
        }
        let frame = rest.get(..4 + length)?;
        let (sum, body) = frame.split_last()?;
        (checksum(&body[2..]) == *sum).then_some(Found {
            id,
            kind: body[4],
            parameters: &body[5..],
            end: start + frame.len(),
        })
    })
}

/// All complete frames with a right checksum from servo `id`, in their order.
pub fn answers(bytes: &[u8], id: u8) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let found = find(&bytes[from..], |i, _| i == id)?;
        from += found.end;
        Some(found)
    })
}

/// The answer of servo `id` with `count` parameters in what came in behind the echo.
pub(super) fn reply(bytes: &[u8], id: u8, count: usize) -> Option<Reply> {
    find(bytes, |i, n| i == id && n == count).map(|found| found.into())
}

/// All whole answers of servo `id`.
pub(super) fn replies(bytes: &[u8], id: u8) -> Vec<Reply> {
    answers(bytes, id).map(Reply::from).collect()
}

/// Asks for firmware, family, model and id. Unlike a ping it differs from any answer to it.
pub(super) fn who(id: u8) -> Query {
    query(read(id, 0, WHO), WHO)
}

/// Up to the id.
const WHO: u8 = 6;

/// A question whose answer has so many bytes of data.
pub(super) fn query(bytes: Vec<u8>, count: u8) -> Query {
    Query {
        bytes,
        count: count.into(),
    }
}

/// An order with its acknowledgement. The register of a Feetech servo is one byte.
pub(super) fn write_query(id: u8, order: &Write) -> Query {
    query(write(id, order.register as u8, &order.data), 0)
}

/// What asks for the bytes of an order; a register has fewer than a length byte can tell.
pub(super) fn read_back_query(id: u8, order: &Write) -> Option<Query> {
    let count = u8::try_from(order.data.len()).ok()?;
    Some(query(read(id, order.register as u8, count), count))
}

/// A value as its magnitude and bit `sign`; none if it does not fit below that.
pub(super) fn with_sign(value: i32, sign: u32) -> Option<u16> {
    let magnitude = u16::try_from(value.unsigned_abs()).ok()?;
    let bit = 1u16 << sign;
    (magnitude < bit).then_some(if value < 0 {
        magnitude | bit
    } else {
        magnitude
    })
}

/// Bytes from their usual notation.
#[cfg(test)]
pub(super) fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split(' ').map(|b| u8::from_str_radix(b, 16));
    bytes.collect::<Result<_, _>>().unwrap()
}

impl From<Found<'_>> for Reply {
    fn from(found: Found<'_>) -> Self {
        Self {
            status: found.kind.into(),
            data: found.parameters.to_vec(),
            count: found.parameters.len(),
            bytes: SHORTEST + found.parameters.len(),
        }
    }
}

/// The value of two bytes, low byte first.
#[must_use]
pub const fn word(low: u8, high: u8) -> u16 {
    u16::from_le_bytes([low, high])
}

/// A value whose sign is bit `sign` and whose magnitude is below it.
#[must_use]
pub fn signed(value: u16, sign: u32) -> i32 {
    let magnitude = i32::from(value & ((1 << sign) - 1));
    if value & (1 << sign) == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::super::after_echo;
    use super::super::sts::{register, sync_write};
    use super::*;
    use proptest::prelude::*;

    /// The reply of servo `id` with `count` parameters, where `sent` was the instruction, as the bus finds it.
    fn find_reply<'a>(bytes: &'a [u8], sent: &[u8], id: u8, count: usize) -> Option<Found<'a>> {
        find(after_echo(bytes, sent), |i, n| i == id && n == count)
    }

    /// Frames that were checked against the maker's manual and an independent implementation.
    #[test]
    fn frames_are_exact() {
        for (made, want) in [
            (ping(1), "FF FF 01 02 01 FB"),
            (
                read(1, register::PRESENT_POSITION, 2),
                "FF FF 01 04 02 38 02 BE",
            ),
            (
                write(1, register::GOAL_POSITION, &[0x00, 0x08, 0, 0, 0xE8, 0x03]),
                "FF FF 01 09 03 2A 00 08 00 00 E8 03 D5",
            ),
            (write(1, register::TORQUE, &[0]), "FF FF 01 04 03 28 00 CF"),
            (
                sync_write(register::GOAL_POSITION, &[(1, 2048), (2, 2048)]),
                "FF FF FE 0A 83 2A 02 01 00 08 02 00 08 35",
            ),
            (
                sync_read(register::PRESENT_POSITION, 8, &[1, 2]),
                "FF FF FE 06 82 38 08 01 02 36",
            ),
        ] {
            assert_eq!(made, hex(want));
        }
    }

    #[test]
    fn a_reply_is_taken_apart() {
        // Position 0x0518 of servo 1, status 0.
        let bytes = hex("FF FF 01 04 00 18 05 DD");
        let found = find_reply(&bytes, &read(1, 56, 2), 1, 2).unwrap();
        assert_eq!(
            (found.kind, found.parameters, found.end),
            (0, &[0x18, 0x05][..], 8)
        );
        assert_eq!(word(0x18, 0x05), 1304);
    }

    #[test]
    fn wrong_id_checksum_length_or_half_a_frame_is_no_reply() {
        let sent = read(1, 56, 2);
        for bytes in [
            "FF FF 02 04 00 18 05 DC",
            "FF FF 01 04 00 18 05 DE",
            "FF FF 01 03 00 18 E3",
            "FF FF 01 04 00 18 05",
            "FF FF 01 01 FD",
            "00 01 02",
        ] {
            assert_eq!(find_reply(&hex(bytes), &sent, 1, 2), None, "{bytes}");
        }
    }

    #[test]
    fn resynchronises_behind_noise_foreign_frames_and_false_starts() {
        let sent = read(1, 56, 2);
        for before in [
            "00 FF 13",
            "FF",
            "FF FF",
            "FF FF 01 F0",
            "FF FF 02 02 00 FB",
            "FF FF 01 04",
        ] {
            let mut bytes = hex(before);
            bytes.extend(hex("FF FF 01 04 00 18 05 DD"));
            let found = find_reply(&bytes, &sent, 1, 2).unwrap();
            assert_eq!(found.parameters, [0x18, 0x05], "{before}");
        }
    }

    #[test]
    fn the_echo_of_the_instruction_is_no_reply() {
        // It has the form of a reply: status 2, two bytes.
        let sent = read(1, 56, 2);
        assert_eq!(find_reply(&sent, &sent, 1, 2), None);
        let mut both = sent.clone();
        both.extend(hex("FF FF 01 04 00 18 05 DD"));
        assert_eq!(
            find_reply(&both, &sent, 1, 2).unwrap().parameters,
            [0x18, 0x05]
        );
    }

    #[test]
    fn every_answer_of_a_servo_is_found_and_no_echo() {
        let sent = read(1, 56, 2);
        let mut bytes = sent.clone();
        bytes.extend(hex("FF FF 01 04 00 18 05 DD 00 FF FF 01 04 00 18 05 DD"));
        bytes.extend(hex("FF FF 02 04 00 18 05 DC FF FF 01 02 20 DC FF FF 01"));
        let rest = after_echo(&bytes, &sent);
        let kinds: Vec<(u8, usize)> = answers(rest, 1)
            .map(|found| (found.kind, found.parameters.len()))
            .collect();
        assert_eq!(kinds, [(0, 2), (0, 2), (0x20, 0)]);
        assert_eq!(answers(rest, 3).count(), 0);
    }

    #[test]
    fn signs_stand_in_their_own_bit() {
        assert_eq!(signed(800, 10), 800);
        assert_eq!(signed(1024 + 800, 10), -800);
        assert_eq!(signed(0x8000 | 5, 15), -5);
    }

    proptest! {
        #[test]
        fn any_frame_is_found_behind_any_noise(
            noise in prop::collection::vec(0u8..0xFF, 0..40),
            id in 0u8..=0xFD,
            status: u8,
            data in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let mut bytes = noise;
            bytes.extend(frame(id, status, &data));
            let found = find_reply(&bytes, &[], id, data.len()).unwrap();
            prop_assert_eq!(found.kind, status);
            prop_assert_eq!(found.parameters, &data[..]);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), id: u8, count in 0usize..20) {
            if let Some(found) = find_reply(&bytes, &ping(id), id, count) {
                prop_assert!(found.end <= bytes.len() && found.parameters.len() == count);
            }
        }
    }
}
