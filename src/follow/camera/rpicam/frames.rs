//! A stream of raw pictures one after the other, with nothing between them.
//!
//! Nothing in it tells where a picture begins, and how its rows are filled up differs between boards and versions. Time
//! tells both: a program writes a picture at once and then waits for the next one, so what comes between two pauses is
//! a picture. Without that a single byte too many would shift all pictures for ever.

use anyhow::{Result, bail};

use super::announced::Announced;
use crate::base::clock::Monotime;
use crate::follow::camera::raw::{Layout, Packing, Range, Raw};
use crate::say;

/// Largest picture, in bytes; four times the largest that is asked for.
const MOST: u64 = 2 << 20;
/// Rows are filled up to multiples of these, the likeliest first: the image processors of the Raspberry Pi write 64
/// bytes at a time, some versions of the program take the rest out again.
const MULTIPLES: [u32; 6] = [64, 1, 32, 16, 128, 256];
/// Buffers are whole pages.
const PAGE: u64 = 4096;
/// Most pictures that come without a pause between them.
const TOGETHER: u64 = 4;
/// After so many pieces of one length that can be no picture, no more is waited for.
const ALIKE: u32 = 4;
/// So many pauses in a row at one place within pictures are their ends.
const AGAIN: u32 = 3;
/// So many pauses in a row within pictures are no accident any more.
const STRAYS: u32 = 60;
/// One read while it is not known what a picture is.
const BLOCK: usize = 64 << 10;

/// The pictures that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// So many times smaller each side is than that of the full picture.
    pub shrunk: u32,
    /// What the bytes mean.
    pub range: Range,
}

/// A raw picture, and when its first byte came.
#[derive(Debug, PartialEq, Eq)]
pub struct Complete {
    /// The picture.
    pub raw: Raw,
    /// When its first byte came.
    pub begun: Monotime,
}

/// Takes the stream apart. Bytes go into [`room`](Self::room), which is where they stay: a picture is not copied.
#[derive(Debug)]
pub struct Frames {
    shape: Shape,
    stage: Stage,
    buffer: Vec<u8>,
    /// Bytes of the picture that has begun.
    filled: usize,
    begun: Monotime,
    /// Whether bytes have come since the last pause.
    busy: bool,
    damaged: u64,
}

/// What is known of the pictures.
#[derive(Debug)]
enum Stage {
    /// Nothing but what was asked for.
    Guess {
        /// Bytes since the last pause.
        count: u64,
        /// What came between the last two pauses, and how often in a row.
        last: (u64, u32),
    },
    /// All.
    Known {
        layout: Layout,
        /// Where in a picture the last pause was, and how many in a row were there; none at its end.
        stray: (usize, u32),
        /// Pauses in a row that were not at an end.
        strays: u32,
    },
}

impl Frames {
    /// For pictures of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            stage: Stage::Guess {
                count: 0,
                last: (0, 0),
            },
            buffer: vec![0; BLOCK],
            filled: 0,
            begun: Monotime::default(),
            busy: false,
            damaged: 0,
        }
    }

    /// How the pictures are laid out, once that is known.
    #[must_use]
    pub const fn layout(&self) -> Option<&Layout> {
        match &self.stage {
            Stage::Guess { .. } => None,
            Stage::Known { layout, .. } => Some(layout),
        }
    }

    /// Pictures that were not complete, so far.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// What the program says that its pictures are. It counts until they are known.
    ///
    /// # Errors
    /// They are no such pictures as were asked for.
    pub fn expect(&mut self, announced: &Announced) -> Result<()> {
        if self.layout().is_some() {
            return Ok(());
        }
        let Announced {
            width,
            height,
            range,
        } = *announced;
        let shape = range.map(|range| Shape {
            width,
            height,
            range,
            ..self.shape
        });
        match shape {
            Some(shape) if candidates(&shape).next().is_some() => self.shape = shape,
            _ => bail!(say!(
                "its pictures are of {width}x{height} in another format than YUV420, or too large",
                "画像 ({width}x{height}) が YUV420 でないか、大きすぎます"
            )),
        }
        Ok(())
    }

    /// Where the next bytes go.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// So many bytes have come into the room at `now`. The picture that they complete, if they do.
    ///
    /// # Errors
    /// It cannot be what its layout says.
    pub fn filled(&mut self, count: usize, now: Monotime) -> Result<Option<Complete>> {
        self.busy |= count > 0;
        match &mut self.stage {
            Stage::Guess { count: so_far, .. } => {
                *so_far += count as u64;
                Ok(None)
            }
            Stage::Known { layout, .. } => {
                if self.filled == 0 {
                    self.begun = now;
                }
                self.filled += count;
                if self.filled < self.buffer.len() {
                    return Ok(None);
                }
                self.filled = 0;
                let empty = vec![0; self.buffer.len()];
                let data = std::mem::replace(&mut self.buffer, empty);
                Ok(Some(Complete {
                    raw: Raw::new(*layout, data)?,
                    begun: self.begun,
                }))
            }
        }
    }

    /// Nothing has come for so long that a picture is over.
    ///
    /// # Errors
    /// What comes between pauses can be no picture of this shape.
    pub fn pause(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.busy) {
            // The same pause goes on.
            return Ok(());
        }
        let Shape { width, height, .. } = self.shape;
        match &mut self.stage {
            Stage::Guess { count, last } => {
                let count = std::mem::take(count);
                if let Some((layout, bytes)) = recognise(&self.shape, count) {
                    self.buffer = vec![0; bytes];
                    self.stage = Stage::Known {
                        layout,
                        stray: (0, 0),
                        strays: 0,
                    };
                    return Ok(());
                }
                let alike = if last.0 == count { last.1 + 1 } else { 1 };
                *last = (count, alike);
                if alike >= ALIKE {
                    bail!(say!(
                        "it sends {count} bytes a picture, which is no YUV420 of {width}x{height}",
                        "1枚あたり {count} バイトで、{width}x{height} の YUV420 ではありません"
                    ));
                }
            }
            Stage::Known { stray, strays, .. } if self.filled == 0 => {
                (*stray, *strays) = ((0, 0), 0);
            }
            Stage::Known { stray, strays, .. } => {
                *strays += 1;
                if *strays >= STRAYS {
                    bail!(say!(
                        "its raw pictures do not begin where they should",
                        "RAW 画像の区切りが合いません"
                    ));
                }
                // Once may be a program that was held up while it wrote. At the same place again and again it is the
                // end of a picture, and what lies before it belongs to none.
                let alike = if stray.0 == self.filled {
                    stray.1 + 1
                } else {
                    1
                };
                *stray = (self.filled, alike);
                if alike >= AGAIN {
                    self.filled = 0;
                    self.damaged += 1;
                    *stray = (0, 0);
                }
            }
        }
        Ok(())
    }
}

/// The layouts that a picture may have, with the bytes that are written for each, the likeliest first.
fn candidates(shape: &Shape) -> impl Iterator<Item = (Layout, u64)> {
    let shape = *shape;
    let layouts = MULTIPLES.into_iter().filter_map(move |multiple| {
        let layout = Layout {
            packing: Packing::I420(shape.range),
            width: shape.width,
            height: shape.height,
            stride: shape.width.checked_next_multiple_of(multiple)?,
            shrunk: shape.shrunk,
        };
        (layout.bytes() <= MOST && shape.width.is_multiple_of(2) && layout.bytes() > 0)
            .then_some((layout, layout.bytes()))
    });
    let pages = |(layout, bytes): (Layout, u64)| (layout, bytes.next_multiple_of(PAGE));
    layouts.clone().chain(layouts.map(pages))
}

/// What pictures of this shape are laid out like, if so many bytes are one of them or a few.
fn recognise(shape: &Shape, count: u64) -> Option<(Layout, usize)> {
    (1..=TOGETHER).find_map(|together| {
        let (layout, bytes) = candidates(shape).find(|(_, bytes)| bytes * together == count)?;
        Some((layout, usize::try_from(bytes).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Monotime {
        Monotime::from_zero(Duration::from_millis(ms))
    }

    const SHAPE: Shape = Shape {
        width: 20,
        height: 6,
        shrunk: 2,
        range: Range::Full,
    };

    fn layout(stride: u32) -> Layout {
        Layout {
            packing: Packing::I420(Range::Full),
            width: 20,
            height: 6,
            stride,
            shrunk: 2,
        }
    }

    /// A picture that is told from others by a number.
    fn picture(stride: u32, number: u8) -> Vec<u8> {
        vec![number; usize::try_from(layout(stride).bytes()).unwrap()]
    }

    /// Gives bytes in pieces. The pictures that they complete, by their numbers; 255 for one that is mixed.
    fn give(frames: &mut Frames, bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut rest, mut found) = (bytes, Vec::new());
        while !rest.is_empty() {
            let room = frames.room();
            let count = piece.min(room.len()).min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            if let Some(complete) = frames.filled(count, at(1)).unwrap() {
                let data = complete.raw.data();
                let same = data.iter().all(|b| *b == data[0]);
                found.push(if same { data[0] } else { 255 });
            }
        }
        found
    }

    /// One that knows its pictures.
    fn known(stride: u32) -> Frames {
        let mut frames = Frames::new(SHAPE);
        assert!(give(&mut frames, &picture(stride, 0), 7).is_empty());
        frames.pause().unwrap();
        assert_eq!(frames.layout(), Some(&layout(stride)));
        frames
    }

    #[test]
    fn whatever_the_rows_are_filled_up_to_is_found_out() {
        for stride in [20, 32, 64, 128, 256] {
            for piece in [1, 7, 100, 100_000] {
                let mut frames = known(stride);
                for number in 1..5 {
                    let found = give(&mut frames, &picture(stride, number), piece);
                    assert_eq!(found, [number], "{stride} {piece}");
                    frames.pause().unwrap();
                }
                assert_eq!(frames.damaged(), 0);
            }
        }
    }

    #[test]
    fn buffers_of_whole_pages_and_a_few_pictures_together_are_understood() {
        let mut frames = Frames::new(SHAPE);
        give(&mut frames, &[0; 4096], 4096);
        frames.pause().unwrap();
        assert_eq!(frames.layout(), Some(&layout(64)), "the likeliest");
        assert_eq!(give(&mut frames, &[3; 4096 * 2], 999), [3, 3]);

        let mut frames = Frames::new(SHAPE);
        give(&mut frames, &picture(64, 0).repeat(3), 100);
        frames.pause().unwrap();
        assert_eq!(frames.layout(), Some(&layout(64)));
    }

    #[test]
    fn what_was_asked_for_is_given_up_for_what_is_announced() {
        let mut frames = Frames::new(SHAPE);
        let announced = Announced {
            width: 16,
            height: 8,
            range: Some(Range::Limited),
        };
        frames.expect(&announced).unwrap();
        give(&mut frames, &[0; 64 * 8 * 3 / 2], 100);
        frames.pause().unwrap();
        let layout = frames.layout().unwrap();
        assert_eq!((layout.width, layout.height, layout.stride), (16, 8, 64));
        assert_eq!(layout.full(), (32, 16));
        assert_eq!(layout.packing, Packing::I420(Range::Limited));
        for (width, height, range) in [
            (16, 8, None),
            (4096, 3072, Some(Range::Full)),
            (0, 0, Some(Range::Full)),
            (u32::MAX, u32::MAX, Some(Range::Full)),
            (17, 8, Some(Range::Full)),
        ] {
            let announced = Announced {
                width,
                height,
                range,
            };
            assert!(Frames::new(SHAPE).expect(&announced).is_err());
            // Too late to matter.
            frames.expect(&announced).unwrap();
        }
    }

    #[test]
    fn pictures_of_another_size_are_refused_after_a_few() {
        let mut frames = Frames::new(SHAPE);
        for _ in 0..3 {
            give(&mut frames, &[0; 5000], 100);
            frames.pause().unwrap();
            // A second pause tells nothing.
            frames.pause().unwrap();
        }
        give(&mut frames, &[0; 5000], 100);
        let why = frames.pause().unwrap_err().to_string();
        assert!(why.contains("5000 bytes") && why.contains("20x6"), "{why}");
    }

    #[test]
    fn the_time_of_a_picture_is_that_of_its_first_byte() {
        let mut frames = known(64);
        let bytes = picture(64, 1).len();
        frames.filled(10, at(5)).unwrap();
        let first = frames.filled(bytes - 10, at(6)).unwrap().unwrap();
        assert_eq!(first.begun, at(5));
        let second = frames.filled(bytes, at(9)).unwrap().unwrap();
        assert_eq!(second.begun, at(9));
    }

    #[test]
    fn a_program_that_is_held_up_while_it_writes_loses_nothing() {
        let mut frames = known(64);
        for (number, cut) in [(1, 10), (2, 300), (3, 11), (4, 300)] {
            let picture = picture(64, number);
            assert!(give(&mut frames, &picture[..cut], 50).is_empty());
            for _ in 0..5 {
                frames.pause().unwrap();
            }
            assert_eq!(give(&mut frames, &picture[cut..], 50), [number]);
            frames.pause().unwrap();
        }
        assert_eq!(frames.damaged(), 0);
    }

    #[test]
    fn after_bytes_too_many_or_too_few_the_beginning_is_found_again() {
        for extra in [1i32, 26, 300, -1, -26, -300] {
            let mut frames = known(64);
            let mut found = Vec::new();
            for number in 1..8 {
                let mut bytes = picture(64, number);
                if number == 2 {
                    let length = bytes.len() as i32 + extra;
                    bytes.resize(usize::try_from(length).unwrap(), number);
                }
                found.extend(give(&mut frames, &bytes, 100));
                frames.pause().unwrap();
            }
            assert!(found.ends_with(&[5, 6, 7]), "{extra}: {found:?}");
            assert!(
                found.iter().filter(|n| **n == 255).count() <= 3,
                "{found:?}"
            );
            assert_eq!(frames.damaged(), 1, "{extra}");
        }
    }

    #[test]
    fn pictures_that_never_begin_where_they_should_are_given_up() {
        let mut frames = known(64);
        let mut cut = 0;
        let why = loop {
            cut += 1;
            assert!(cut < 1000);
            give(&mut frames, &vec![1; 333 + cut % 7], 100);
            if let Err(why) = frames.pause() {
                break why.to_string();
            }
        };
        assert!(why.contains("do not begin"), "{why}");
    }

    proptest! {
        #[test]
        fn no_byte_is_handed_out_twice_and_memory_is_bounded(
            pieces in proptest::collection::vec((1usize..3000, any::<bool>()), 0..200),
        ) {
            let mut frames = Frames::new(SHAPE);
            let (mut given, mut taken) = (0, 0);
            for (piece, pause) in pieces {
                let count = piece.min(frames.room().len());
                prop_assert!(count > 0);
                given += count;
                if let Some(complete) = frames.filled(count, at(0)).unwrap() {
                    taken += complete.raw.data().len();
                }
                prop_assert!(frames.buffer.len() as u64 <= MOST + PAGE);
                prop_assert!(taken <= given);
                if pause && frames.pause().is_err() {
                    break;
                }
            }
        }
    }
}
