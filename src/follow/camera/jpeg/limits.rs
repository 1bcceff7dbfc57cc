//! What a picture may cost, read from its markers before anything is decoded. A camera on the network, or whoever stands in
//! for it, sends what he likes: 1.5 MB of scans without data keep a decoder busy for many seconds, and some hundred KB that
//! have to be kept whole until the last scan take hundreds of MB of memory.

use std::fmt;

use memchr::memmem::find_iter;

use super::extent::{Extent, extent};
use super::{Head, SOS, head};
use crate::config::MAX_PIXELS;
use crate::say;

/// Most pixels, components and scans of one that has to be kept whole until its last scan: progressive, or one component
/// after the other. Full HD fits; programs write some ten scans.
const MAX_KEPT: u64 = 2 << 20;
const MAX_KEPT_COMPONENTS: u8 = 3;
const MAX_SCANS: u32 = 20;
/// A decoder may take for a scan what our way through the markers does not, such as one inside of a damaged segment. So many
/// more places may look like one: those of a thumbnail, and what is one by chance.
const LOOKALIKES: usize = 30;
/// What decoders can do: 8 bits, one component, three, or four for print.
const BITS: u8 = 8;
const COMPONENTS: [u8; 3] = [1, 3, 4];

/// Why a picture is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no JPEG, or its header cannot be read.
    NoHeader,
    /// It is coded as no camera codes: lossless, arithmetic or hierarchical. The code of its frame header.
    Coding(u8),
    /// So many bits a sample, so many components.
    Samples(u8, u8),
    /// It has too many pixels.
    Pixels(u32, u32),
    /// It has to be kept whole in memory and is too large for that.
    Kept(u32, u32),
    /// It has too many scans.
    Scans,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::NoHeader => say!(
                "the picture is not a JPEG, or its header is damaged",
                "画像が JPEG ではないか、ヘッダーが壊れています"
            ),
            Self::Coding(code) => say!(
                "a picture of a coding that no camera uses (FF{code:02X}: lossless, arithmetic or hierarchical) is not decoded",
                "カメラが使用しない符号化方式の画像は復号しません (FF{code:02X})"
            ),
            Self::Samples(bits, components) => say!(
                "a picture with {components} components of {bits} bits is not decoded",
                "{bits} ビット {components} 成分の画像は復号しません"
            ),
            Self::Pixels(width, height) => say!(
                "a picture of {width} x {height} pixels is not decoded: at most 9 million pixels are",
                "{width} x {height} 画素の画像は復号しません（上限は900万画素）"
            ),
            Self::Kept(width, height) => say!(
                "a progressive picture of {width} x {height} pixels is not decoded, it would take too much memory: set the \
                 camera to ordinary (baseline) JPEG or to at most 1920 x 1080",
                "{width} x {height} 画素のプログレッシブ画像はメモリを使いすぎるため復号しません。カメラを通常の（ベースライン）\
                 JPEG か 1920 x 1080 以下に設定してください"
            ),
            Self::Scans => say!(
                "a picture with more than {MAX_SCANS} scans is not decoded, it would take too long",
                "{MAX_SCANS} 回を超えるスキャンを含む画像は時間がかかりすぎるため復号しません"
            ),
        })
    }
}

impl std::error::Error for Refusal {}

/// The header of a picture that may be decoded.
///
/// # Errors
/// Why it may not.
pub fn affordable(data: &[u8]) -> Result<Head, Refusal> {
    let Extent {
        start, end, scans, ..
    } = extent(data).ok_or(Refusal::NoHeader)?;
    let data = &data[start..end];
    let head = head(data).ok_or(Refusal::NoHeader)?;
    let (width, height) = head.size;
    let pixels = u64::from(width) * u64::from(height);
    if !matches!(head.code, 0xC0..=0xC2) {
        return Err(Refusal::Coding(head.code));
    }
    if head.bits != BITS || !COMPONENTS.contains(&head.components) {
        return Err(Refusal::Samples(head.bits, head.components));
    }
    if pixels > MAX_PIXELS {
        return Err(Refusal::Pixels(width, height));
    }
    // The first scan tells a decoder whether there will be more.
    let kept = head.is_progressive() || first_scan(data) < Some(head.components);
    if kept && (pixels > MAX_KEPT || head.components > MAX_KEPT_COMPONENTS) {
        return Err(Refusal::Kept(width, height));
    }
    let lookalikes = || find_iter(data, &[0xFF, SOS]).take(LOOKALIKES + 1).count();
    if scans > MAX_SCANS || kept && lookalikes() > LOOKALIKES {
        return Err(Refusal::Scans);
    }
    Ok(head)
}

/// The number of components in the first scan.
fn first_scan(data: &[u8]) -> Option<u8> {
    let mut at = super::SOI.len();
    loop {
        match super::marker(data, at)? {
            super::Place::Segment(SOS, body) => return data.get(body.start).copied(),
            super::Place::Segment(_, body) => at = body.end,
            super::Place::Alone(_, next) => at = next,
            super::Place::Damaged => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    /// A picture with this frame header, and a scan of so many components as often.
    fn picture(size: (u16, u16), code: u8, samples: (u8, u8), scan: (u8, usize)) -> Vec<u8> {
        let mut jpeg = header(size.0, size.1);
        // From the frame header on.
        jpeg.truncate(8);
        let (bits, components) = samples;
        jpeg.extend([0xFF, code, 0, 8 + 3 * components, bits]);
        jpeg.extend(size.1.to_be_bytes());
        jpeg.extend(size.0.to_be_bytes());
        jpeg.push(components);
        jpeg.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
        let (of, times) = scan;
        for _ in 0..times {
            jpeg.extend([0xFF, SOS, 0, 6 + 2 * of, of]);
            jpeg.extend((1..=of).flat_map(|id| [id, 0]));
            jpeg.extend([0, 63, 0, 1]);
        }
        jpeg.extend([0xFF, super::super::EOI]);
        jpeg
    }

    #[test]
    fn what_cameras_send_is_taken_and_what_would_cost_too_much_is_not() {
        use Refusal::{Coding, Kept, Pixels, Samples, Scans};
        let (baseline, progressive) = (0xC0, 0xC2);
        for (size, code, samples, scan, want) in [
            ((640, 480), baseline, (8, 3), (3, 1), None),
            ((640, 480), baseline, (8, 1), (1, 1), None),
            ((640, 480), baseline, (8, 4), (4, 1), None),
            ((3840, 2160), baseline, (8, 3), (3, 1), None),
            ((1920, 1080), progressive, (8, 3), (3, 10), None),
            ((640, 480), progressive, (8, 3), (3, 20), None),
            ((1920, 1080), baseline, (8, 3), (1, 3), None),
            ((640, 480), 0xC1, (8, 3), (3, 1), None),
            ((640, 480), progressive, (8, 3), (3, 21), Some(Scans)),
            ((8, 8), progressive, (8, 3), (3, 50_000), Some(Scans)),
            (
                (3840, 2160),
                progressive,
                (8, 3),
                (3, 10),
                Some(Kept(3840, 2160)),
            ),
            (
                (640, 480),
                progressive,
                (8, 4),
                (4, 10),
                Some(Kept(640, 480)),
            ),
            (
                (3840, 2160),
                baseline,
                (8, 3),
                (1, 3),
                Some(Kept(3840, 2160)),
            ),
            (
                (8000, 6000),
                baseline,
                (8, 3),
                (3, 1),
                Some(Pixels(8000, 6000)),
            ),
            (
                (65535, 65535),
                baseline,
                (8, 1),
                (1, 1),
                Some(Pixels(65535, 65535)),
            ),
            ((640, 480), 0xC1, (12, 3), (3, 1), Some(Samples(12, 3))),
            ((640, 480), baseline, (8, 2), (2, 1), Some(Samples(8, 2))),
            ((640, 480), 0xC3, (8, 3), (3, 1), Some(Coding(0xC3))),
            ((640, 480), 0xC9, (8, 3), (3, 1), Some(Coding(0xC9))),
            ((640, 480), 0xCA, (8, 3), (3, 1), Some(Coding(0xCA))),
        ] {
            let got = affordable(&picture(size, code, samples, scan)).err();
            assert_eq!(got, want, "{size:?} {code:X} {samples:?} {scan:?}");
        }
    }

    #[test]
    fn scans_behind_a_segment_that_misleads_are_counted_too() {
        // Between two scans nobody writes FFE0. A decoder passes over it; inside of it lies the head of a long comment that only
        // somebody sees who looks there, and behind it scan after scan.
        let mut data = picture((64, 64), 0xC2, (8, 3), (3, 1));
        data.truncate(data.len() - 2);
        data.extend([0xFF, 0xE0, 0, 6, 0xFF, 0xFE, 0x20, 0]);
        let scan = &picture((64, 64), 0xC2, (8, 3), (3, 1))[27..];
        data.extend(scan[..scan.len() - 2].repeat(1000));
        assert_eq!(affordable(&data), Err(Refusal::Scans));
    }

    #[test]
    fn a_header_that_only_a_decoder_finds_is_no_way_round() {
        // Decoders pass over bytes between two segments.
        let mut data = picture((8000, 6000), 0xC0, (8, 3), (3, 1));
        data.splice(8..8, [0, 0, 0]);
        assert_eq!(affordable(&data), Err(Refusal::NoHeader));
    }
}
