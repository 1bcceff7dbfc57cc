//! A stream of JPEG pictures one after the other, without a container, taken apart.

use memchr::memmem;

use crate::base::clock::Monotime;
use crate::follow::camera::jpeg::walk::{Walk, Walked};
use crate::follow::camera::jpeg::{BEGINNING, MAX_PICTURE};
use crate::follow::camera::received::{Arrived, Received};

/// Incremental parser of the stream. Garbage between pictures is skipped; a picture
/// that is cut short costs itself, and one that is cut in its head what a length there leads over. Never holds more than
/// [`MAX_PICTURE`] and what was pushed last.
#[derive(Debug, Default)]
pub struct Splitter {
    received: Received,
    /// The way through the picture that `received` begins with; none while none has begun.
    walk: Option<Walk>,
    damaged: u64,
}

impl Splitter {
    /// Takes in what was received at `now`.
    pub fn push(&mut self, data: &[u8], now: Monotime) {
        self.received.push(data, now);
    }

    /// Pictures that had begun and were damaged or cut short, so far.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The next picture that has arrived completely.
    pub fn next_picture(&mut self) -> Option<Arrived> {
        loop {
            let Some(walk) = &mut self.walk else {
                self.find_beginning()?;
                continue;
            };
            match walk.step(&self.received) {
                Walked::Unfinished => {
                    if self.received.len() > MAX_PICTURE {
                        self.give_up(self.received.len());
                    }
                    return None;
                }
                Walked::Whole(end) => {
                    self.walk = None;
                    return Some(self.received.take(end));
                }
                Walked::Next(at) => self.give_up(at),
                Walked::Damaged(at) if walk.scans() > 0 => self.give_up(at),
                // An invalid segment length: the next picture may begin within it.
                Walked::Damaged(_) => self.give_up(BEGINNING.len() - 1),
            }
        }
    }

    /// Drops what is no beginning of a picture. None if there is none yet.
    fn find_beginning(&mut self) -> Option<()> {
        match memmem::find(&self.received, &BEGINNING) {
            Some(at) => {
                self.received.drop_front(at);
                self.walk = Some(Walk::new());
                Some(())
            }
            None => {
                // The last two bytes may be the first two of a beginning.
                let kept = BEGINNING.len() - 1;
                self.received
                    .drop_front(self.received.len().saturating_sub(kept));
                None
            }
        }
    }

    /// The picture at the front is damaged; the next one is searched from `from` on.
    fn give_up(&mut self, from: usize) {
        self.damaged += 1;
        self.received.drop_front(from);
        self.walk = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::follow::camera::jpeg::{SOS, header};

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    /// A picture with everything that could be taken for an end: a thumbnail, stuffed bytes, restarts,
    /// fill bytes, a second scan.
    fn picture(width: u16) -> Vec<u8> {
        let thumbnail = header(8, 8);
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE1];
        jpeg.extend(u16::try_from(thumbnail.len() + 2).unwrap().to_be_bytes());
        jpeg.extend(&thumbnail);
        let whole = header(width, 4);
        jpeg.extend(&whole[2..whole.len() - 2]);
        let scan = [
            0xFF, 0xDA, 0, 4, 0xD9, 0xFF, 1, 0xFF, 0, 0xFF, 0xD3, 7, 0xFF, 0xFF, 0, 9,
        ];
        jpeg.extend(scan);
        jpeg.extend([0xFF, 0xC4, 0, 3, 5]);
        jpeg.extend(scan);
        jpeg.extend([0xFF, 0xFF, 0xD9]);
        jpeg
    }

    /// Bytes before the first scan.
    fn head_of(jpeg: &[u8]) -> usize {
        memmem::find(jpeg, &[0xFF, SOS]).unwrap()
    }

    fn split(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, u64) {
        let mut splitter = Splitter::default();
        let mut pictures = Vec::new();
        for piece in stream.chunks(piece) {
            splitter.push(piece, at(0));
            while let Some(picture) = splitter.next_picture() {
                pictures.push(picture.jpeg);
            }
        }
        (pictures, splitter.damaged())
    }

    #[test]
    fn pictures_come_out_whole_whatever_the_pieces() {
        let pictures = [picture(640), picture(3), picture(641)];
        let stream = pictures.concat();
        for piece in 1..=stream.len() {
            assert_eq!(split(&stream, piece), (pictures.to_vec(), 0), "{piece}");
        }
    }

    #[test]
    fn garbage_between_pictures_is_passed_over() {
        let garbage = b"Preview window unavailable\n\xFF\xD8\xFF\xD9\xFF\x00\xFF".to_vec();
        let stream = [
            garbage.clone(),
            picture(1),
            garbage.clone(),
            picture(2),
            garbage,
        ]
        .concat();
        for piece in [1, 2, 3, 7, 1000] {
            let (pictures, _) = split(&stream, piece);
            assert_eq!(pictures, [picture(1), picture(2)], "{piece}");
        }
    }

    #[test]
    fn a_picture_cut_short_in_its_data_costs_itself_alone() {
        let whole = picture(640);
        // The scan's marker, length and body; ten bytes of data follow.
        let data = head_of(&whole) + 6;
        for cut in data..=data + 10 {
            let stream = [&whole[..cut], &picture(1), &picture(2)].concat();
            assert_eq!(
                split(&stream, 5),
                (vec![picture(1), picture(2)], 1),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_picture_cut_short_in_its_head_costs_what_a_length_covers_at_most() {
        let (whole, one, count) = (picture(640), picture(9), 1000);
        for cut in 0..head_of(&whole) {
            let stream = [&whole[..cut], &one.repeat(count)].concat();
            let found = split(&stream, 997).0.iter().filter(|p| **p == one).count();
            assert!((count - found) * one.len() < 70_000, "{cut}: {found}");
        }
    }

    #[test]
    fn the_time_of_a_picture_is_that_of_its_first_byte() {
        let mut splitter = Splitter::default();
        let (one, two) = (picture(1), picture(2));
        splitter.push(&one[..10], at(1));
        assert_eq!(splitter.next_picture(), None);
        splitter.push(&[&one[10..], &two[..1]].concat(), at(2));
        assert_eq!(splitter.next_picture().unwrap().begun, at(1));
        assert_eq!(splitter.next_picture(), None);
        splitter.push(&two[1..], at(3));
        assert_eq!(splitter.next_picture().unwrap().begun, at(2));
        splitter.push(b"garbage", at(4));
        assert_eq!(splitter.next_picture(), None);
        splitter.push(&one, at(5));
        assert_eq!(splitter.next_picture().unwrap().begun, at(5));
    }

    #[test]
    fn memory_is_bounded() {
        let endless_scan = [&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2][..], &[1; 1000]].concat();
        let endless_head = [&[0xFF, 0xD8][..], &[0xFF, 0xE0, 0xFF, 0xFF].repeat(250)].concat();
        let block = 64 << 10;
        for start in [endless_scan, endless_head, vec![0; 10], vec![0xFF; 10]] {
            let mut splitter = Splitter::default();
            splitter.push(&start, at(0));
            for _ in 0..3 * MAX_PICTURE / block {
                splitter.push(&vec![1; block], at(0));
                assert_eq!(splitter.next_picture(), None);
                assert!(splitter.received.len() <= MAX_PICTURE + block);
            }
        }
    }

    proptest! {
        // Each case is a stream of 100 kB.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn after_any_bytes_a_picture_is_found_again(
            garbage in proptest::collection::vec(prop_oneof![Just(0xFF), Just(0xD8), any::<u8>()], 0..300),
            piece in 1usize..50,
        ) {
            let (one, count) = (picture(9), 1000);
            let (pictures, _) = split(&[garbage, one.repeat(count)].concat(), piece * 37);
            let found = pictures.iter().filter(|p| **p == one).count();
            // What the garbage says may be the length of a segment, at most 64 KiB.
            prop_assert!((count - found) * one.len() < 70_000, "{found}");
        }
    }
}
