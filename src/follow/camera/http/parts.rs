//! `multipart/x-mixed-replace`: pictures between boundaries (RFC 2046, 5.1).
//!
//! Servers differ: the boundary of the header may or may not carry the two hyphens that the stream
//! puts before it, some streams leave them out, and some parts have no length.

use anyhow::{Result, bail};
use memchr::memmem::find;
use memchr::{memchr, memchr2};

use crate::follow::camera::jpeg::MAX_PICTURE;

/// Largest head of a part, and the most that may come before a boundary, in bytes.
const MAX_BETWEEN: usize = 64 << 10;

/// Incremental parser of the stream.
#[derive(Debug)]
pub struct Parts {
    received: Vec<u8>,
    /// What separates the parts; learnt from the stream where the header left it open.
    delimiter: Delimiter,
    state: PartState,
}

#[derive(Debug)]
enum Delimiter {
    /// The header says this, with or without its hyphens.
    Told(Vec<u8>),
    /// The header says nothing: the first line that begins with two hyphens.
    Unknown,
    /// Seen in the stream.
    Seen(Vec<u8>),
}

#[derive(Debug)]
enum PartState {
    /// Before a delimiter.
    Between,
    /// In the head of a part.
    Head,
    /// In a picture of so many bytes.
    Sized(usize),
    /// In a picture without a length; so many bytes hold no delimiter.
    Unsized(usize),
}

impl Parts {
    /// Before the first byte; `boundary` as the header says it.
    pub fn new(boundary: Option<&str>) -> Self {
        Self {
            received: Vec::new(),
            delimiter: match boundary.map(|b| (b, b.trim_start_matches('-'))) {
                None | Some(("", _)) => Delimiter::Unknown,
                Some((hyphens, "")) => Delimiter::Told(hyphens.as_bytes().to_vec()),
                Some((_, bare)) => Delimiter::Told(bare.as_bytes().to_vec()),
            },
            state: PartState::Between,
        }
    }

    /// Takes in what was received.
    pub fn push(&mut self, data: &[u8]) {
        self.received.extend_from_slice(data);
    }

    /// The next picture that has arrived completely.
    ///
    /// # Errors
    /// A picture or the head of one is too large, or there is no boundary: what arrives are no pictures.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            match self.state {
                PartState::Between => {
                    let Some(end) = self.find_delimiter()? else {
                        if self.received.len() > MAX_BETWEEN {
                            bail!("no boundary between the pictures of the stream");
                        }
                        return Ok(None);
                    };
                    let Some(after) = self.received.get(end..end + 2) else {
                        return Ok(None);
                    };
                    if after == b"--" {
                        bail!("the server has ended the stream");
                    }
                    self.received.drain(..end);
                    self.state = PartState::Head;
                }
                PartState::Head => {
                    // The line of the delimiter is the first line of what is searched, so that a part
                    // without any header is found too.
                    let Some((length, end)) = part_head(&self.received) else {
                        if self.received.len() > MAX_BETWEEN {
                            bail!("the head of a part does not end");
                        }
                        return Ok(None);
                    };
                    self.received.drain(..end);
                    self.state = match length {
                        Some(length) if length > MAX_PICTURE => {
                            bail!("a picture of {length} bytes; at most {MAX_PICTURE} are taken")
                        }
                        Some(length) => PartState::Sized(length),
                        None => PartState::Unsized(0),
                    };
                }
                PartState::Sized(length) => {
                    if self.received.len() < length {
                        return Ok(None);
                    }
                    self.state = PartState::Between;
                    if length > 0 {
                        return Ok(Some(self.received.drain(..length).collect()));
                    }
                }
                PartState::Unsized(searched) => {
                    let Delimiter::Seen(delimiter) = &self.delimiter else {
                        // A part begins behind a delimiter, so one was seen.
                        bail!("no boundary between the pictures of the stream");
                    };
                    let from = searched.saturating_sub(delimiter.len());
                    let Some(at) = find(&self.received[from..], delimiter) else {
                        if self.received.len() > MAX_PICTURE {
                            bail!("a picture does not end after {MAX_PICTURE} bytes");
                        }
                        self.state = PartState::Unsized(self.received.len());
                        return Ok(None);
                    };
                    let mut picture: Vec<u8> = self.received.drain(..from + at).collect();
                    for end in [b'\n', b'\r'] {
                        if picture.last() == Some(&end) {
                            picture.pop();
                        }
                    }
                    self.state = PartState::Between;
                    if !picture.is_empty() {
                        return Ok(Some(picture));
                    }
                }
            }
        }
    }

    /// Searches the delimiter; returns where it ends, and learns its form from the first one.
    fn find_delimiter(&mut self) -> Result<Option<usize>> {
        match &self.delimiter {
            Delimiter::Seen(delimiter) => {
                Ok(find(&self.received, delimiter).map(|at| at + delimiter.len()))
            }
            Delimiter::Told(bare) => {
                let Some(at) = find(&self.received, bare) else {
                    return Ok(None);
                };
                let end = at + bare.len();
                let before = self.received[..at].iter().rev();
                let hyphens = before.take_while(|b| **b == b'-').count();
                self.delimiter = Delimiter::Seen(self.received[at - hyphens..end].to_vec());
                Ok(Some(end))
            }
            Delimiter::Unknown => {
                let Some(at) = find(&self.received, b"--") else {
                    return Ok(None);
                };
                let line = &self.received[at..];
                let Some(length) = memchr2(b'\r', b'\n', line) else {
                    return Ok(None);
                };
                // Longest boundary of RFC 2046: 70 characters and the hyphens.
                if !(3..=72).contains(&length) {
                    bail!("no boundary between the pictures of the stream");
                }
                self.delimiter = Delimiter::Seen(line[..length].to_vec());
                Ok(Some(at + length))
            }
        }
    }
}

/// The length that the head of a part gives, and where the head ends; None while it is not complete.
fn part_head(bytes: &[u8]) -> Option<(Option<usize>, usize)> {
    let (mut length, mut start, mut first) = (None, 0, true);
    loop {
        let line_end = start + memchr(b'\n', bytes.get(start..)?)?;
        let line = bytes[start..line_end].trim_ascii();
        start = line_end + 1;
        // The first line is the rest of the delimiter's.
        if line.is_empty() && !first {
            return Some((length, start));
        }
        first = false;
        if let Some(colon) = memchr(b':', line)
            && line[..colon]
                .trim_ascii()
                .eq_ignore_ascii_case(b"content-length")
        {
            length = std::str::from_utf8(&line[colon + 1..])
                .ok()
                .and_then(|value| value.trim().parse().ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(boundary: Option<&str>, stream: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
        let mut parts = Parts::new(boundary);
        let mut pictures = Vec::new();
        for piece in stream.chunks(piece) {
            parts.push(piece);
            while let Some(picture) = parts.next()? {
                pictures.push(picture);
            }
        }
        Ok(pictures)
    }

    #[test]
    fn every_form_of_boundary_is_understood() {
        for (told, seen) in [
            (Some("frame"), "--frame"),
            (Some("--frame"), "--frame"),
            (Some("--frame"), "----frame"),
            (Some("frame"), "frame"),
            (None, "--frame"),
        ] {
            for length in ["Content-Length: 3\r\n", ""] {
                let part =
                    |n: u8| format!("{seen}\r\nContent-Type: image/jpeg\r\n{length}\r\nab{n}\r\n");
                let stream = format!("\r\n{}{}{seen}\r\n", part(1), part(2));
                for piece in [1, 4, 1000] {
                    assert_eq!(
                        fed(told, stream.as_bytes(), piece).unwrap(),
                        [b"ab1".to_vec(), b"ab2".to_vec()],
                        "{told:?} {seen} {length:?} {piece}"
                    );
                }
            }
        }
    }

    #[test]
    fn parts_without_any_header_and_with_bare_line_ends() {
        let got = fed(Some("b"), b"--b\n\nabc\n--b\nX: y\n\ndef\n--b\n\n", 1).unwrap();
        assert_eq!(got, [b"abc".to_vec(), b"def".to_vec()]);
    }

    #[test]
    fn a_wrong_length_costs_its_own_picture_only() {
        let stream = b"--b\r\nContent-Length: 2\r\n\r\nabcdef\r\n--b\r\nContent-Length: 3\r\n\r\nxyz\r\n--b\r\n";
        let got = fed(Some("b"), stream, 1000).unwrap();
        assert_eq!(got, [b"ab".to_vec(), b"xyz".to_vec()]);
    }

    #[test]
    fn an_empty_part_is_no_picture() {
        let stream =
            b"--b\r\nContent-Length: 0\r\n\r\n\r\n--b\r\nContent-Length: 1\r\n\r\nx\r\n--b\r\n";
        assert_eq!(fed(Some("b"), stream, 3).unwrap(), [b"x".to_vec()]);
    }

    #[test]
    fn memory_is_bounded() {
        let oversized = b"--b\r\nContent-Length: 99999999999\r\n\r\n";
        assert!(fed(Some("b"), oversized, 100).is_err());
        for start in [&b"--b\r\n\r\n"[..], b"--b\r\nX: ", b""] {
            let mut parts = Parts::new(Some("b"));
            parts.push(start);
            let block = vec![b'x'; 1 << 16];
            let mut given = 0;
            while parts.next().is_ok() {
                parts.push(&block);
                given += block.len();
                assert!(given <= MAX_PICTURE + 2 * block.len());
            }
        }
    }

    #[test]
    fn the_end_of_the_stream_is_told() {
        let why = fed(Some("b"), b"--b--\r\n", 100).unwrap_err().to_string();
        assert!(why.contains("ended"), "{why}");
    }
}
