//! Lines of a log, one at a time, whatever a power cut or another program's encoding has made of them.

use std::io::{self, BufRead as _, BufReader, Read};

use encoding_rs::SHIFT_JIS;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// The longest line that is read; the rest of a longer one is passed over.
const LONGEST_LINE: u64 = 64 * 1024;

/// The lines of a source. UTF-16 with its mark (PowerShell's `>`) is read as well, and Shift_JIS line by
/// line where it is no UTF-8.
pub struct Lines<R: Read> {
    reader: BufReader<DecodeReaderBytes<R, Vec<u8>>>,
    bytes: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub fn new(source: R) -> Self {
        let decoded = DecodeReaderBytesBuilder::new()
            .utf8_passthru(true)
            .build(source);
        Self {
            reader: BufReader::with_capacity(128 * 1024, decoded),
            bytes: Vec::new(),
        }
    }

    /// The next line without its end; none at the end of the source.
    pub fn next(&mut self) -> io::Result<Option<std::borrow::Cow<'_, str>>> {
        self.bytes.clear();
        let read = self
            .reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut self.bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if self.bytes.last() != Some(&b'\n') && read as u64 == LONGEST_LINE {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(text(&self.bytes)))
    }
}

/// A block of zeros is what a power cut leaves where the last lines were; the next start writes behind it.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let begin = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|b| !matches!(b, b'\n' | b'\r'))
        .map_or(begin, |last| (last + 1).max(begin));
    let bytes = &bytes[begin..end];
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    match SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => text,
        None => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line.into_owned());
        }
        all
    }

    #[test]
    fn encodings_may_change_from_line_to_line() {
        let mut log = "メモリ: 1MB\r\n".as_bytes().to_vec();
        log.extend(SHIFT_JIS.encode("メモリ: 2MB\n").0.iter());
        log.extend(b"\xff\xfe\xff broken\n");
        log.extend("メモリ: 3MB".as_bytes());
        let read = lines(&log);
        assert_eq!(read[0], "メモリ: 1MB");
        assert_eq!(read[1], "メモリ: 2MB");
        assert!(read[2].ends_with("broken"), "{}", read[2]);
        assert_eq!(read[3], "メモリ: 3MB");
    }

    #[test]
    fn what_powershell_writes_is_read() {
        let mut log = vec![0xff, 0xfe];
        for unit in "[SERVER_START]\r\n警告\r\n".encode_utf16() {
            log.extend(unit.to_le_bytes());
        }
        assert_eq!(lines(&log), ["[SERVER_START]", "警告"]);
    }

    #[test]
    fn zeros_of_a_power_cut_and_endless_lines_are_passed_over() {
        let mut log = vec![0; 5000];
        log.extend(b"2026-11-21 first\n");
        log.extend(vec![b'x'; 300_000]);
        log.extend(b"\nlast\n\n");
        let read = lines(&log);
        assert_eq!(read[0], "2026-11-21 first");
        assert_eq!(read[1].len(), 65_536);
        assert_eq!(&read[2..], ["last", ""]);
    }
}
