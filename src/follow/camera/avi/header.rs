//! The header list of an AVI file: which stream is the picture, how fast it runs.
//!
//! Layout after Microsoft's "AVI RIFF File Reference": `hdrl` holds `avih` and one `strl` for each
//! stream, `strl` holds `strh` (stream header) and `strf` (format). All numbers are little-endian.

use anyhow::{Result, bail};

/// What has to be known to play a clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// First two characters of the ids of its chunks: the number of the stream.
    pub stream: [u8; 2],
    /// Pictures a second, as the file claims; 0 if it claims none.
    pub rate: f64,
    /// Width in pixels, as the file claims.
    pub width: u32,
    /// Height in pixels, as the file claims.
    pub height: u32,
}

/// Codes of Motion JPEG that carry complete JPEG pictures.
const MJPEG: [&[u8; 4]; 4] = [b"MJPG", b"mjpg", b"JPEG", b"jpeg"];

/// The chunks of a list, id and content; a chunk that claims more than there is gets what there is.
fn chunks(mut list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (id, after) = list.split_at_checked(4)?;
        let (size, after) = after.split_at_checked(4)?;
        let size = usize::try_from(u32_at(size, 0)?).ok()?;
        let content = after.get(..size).unwrap_or(after);
        // Chunks begin at even offsets, but for writers that leave out the padding.
        let next = |at: usize| after.get(at..).unwrap_or(&[]);
        let is_head = |at: usize| next(at).get(..4).is_some_and(is_known);
        let odd = size % 2 == 1 && (is_head(size.saturating_add(1)) || !is_head(size));
        list = next(size.saturating_add(usize::from(odd)));
        Some((id, content))
    })
}

/// Whether these are the four characters that a chunk of such files begins with: a list, a part of the header or of the
/// index, or the data of a stream (its number and what they are).
pub fn is_known(id: &[u8]) -> bool {
    const NAMES: [&[u8; 4]; 12] = [
        b"RIFF", b"LIST", b"JUNK", b"idx1", b"avih", b"strh", b"strf", b"strd", b"strn", b"indx",
        b"vprp", b"dmlh",
    ];
    const DATA: [&[u8; 2]; 7] = [b"dc", b"db", b"wb", b"pc", b"tx", b"sb", b"iv"];
    let Ok(id) = <&[u8; 4]>::try_from(id) else {
        return false;
    };
    let (first, second) = id.split_at(2);
    let number = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    NAMES.contains(&id)
        || number(first) && DATA.iter().any(|data| second == *data)
        || first == b"ix" && number(second)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Reads the content of the `hdrl` list, after its type.
///
/// # Errors
/// No stream of the file carries Motion JPEG; the message names what it carries.
pub fn parse(hdrl: &[u8]) -> Result<Header> {
    let main = chunks(hdrl).find(|(id, _)| id == b"avih").map(|c| c.1);
    let mut others = Vec::new();
    let streams = chunks(hdrl).filter_map(|(id, content)| {
        (id == b"LIST").then(|| content.strip_prefix(b"strl".as_slice()))?
    });
    for (number, strl) in streams.enumerate().take(100) {
        let find = |wanted: &[u8]| {
            chunks(strl)
                .find(|(id, _)| *id == wanted)
                .map_or(&[][..], |c| c.1)
        };
        let (strh, strf) = (find(b"strh"), find(b"strf"));
        if !strh.starts_with(b"vids") {
            continue;
        }
        // Some writers name the codec in one place only.
        let (handler, compression) = (strh.get(4..8), strf.get(16..20));
        let codes = [compression, handler];
        if !codes
            .iter()
            .flatten()
            .any(|code| MJPEG.iter().any(|m| m.as_slice() == *code))
        {
            others.extend(compression.or(handler).map(name));
            continue;
        }
        // dwScale and dwRate of the stream, else microseconds a picture of the file.
        let quotient = |over: Option<u32>, under: Option<u32>| match (over, under) {
            (Some(over), Some(under)) if over > 0 && under > 0 => {
                Some(f64::from(over) / f64::from(under))
            }
            _ => None,
        };
        let rate = quotient(u32_at(strh, 24), u32_at(strh, 20))
            .or_else(|| quotient(Some(1_000_000), main.and_then(|m| u32_at(m, 0))))
            .unwrap_or(0.0);
        let digit = |n: usize| b'0' + u8::try_from(n % 10).unwrap_or(0);
        return Ok(Header {
            stream: [digit(number / 10), digit(number)],
            rate,
            width: u32_at(strf, 4).unwrap_or(0),
            // A negative height marks rows stored from the top.
            height: u32_at(strf, 8).map_or(0, |h| h.cast_signed().unsigned_abs()),
        });
    }
    if others.is_empty() {
        bail!("no video stream in its header");
    }
    bail!("its video is {}, not MJPG", others.join(", "));
}

/// A codec's four characters, for people.
fn name(code: &[u8]) -> String {
    if code.iter().all(u8::is_ascii_graphic) {
        String::from_utf8_lossy(code).into_owned()
    } else {
        "uncompressed".to_owned()
    }
}
