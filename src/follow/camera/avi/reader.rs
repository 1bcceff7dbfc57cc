//! Walks through the chunks of an AVI file, one picture at a time.
//!
//! A clip may be cut short, still growing, or damaged in the middle, so nothing relies on the index or
//! on the size of a list: lists (`RIFF`, `movi`, `rec `) are entered where they begin, everything that is
//! not a picture is passed over. What does not look like a chunk is searched for the next picture.

use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context as _, Result, bail};

use super::header::{self, Header, is_known};
use crate::follow::camera::{jpeg, plain};

/// Largest picture that is read, in bytes; more cannot be a picture of a camera.
pub const MAX_PICTURE: u32 = 16 << 20;
/// Largest header that is read, in bytes. Usual ones have 4 to 20 KB.
const MAX_HEADER: u32 = 1 << 20;
/// A clip has a picture within so many bytes, wherever one looks; what has none is not read to its end.
const MAX_BETWEEN: u64 = 64 << 20;

/// Result of a step through the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A picture, undecoded.
    Picture(Vec<u8>),
    /// A position without a picture: the recorder dropped one there.
    Dropped,
    /// Damaged data was skipped; at least one picture is lost.
    Damaged,
    /// The file is over. `cut` if it ends within a chunk.
    End {
        /// Whether something is missing at the end.
        cut: bool,
    },
}

/// A file that is read from front to end.
pub struct Reader<R> {
    file: R,
    header: Header,
    /// Offset of the first chunk after the header.
    first: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Not an AVI file, a damaged header, or no Motion JPEG in it.
    pub fn new(mut file: R) -> Result<Self> {
        let mut head = [0; 12];
        if fill(&mut file, &mut head)? < head.len()
            || &head[..4] != b"RIFF"
            || &head[8..] != b"AVI "
        {
            bail!("not an AVI file");
        }
        // The header list comes first by the standard; leave room for a stray chunk before it.
        for _ in 0..16 {
            let Some((id, size)) = chunk_head(&mut file)? else {
                break;
            };
            if &id == b"LIST" {
                let mut kind = [0; 4];
                if fill(&mut file, &mut kind)? < 4 || size < 4 {
                    break;
                }
                if &kind == b"hdrl" {
                    let size = size - 4;
                    if size > MAX_HEADER {
                        bail!("its header is damaged: it claims {size} bytes");
                    }
                    let hdrl = take(&mut file, size)?;
                    if hdrl.len() < size as usize {
                        bail!("the file ends within its header");
                    }
                    let header = header::parse(&hdrl)?;
                    skip_padding(&mut file, size)?;
                    let first = file.stream_position().map_err(context)?;
                    return Ok(Self {
                        file,
                        header,
                        first,
                    });
                }
                skip(&mut file, u64::from(size - 4))?;
            } else {
                skip(&mut file, u64::from(size))?;
            }
            skip_padding(&mut file, size)?;
        }
        bail!("no header list in the file");
    }

    /// What the header says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Goes back to the first picture.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn rewind(&mut self) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(self.first))
            .map_err(context)?;
        Ok(())
    }

    /// The next picture, or what stands in its place.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn step(&mut self) -> Result<Step> {
        let begun = self.file.stream_position().map_err(context)?;
        loop {
            let at = self.file.stream_position().map_err(context)?;
            if at - begun.min(at) > MAX_BETWEEN {
                bail!(no_picture());
            }
            let mut head = [0; 8];
            match fill(&mut self.file, &mut head)? {
                8 => {}
                // A padding byte may be left over.
                n => return Ok(Step::End { cut: n > 1 }),
            }
            let id = [head[0], head[1], head[2], head[3]];
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            if &id == b"RIFF" || &id == b"LIST" {
                let mut kind = [0; 4];
                if fill(&mut self.file, &mut kind)? < 4 {
                    return Ok(Step::End { cut: true });
                }
                let entered = [b"AVI ", b"AVIX", b"movi", b"rec "].contains(&&kind);
                if !entered && self.skip_chunk(size.saturating_sub(4), size)? {
                    return self.recover(at);
                }
            } else if self.is_picture(id) && size <= MAX_PICTURE {
                if size == 0 {
                    return Ok(Step::Dropped);
                }
                let data = take(&mut self.file, size)?;
                if data.len() < size as usize {
                    return self.recover(at);
                }
                skip_padding(&mut self.file, size)?;
                return Ok(Step::Picture(data));
            } else if !self.is_picture(id) && plausible(id) {
                if self.skip_chunk(size, size)? {
                    return self.recover(at);
                }
            } else {
                return self.recover(at);
            }
        }
    }

    fn is_picture(&self, id: [u8; 4]) -> bool {
        id[..2] == self.header.stream && matches!(&id[2..], b"dc" | b"db")
    }

    /// The chunk at `at` is none, or ends after the file: its head is damaged, or the file is cut short.
    fn recover(&mut self, at: u64) -> Result<Step> {
        Ok(if self.resynchronise(at + 1)? {
            Step::Damaged
        } else {
            Step::End { cut: true }
        })
    }

    /// Passes over `rest` bytes and the padding that a chunk of `size` has. True if the file ends before.
    fn skip_chunk(&mut self, rest: u32, size: u32) -> Result<bool> {
        if rest == 0 {
            return Ok(false);
        }
        // Seeking beyond the end succeeds, so the last byte is read.
        skip(&mut self.file, u64::from(rest) - 1)?;
        let gone = fill(&mut self.file, &mut [0])? == 0;
        skip_padding(&mut self.file, size)?;
        Ok(gone)
    }

    /// Searches from `at` for the head of a chunk that really holds a JPEG, and stands before it. False
    /// if there is none.
    fn resynchronise(&mut self, at: u64) -> Result<bool> {
        /// Head of a chunk and the first two bytes of its content.
        const WINDOW: usize = 10;
        self.file.seek(SeekFrom::Start(at)).map_err(context)?;
        let mut block = vec![0; 64 << 10];
        let (mut start, mut kept) = (at, 0);
        loop {
            let got = kept + fill(&mut self.file, &mut block[kept..])?;
            for (i, w) in block[..got].windows(WINDOW).enumerate() {
                if self.is_picture([w[0], w[1], w[2], w[3]])
                    && jpeg::begins(&w[8..])
                    && u32::from_le_bytes([w[4], w[5], w[6], w[7]]) <= MAX_PICTURE
                {
                    self.file
                        .seek(SeekFrom::Start(start + i as u64))
                        .map_err(context)?;
                    return Ok(true);
                }
            }
            if got < block.len() {
                return Ok(false);
            }
            kept = WINDOW - 1;
            block.copy_within(got - kept.., 0);
            start += (got - kept) as u64;
            if start - at > MAX_BETWEEN {
                bail!(no_picture());
            }
        }
    }
}

fn no_picture() -> String {
    format!(
        "no picture within {} MiB: it is no MJPEG clip, or damaged",
        MAX_BETWEEN >> 20
    )
}

/// Whether an id could be that of a chunk: letters, digits, spaces and underscores.
fn plausible(id: [u8; 4]) -> bool {
    id.iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'_'))
}

fn context(e: std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot read the file: {}", plain(&e))
}

/// Reads until the buffer is full or the file is over; returns how much there was.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(context(e)),
        }
    }
    Ok(got)
}

fn chunk_head(file: &mut impl Read) -> Result<Option<([u8; 4], u32)>> {
    let mut head = [0; 8];
    if fill(file, &mut head)? < head.len() {
        return Ok(None);
    }
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    Ok(Some(([head[0], head[1], head[2], head[3]], size)))
}

/// Reads up to `size` bytes; memory grows with what is there, not with what is claimed.
fn take(file: &mut impl Read, size: u32) -> Result<Vec<u8>> {
    let mut data = Vec::with_capacity((size as usize).min(256 << 10));
    file.take(u64::from(size))
        .read_to_end(&mut data)
        .map_err(context)?;
    Ok(data)
}

/// Passes over the byte that follows a chunk of odd size, so that the next one begins at an even offset. Some writers leave
/// it out; the next head then stands in its place.
fn skip_padding(file: &mut (impl Read + Seek), size: u32) -> Result<()> {
    if size.is_multiple_of(2) {
        return Ok(());
    }
    let mut next = [0; 5];
    let got = fill(file, &mut next)?;
    let missing = got >= 4 && is_known(&next[..4]) && !is_known(&next[1..got]);
    let back = if missing { got } else { got.saturating_sub(1) };
    file.seek_relative(-i64::try_from(back).context("chunk too large")?)
        .map_err(context)
}

fn skip(file: &mut impl Seek, bytes: u64) -> Result<()> {
    if bytes > 0 {
        let bytes = i64::try_from(bytes).context("chunk too large")?;
        file.seek_relative(bytes).map_err(context)?;
    }
    Ok(())
}
