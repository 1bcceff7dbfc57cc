//! From text to records and fields, as RFC 4180 has them: a field in quotation marks may hold line breaks.
//!
//! A quotation mark that is never closed would swallow the rest of the file. Such a line is read by itself, and told.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr;

/// Fields of a record that are looked at; more are ignored.
pub(super) const COLUMNS: usize = 64;
/// Bytes of the longest field that may hold line breaks; what is longer was never closed.
const LONGEST_FIELD: usize = 64 * 1024;

/// One record, still in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Number of its first line.
    pub line: usize,
    /// Its text without the line end.
    pub text: &'a str,
    /// It has a quotation mark that is never closed, and so ends with its line.
    pub unclosed: bool,
}

/// The records of a text that hold anything, in their order.
pub(super) struct Records<'a> {
    text: &'a str,
    delimiter: u8,
    at: usize,
    line: usize,
}

impl<'a> Records<'a> {
    /// Of a text that stands behind so many lines.
    pub fn new(text: &'a str, delimiter: u8, skipped: usize) -> Self {
        Self {
            text,
            delimiter,
            at: 0,
            line: skipped + 1,
        }
    }

    /// The next record, an empty one as well.
    fn any(&mut self) -> Option<Record<'a>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        if start >= bytes.len() {
            return None;
        }
        let (mut i, mut field_begins, mut unclosed) = (start, true, false);
        while let Some(byte) = bytes.get(i) {
            match byte {
                b'\r' | b'\n' => break,
                b'"' if field_begins && !unclosed => {
                    if let Some(end) = closing(bytes, i + 1, self.delimiter) {
                        i = end;
                    } else {
                        unclosed = true;
                        i += 1;
                    }
                    field_begins = false;
                }
                byte => {
                    field_begins = *byte == self.delimiter;
                    i += 1;
                }
            }
        }
        let record = Record {
            line: self.line,
            text: &self.text[start..i],
            unclosed,
        };
        self.line += line_ends(record.text.as_bytes()) + 1;
        self.at = match bytes.get(i..i + 2) {
            Some(b"\r\n") => i + 2,
            _ => i + 1,
        };
        Some(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let delimiter = char::from(self.delimiter);
        // A sheet may end with a million rows of commas.
        let holds = |c: char| c != delimiter && !c.is_whitespace();
        loop {
            let record = self.any()?;
            if record.text.contains(holds) {
                return Some(record);
            }
        }
    }
}

/// Where a field in quotation marks that begins at `from` ends, behind its last mark. None if it never does: a mark
/// within a field stands before another mark, the last one before a delimiter or line end. Where a single line breaks
/// that rule, no harm is done.
fn closing(bytes: &[u8], from: usize, delimiter: u8) -> Option<usize> {
    let limit = bytes.len().min(from + LONGEST_FIELD);
    let mut i = from;
    while i < limit {
        let mark = i + memchr(b'"', &bytes[i..limit])?;
        let next = bytes[mark + 1..]
            .iter()
            .find(|b| **b != b' ' || delimiter == b' ');
        match next {
            None | Some(b'\r' | b'\n') => return Some(mark + 1),
            Some(b) if *b == delimiter => return Some(mark + 1),
            Some(_) if bytes.get(mark + 1) == Some(&b'"') => i = mark + 2,
            Some(_) if line_ends(&bytes[from..mark]) > 0 => return None,
            Some(_) => return Some(mark + 1),
        }
    }
    None
}

/// How many lines end here: with `\n`, `\r\n`, or the lone `\r` of old programs.
fn line_ends(bytes: &[u8]) -> usize {
    let mut count = 0;
    let mut before = 0;
    for byte in bytes {
        count += usize::from(*byte == b'\r' || (*byte == b'\n' && before != b'\r'));
        before = *byte;
    }
    count
}

/// The fields of one record after another, in the same memory.
pub(super) struct Fields {
    quoted: Reader,
    bare: Reader,
    output: Vec<u8>,
    ends: [usize; COLUMNS],
    count: usize,
}

impl Fields {
    pub fn new(delimiter: u8) -> Self {
        let build = |quoting| {
            ReaderBuilder::new()
                .delimiter(delimiter)
                .quoting(quoting)
                .build()
        };
        Self {
            quoted: build(true),
            bare: build(false),
            output: Vec::new(),
            ends: [0; COLUMNS],
            count: 0,
        }
    }

    pub fn split(&mut self, record: &Record) {
        let reader = if record.unclosed {
            &mut self.bare
        } else {
            &mut self.quoted
        };
        reader.reset();
        // Fields are never longer than the record that they come from.
        self.output.resize(record.text.len() + 1, 0);
        let (result, _, written, mut count) =
            reader.read_record(record.text.as_bytes(), &mut self.output, &mut self.ends);
        if result == ReadRecordResult::InputEmpty {
            // The end of the input ends the record.
            let (_, _, _, more) =
                reader.read_record(&[], &mut self.output[written..], &mut self.ends[count..]);
            count += more;
        }
        self.count = count;
    }

    pub const fn count(&self) -> usize {
        self.count
    }

    /// A field without white space around it; empty if there is none. Its delimiters are ASCII, so it is text.
    pub fn get(&self, i: usize) -> &str {
        if i >= self.count {
            return "";
        }
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        std::str::from_utf8(&self.output[start..self.ends[i]])
            .unwrap_or_default()
            .trim()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.count).map(|i| self.get(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>, bool)> {
        let mut fields = Fields::new(b',');
        Records::new(text, b',', 0)
            .map(|record| {
                fields.split(&record);
                let all = fields.iter().map(str::to_owned).collect();
                (record.line, all, record.unclosed)
            })
            .collect()
    }

    fn record(line: usize, fields: &[&str]) -> (usize, Vec<String>, bool) {
        (
            line,
            fields.iter().map(|f| (*f).to_owned()).collect(),
            false,
        )
    }

    #[test]
    fn line_breaks_within_quotation_marks_belong_to_the_field() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "a,b,c\n1,\"x\ny \"\"z\"\"\",3\n\n , \n4,5,6".replace('\n', end);
            let within = format!("x{end}y \"z\"");
            let want = [
                record(1, &["a", "b", "c"]),
                record(2, &["1", &within, "3"]),
                record(6, &["4", "5", "6"]),
            ];
            assert_eq!(read(&text), want, "{text:?}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_costs_its_line_only() {
        for text in [
            "1,\"Eve\n2,Fay\n",
            "1,\"Eve\n2,\"Fay\"\n",
            "1,\"Eve\n2,Fay,\"x\"\n",
        ] {
            let records = read(text);
            assert_eq!(records.len(), 2, "{text:?}");
            assert!(records[0].2 && !records[1].2, "{text:?}");
            assert_eq!(records[1].1[1], "Fay", "{text:?}");
        }
        // Within one line nothing else can be meant.
        assert_eq!(read("1,\"O\"Neil\"\n2,b\n")[1], record(2, &["2", "b"]));
        let long = format!("1,\"{}\n2,b\n", "x\n".repeat(LONGEST_FIELD));
        assert!(read(&long)[0].2);
    }

    proptest! {
        #[test]
        fn every_text_has_an_end(text in "[a\",;\r\n 山]{0,100}") {
            let records = read(&text);
            prop_assert!(records.len() <= text.len());
            prop_assert!(records.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
