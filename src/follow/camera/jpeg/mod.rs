//! JPEG without decoding: markers, size, where a picture begins and ends.

pub mod extent;
pub mod limits;
#[cfg(test)]
mod odd_tests;
pub mod walk;

use std::ops::Range;

/// Largest picture of a stream that is taken, in bytes.
pub const MAX_PICTURE: usize = 8 << 20;

/// How every JPEG begins.
const SOI: [u8; 2] = [0xFF, 0xD8];
/// How a picture begins among other bytes. After SOI comes another marker, which tells a beginning from two bytes of
/// garbage in 255 of 256 cases.
pub const BEGINNING: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// Whether the bytes begin as a JPEG does.
#[must_use]
pub fn begins(data: &[u8]) -> bool {
    data.starts_with(&SOI)
}

/// What stands where a JPEG has to have a marker (ITU-T T.81 B.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A marker without a body (SOI, EOI, RSTn, TEM), and where the next thing begins.
    Alone(u8, usize),
    /// A marker with a body and where that lies, without its two bytes of length. The body may reach
    /// beyond what has arrived.
    Segment(u8, Range<usize>),
    /// No marker: the picture is damaged.
    Damaged,
}

/// End of image.
pub const EOI: u8 = 0xD9;
/// Start of image.
pub const SOI_CODE: u8 = 0xD8;
/// Start of scan: what follows its body are the picture's data.
pub const SOS: u8 = 0xDA;

/// Reads the marker at `at`. None while too little has arrived to tell.
#[must_use]
pub fn marker(data: &[u8], at: usize) -> Option<Place> {
    if *data.get(at)? != 0xFF {
        return Some(Place::Damaged);
    }
    // A marker is one or more FF and a code that is neither 00 nor FF (B.1.1.2).
    let fill = data[at..].iter().take_while(|b| **b == 0xFF).count();
    let code = *data.get(at + fill)?;
    let after = at + fill + 1;
    Some(match code {
        // 02 to BF are reserved, and nobody writes them.
        0x00 | 0x02..=0xBF => Place::Damaged,
        0x01 | 0xD0..=0xD9 => Place::Alone(code, after),
        _ => {
            let length = data.get(after..after + 2)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length < 2 {
                return Some(Place::Damaged);
            }
            Place::Segment(code, after + 2..after + length)
        }
    })
}

/// What the frame header (SOF, ITU-T T.81 B.2.2) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The code of the header's marker: how the picture is coded.
    pub code: u8,
    /// Bits of a sample.
    pub bits: u8,
    /// Components: 1 for grey, 3 for colour.
    pub components: u8,
}

impl Head {
    /// Whether the picture comes in several passes, so that all of it has to be kept until the last one.
    #[must_use]
    pub const fn is_progressive(&self) -> bool {
        self.code % 4 == 2
    }
}

/// Width and height in pixels. None if there is no readable header before the picture data; a size of zero counts as none.
#[must_use]
pub fn size(data: &[u8]) -> Option<(u32, u32)> {
    head(data).map(|head| head.size)
}

/// The frame header. None if there is no readable one before the picture data; a size of zero counts as none.
#[must_use]
pub fn head(data: &[u8]) -> Option<Head> {
    if !begins(data) {
        return None;
    }
    let mut at = SOI.len();
    loop {
        match marker(data, at)? {
            // SOF0 to SOF15, without DHT (C4), JPG (C8) and DAC (CC).
            Place::Segment(
                code @ (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF),
                body,
            ) => {
                // Precision (1), height (2), width (2), components (1).
                let header = data.get(body)?.get(..6)?;
                let height = u32::from(u16::from_be_bytes([header[1], header[2]]));
                let width = u32::from(u16::from_be_bytes([header[3], header[4]]));
                return (width > 0 && height > 0).then_some(Head {
                    size: (width, height),
                    code,
                    bits: header[0],
                    components: header[5],
                });
            }
            // The scan begins, or the image is over: no frame header came before it.
            Place::Segment(SOS, _) | Place::Alone(SOI_CODE | EOI, _) | Place::Damaged => {
                return None;
            }
            Place::Segment(_, body) => at = body.end,
            Place::Alone(_, next) => at = next,
        }
    }
}

/// The shortest thing that [`size`] can measure, for tests of what carries pictures.
#[cfg(test)]
pub(crate) fn header(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 11, 8];
    jpeg.extend(height.to_be_bytes());
    jpeg.extend(width.to_be_bytes());
    jpeg.extend([1, 1, 0x11, 0, 0xFF, 0xD9]);
    jpeg
}

/// The shortest whole picture, with one byte of data.
#[cfg(test)]
pub(crate) fn small(data: u8) -> Vec<u8> {
    let head = header(64, 48);
    let scan = [0xFF, SOS, 0, 2, data, 0xFF, EOI];
    [&head[..head.len() - 2], &scan].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_size_stands_in_the_frame_header() {
        assert_eq!(size(&header(640, 480)), Some((640, 480)));
        assert_eq!(size(&header(0, 480)), None);
    }

    #[test]
    fn fill_bytes_and_restart_markers_are_passed_over() {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xFF, 0xFF, 0xD0];
        jpeg.extend(&header(17, 5)[2..]);
        assert_eq!(size(&jpeg), Some((17, 5)));
    }

    #[test]
    fn a_huffman_table_is_no_frame_header() {
        let jpeg = [
            0xFF, 0xD8, 0xFF, 0xC4, 0, 9, 8, 1, 1, 1, 1, 1, 1, 0xFF, 0xDA,
        ];
        assert_eq!(size(&jpeg), None);
    }

    #[test]
    fn cut_short_anywhere_it_has_no_size_or_the_right_one() {
        let jpeg = header(640, 480);
        for end in 0..jpeg.len() {
            let got = size(&jpeg[..end]);
            assert!(got.is_none() || got == Some((640, 480)), "{end}: {got:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut jpeg = SOI.to_vec();
            jpeg.extend(&data);
            prop_assert!(size(&jpeg).is_none_or(|(w, h)| w > 0 && h > 0));
            let _ = size(&data);
        }
    }
}
