//! Which of the bytes that a camera sends are the picture, and whether its end is there.

use memchr::memmem::find;

use super::walk::{Walk, Walked};
use super::{BEGINNING, EOI};

/// The end marker.
const END: [u8; 2] = [0xFF, EOI];

/// A picture among other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub start: usize,
    /// Where it ends, as far as it can be decoded.
    pub end: usize,
    /// Whether its end marker is there. Decoders wait for more than is there where it is not.
    pub ended: bool,
    /// Passes over the picture that decoding takes: 1, or some ten where it is progressive.
    pub scans: u32,
}

/// Finds the picture. None where no picture data are there.
#[must_use]
pub fn extent(data: &[u8]) -> Option<Extent> {
    let start = find(data, &BEGINNING)?;
    let data = &data[start..];
    let mut walk = Walk::new();
    let (end, ended) = match walk.step_over(data) {
        Walked::Whole(end) => (end, true),
        Walked::Next(at) if walk.scans() > 0 => (at, false),
        Walked::Next(_) | Walked::Damaged(_) => return None,
        Walked::Unfinished => (walk.usable(data)?, false),
    };
    Some(Extent {
        start,
        end: start + end,
        ended,
        scans: walk.scans(),
    })
}

/// Brings a picture into the form that every decoder takes. Some cameras send bytes before it (a line end, a header of their
/// own) and behind it (up to a full buffer), some leave out its end marker (OpenCV 4.10 then does not decode the last rows),
/// and of one that is cut short as much can be seen as is there. What has no picture data is left as it is.
pub fn mend(data: &mut Vec<u8>) {
    let Some(extent) = extent(data) else {
        return;
    };
    data.truncate(extent.end);
    if !extent.ended {
        data.extend_from_slice(&END);
    }
    if extent.start > 0 {
        data.drain(..extent.start);
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

    fn mended(data: &[u8]) -> Vec<u8> {
        let mut data = data.to_vec();
        mend(&mut data);
        data
    }

    #[test]
    fn what_stands_before_and_behind_is_left_out() {
        let whole = picture();
        for before in [&b""[..], b"\r\n", b"\xFF\xD8\r\n\xFF"] {
            for behind in [&b""[..], b"\r\n", &[0; 100], b"\xFF\xD8\xFF\xD9"] {
                let data = [before, &whole, behind].concat();
                let got = extent(&data).unwrap();
                assert_eq!((got.start, got.scans), (before.len(), 2));
                assert!(got.ended);
                assert_eq!(mended(&data), whole);
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
            let want = match end {
                _ if end < scan => None,
                // The last byte may be half a marker.
                _ if end <= table => Some(end - usize::from(whole[end - 1] == 0xFF)),
                // A table, or the head of a scan, that is not complete.
                _ if end < second => Some(table),
                _ if end < second + 6 => Some(second),
                _ => Some(end - usize::from(whole[end - 1] == 0xFF)),
            };
            assert_eq!(extent(&whole[..end]).map(|e| e.end), want, "{end}");
            let mended = mended(&whole[..end]);
            match want {
                Some(want) => assert_eq!(mended, [&whole[..want], &END].concat()),
                None => assert_eq!(mended, whole[..end]),
            }
        }
    }

    #[test]
    fn a_picture_that_the_next_one_follows_too_early_is_cut() {
        let whole = picture();
        let cut = whole.len() - 4;
        let data = [&whole[..cut], &whole].concat();
        assert_eq!(mended(&data), [&whole[..cut], &END].concat());
    }

    #[test]
    fn damage_in_the_data_does_not_end_it() {
        let mut damaged = picture();
        let at = find(&damaged, &[0xFF, 0, 0xFF, 0xD3]).unwrap();
        // A marker that nobody writes, and one of an application with a long body.
        for code in [0x17, 0xE5] {
            damaged[at + 1] = code;
            assert_eq!(mended(&damaged), damaged);
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
                let Some(extent) = extent(data) else {
                    prop_assert_eq!(&mended(data), data);
                    continue;
                };
                prop_assert!(extent.start < extent.end && extent.end <= data.len() && extent.scans > 0);
                let mut once = data.clone();
                mend(&mut once);
                prop_assert!(once.starts_with(&BEGINNING) && once.ends_with(&END));
                prop_assert!(once.len() <= data.len() + 2);
                prop_assert_eq!(&mended(&once), &once, "once is enough");
            }
        }
    }
}
