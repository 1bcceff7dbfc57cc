//! Which of the bytes that a camera sends are the picture, and whether its end is there.

use memchr::memmem::find;

use super::walk::{Walk, Walked};
use super::{BEGINNING, EOI};

/// The end marker.
const END: [u8; 2] = [0xFF, EOI];

/// A picture among other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent<'a> {
    /// The picture, as far as it can be decoded.
    pub jpeg: &'a [u8],
    /// Whether its end marker is there. Decoders wait for more than is there where it is not.
    pub ended: bool,
    /// Passes over the picture that decoding takes: 1, or some ten where it is progressive.
    pub scans: u32,
}

/// Finds the picture. Some cameras send bytes before it (a line end, a header of their own) and behind it (up to a full
/// buffer), some leave out its end marker, and one that is cut short is as good as it goes. None where no picture data
/// are there.
#[must_use]
pub fn extent(data: &[u8]) -> Option<Extent<'_>> {
    let data = &data[find(data, &BEGINNING)?..];
    let mut walk = Walk::new();
    let (end, ended) = match walk.step_over(data) {
        Walked::Whole(end) => (end, true),
        Walked::Next(at) if walk.scans() > 0 => (at, false),
        Walked::Next(_) | Walked::Damaged(_) => return None,
        Walked::Unfinished => (walk.usable(data)?, false),
    };
    Some(Extent {
        jpeg: &data[..end],
        ended,
        scans: walk.scans(),
    })
}

impl<'a> Extent<'a> {
    /// The bytes for a decoder; `buffer` holds them where the end marker has to be added.
    pub fn complete<'b>(&self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if self.ended {
            return self.jpeg;
        }
        buffer.clear();
        buffer.extend_from_slice(self.jpeg);
        buffer.extend_from_slice(&END);
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture with everything that could be taken for an end, and two scans.
    fn picture() -> Vec<u8> {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        jpeg.extend([0xFF, 0xC2, 0, 11, 8, 0, 4, 0, 9, 1, 1, 0x11, 0]);
        jpeg.extend([0xFF, 0xDA, 0, 4, 0xD9, 8, 1, 0xFF, 0, 0xFF, 0xD3, 7]);
        jpeg.extend([0xFF, 0xC4, 0, 4, 0xFF, 0xD9]);
        jpeg.extend([0xFF, 0xDA, 0, 4, 5, 6, 1, 2, 3, 0xFF, 0xD9]);
        jpeg
    }

    #[test]
    fn what_stands_before_and_behind_is_left_out() {
        let whole = Extent {
            jpeg: &picture(),
            ended: true,
            scans: 2,
        };
        for before in [&b""[..], b"\r\n", b"\xFF\xD8\r\n\xFF"] {
            for behind in [&b""[..], b"\r\n", &[0; 100], b"\xFF\xD8\xFF\xD9"] {
                let data = [before, whole.jpeg, behind].concat();
                assert_eq!(extent(&data), Some(whole));
                assert_eq!(extent(&data).unwrap().complete(&mut Vec::new()), whole.jpeg);
            }
        }
    }

    #[test]
    fn cut_short_anywhere_it_ends_where_decoders_can_follow() {
        let whole = picture();
        let scan = find(&whole, &[0xFF, 0xDA]).unwrap() + 6;
        let table = find(&whole, &[0xFF, 0xC4]).unwrap();
        let second = table + 6;
        for end in 0..whole.len() {
            let got = extent(&whole[..end]);
            let want = match end {
                _ if end < scan => None,
                // The last byte may be half a marker.
                _ if end <= table => Some(end - usize::from(whole[end - 1] == 0xFF)),
                // A table, or the head of a scan, that is not complete.
                _ if end < second => Some(table),
                _ if end < second + 6 => Some(second),
                _ => Some(end - usize::from(whole[end - 1] == 0xFF)),
            };
            assert_eq!(got.map(|e| e.jpeg.len()), want, "{end}");
            if let Some(got) = got {
                assert!(!got.ended);
                let mut buffer = vec![1; 500];
                let complete = got.complete(&mut buffer);
                assert_eq!(complete, [got.jpeg, &[0xFF, 0xD9]].concat());
            }
        }
    }

    #[test]
    fn a_picture_that_the_next_one_follows_too_early_is_cut() {
        let whole = picture();
        let cut = whole.len() - 4;
        let data = [&whole[..cut], &whole].concat();
        let got = extent(&data).unwrap();
        assert_eq!((got.jpeg, got.ended), (&whole[..cut], false));
    }

    #[test]
    fn damage_in_the_data_does_not_end_it() {
        let mut damaged = picture();
        let at = find(&damaged, &[0xFF, 0, 0xFF, 0xD3]).unwrap();
        // A marker that nobody writes, and one of an application with a long body.
        for code in [0x17, 0xE5] {
            damaged[at + 1] = code;
            assert_eq!(extent(&damaged).unwrap().jpeg.len(), damaged.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            data in proptest::collection::vec(prop_oneof![Just(0xFF), Just(0xD8), Just(0xDA), any::<u8>()], 0..300),
        ) {
            let mut all = picture();
            all.truncate(data.len() % picture().len());
            all.extend(&data);
            for data in [&data, &all] {
                if let Some(extent) = extent(data) {
                    prop_assert!(extent.jpeg.len() <= data.len() && extent.scans > 0);
                    prop_assert!(extent.complete(&mut Vec::new()).ends_with(&END));
                }
            }
        }
    }
}
