//! Raw pictures: what a camera gives without encoding it, so that nobody has to decode it.
//!
//! They are asked for at the size that is looked at, which is less than the configured one; boxes are told in pixels of
//! the configured one all the same ([`Layout::full`]).

mod pixels;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, bail};
use opencv::core::Mat;
use opencv::prelude::*;

pub use pixels::{Developer, reduced};

/// The longer side of a picture as closely as any detector looks at all of it, in pixels. Sources that can have their
/// pictures at any size ask for no more, and detectors for no less.
pub const LOOKED_AT: u32 = 320;

/// Most pixels of a raw picture that is preferred to a JPEG. More take longer to carry than a JPEG takes to decode, and much
/// of what a USB 2 bus carries.
pub const MOST_PIXELS: u32 = 640 * 480;

/// Brightness of the darkest and of the brightest place of a picture that shows nothing differ by no more than this, of
/// 255.
pub const FLAT: u8 = 12;

/// What is known of a camera's raw pictures from one opening to the next. One that cannot give them gives JPEGs, for as
/// long as the service runs.
#[derive(Debug, Default)]
pub struct Refusals(AtomicU8);

/// Whether raw pictures are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are.
    Wanted,
    /// The last opening failed with them, and perhaps because of them: the next one is without.
    Doubtful,
    /// They are not: the camera works without them alone.
    Refused,
}

impl Refusals {
    /// What is known.
    #[must_use]
    pub fn get(&self) -> Standing {
        match self.0.load(Ordering::Relaxed) {
            0 => Standing::Wanted,
            1 => Standing::Doubtful,
            _ => Standing::Refused,
        }
    }

    /// Notes what is known from now on.
    pub fn set(&self, standing: Standing) {
        let number = match standing {
            Standing::Wanted => 0,
            Standing::Doubtful => 1,
            Standing::Refused => 2,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

/// How the bytes of a raw picture are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Brightness of every pixel, then both colours of every second pixel in every second row, one after the other
    /// (V4L2 `YU12`, libcamera `YUV420`). Rows of colours are half as long as those of brightness.
    I420(Range),
    /// Brightness and colours of two pixels in four bytes: Y U Y V (V4L2 `YUYV`), of limited range.
    Yuyv,
    /// Brightness alone (V4L2 `GREY`).
    Grey,
}

impl Packing {
    /// What it is called in a list of formats.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I420(_) => "YUV420",
            Self::Yuyv => "YUYV",
            Self::Grey => "GREY",
        }
    }
}

/// What a byte of brightness or colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 0 to 255, as in JPEG files.
    Full,
    /// Brightness from 16 to 235, colours from 16 to 240, as in video.
    Limited,
}

/// Size and shape of a raw picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How the bytes are laid out.
    pub packing: Packing,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from the beginning of a row to that of the next one.
    pub stride: u32,
    /// So many times smaller each side is than that of the full picture: 1, 2, 4 or 8.
    pub shrunk: u32,
}

impl Layout {
    /// Width and height of the full picture, in whose pixels boxes are told.
    #[must_use]
    pub const fn full(&self) -> (u32, u32) {
        (
            self.width.saturating_mul(self.shrunk),
            self.height.saturating_mul(self.shrunk),
        )
    }

    /// Bytes that a picture has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let brightness = u64::from(self.stride) * u64::from(self.height);
        match self.packing {
            Packing::I420(_) => {
                brightness.saturating_add(2 * self.colour_stride() * self.colour_rows())
            }
            Packing::Yuyv | Packing::Grey => brightness,
        }
    }

    fn colour_stride(&self) -> u64 {
        u64::from(self.stride / 2)
    }

    fn colour_rows(&self) -> u64 {
        u64::from(self.height.div_ceil(2))
    }

    /// Bytes of a row that are pixels.
    const fn row(&self) -> u64 {
        let width = self.width as u64;
        match self.packing {
            Packing::Yuyv => 2 * width,
            Packing::I420(_) | Packing::Grey => width,
        }
    }

    /// What it is called, such as "320x240 YUV420".
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}x{} {}", self.width, self.height, self.packing.name())
    }

    /// The same with the size of the full picture, such as "640x480 as 320x240 YUV420".
    #[must_use]
    pub fn describe(&self) -> String {
        let (width, height) = self.full();
        if self.shrunk == 1 {
            self.name()
        } else {
            format!("{width}x{height} as {}", self.name())
        }
    }
}

/// How many times smaller a picture of this size may be asked for without anything that a detector looks at being lost,
/// so that both sides stay even. None if they are not even themselves.
#[must_use]
pub fn shrinkage((width, height): (u32, u32)) -> Option<u32> {
    [8, 4, 2, 1].into_iter().find(|s| {
        let whole = width.is_multiple_of(2 * s) && height.is_multiple_of(2 * s);
        whole && (*s == 1 || width.max(height) / s >= LOOKED_AT)
    })
}

/// A raw picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    layout: Layout,
    data: Vec<u8>,
}

impl Raw {
    /// A picture of these bytes; more than it needs are left alone.
    ///
    /// # Errors
    /// There are fewer, or the layout is impossible.
    pub fn new(layout: Layout, data: Vec<u8>) -> Result<Self> {
        let Layout {
            width,
            height,
            stride,
            shrunk,
            ..
        } = layout;
        // Colours come for two pixels at a time.
        let odd = layout.packing != Packing::Grey
            && !(width.is_multiple_of(2) && stride.is_multiple_of(2));
        let small = width == 0 || height == 0 || u64::from(stride) < layout.row();
        if small || odd || !matches!(shrunk, 1 | 2 | 4 | 8) {
            bail!("a picture cannot be laid out as {layout:?}");
        }
        let (bytes, wanted) = (data.len(), layout.bytes());
        if (bytes as u64) < wanted {
            bail!(
                "the picture has {bytes} bytes, and {} {wanted}",
                layout.name()
            );
        }
        Ok(Self { layout, data })
    }

    /// Its size and shape.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its bytes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The rows of brightness, without what fills them up; with [`Packing::Yuyv`] colours as well.
    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let (stride, row) = (self.layout.stride as usize, self.layout.row() as usize);
        let rows = self.data.chunks(stride).take(self.layout.height as usize);
        rows.map(move |r| &r[..row.min(r.len())])
    }

    /// A number that another picture has by chance once in more than a thousand million million. A sensor never gives
    /// the same brightness everywhere twice.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        // Four in turn, for a multiplication takes as long as three others can begin in.
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut lanes = [1u64, 2, 3, 4];
        for row in self.rows() {
            let (words, rest) = row.as_chunks::<8>();
            let (fours, left) = words.as_chunks::<4>();
            for four in fours {
                for (lane, word) in lanes.iter_mut().zip(four) {
                    *lane = mixed(*lane, u64::from_le_bytes(*word), FACTOR);
                }
            }
            for word in left {
                lanes[0] = mixed(lanes[0], u64::from_le_bytes(*word), FACTOR);
            }
            for byte in rest {
                lanes[1] = mixed(lanes[1], u64::from(*byte), FACTOR);
            }
        }
        lanes
            .into_iter()
            .fold(0, |all, lane| mixed(all, lane, FACTOR))
    }

    /// Whether it is of one brightness all over, seen at an eighth of the full size: black, with the light off or the
    /// lens covered.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        let mut grey = Mat::default();
        let times = (8 / self.layout.shrunk).max(1);
        let made = Developer::default().grey(self, times, &mut grey);
        let bytes = grey.data_bytes().unwrap_or_default();
        let (least, most) = (bytes.iter().min(), bytes.iter().max());
        made.is_ok() && least.zip(most).is_some_and(|(a, b)| b - a <= FLAT)
    }
}

/// One step of the fingerprint. It can be undone for a given word, so that one byte that differs always shows.
const fn mixed(state: u64, word: u64, factor: u64) -> u64 {
    (state ^ word).wrapping_mul(factor).rotate_left(29)
}
