//! What separates the parts of a stream (RFC 2046, 5.1), as servers write it: with the two hyphens in the header or
//! without, another one in the stream than in the header, or none at all before the first part.

use memchr::memmem::find;

/// A boundary that is at least so long is one wherever it stands; a shorter one only at the beginning of a line, for it
/// might come about in the data of a picture.
const CERTAIN: usize = 8;
/// Longest boundary of RFC 2046, and the hyphens.
const LONGEST: usize = 72;

/// The boundary, as far as it is known.
#[derive(Debug, Default)]
pub struct Boundary {
    /// Without the hyphens before it, unless it consists of nothing else.
    name: Option<Vec<u8>>,
}

impl Boundary {
    /// What the header says.
    #[must_use]
    pub fn told(said: Option<&str>) -> Self {
        Self {
            // A longer one is none; then pictures are found by their markers.
            name: said
                .filter(|said| said.len() <= LONGEST)
                .and_then(|said| bare(said.as_bytes())),
        }
    }

    /// Takes the boundary from what stands before a picture, if that has another one than the header.
    pub fn learn(&mut self, text: &[u8]) {
        if self
            .name
            .as_ref()
            .is_some_and(|name| find(text, name).is_some())
        {
            return;
        }
        let line = text
            .split(|b| *b == b'\n')
            .map(<[u8]>::trim_ascii)
            .rfind(|line| {
                line.starts_with(b"--") && (3..=LONGEST).contains(&line.len()) && is_text(line)
            });
        if let Some(name) = line.and_then(bare) {
            self.name = Some(name);
        }
    }

    /// Where in `data`, from `from` on, the first boundary begins, and where it ends. The line end and the hyphens before
    /// it are its own.
    #[must_use]
    pub fn find(&self, data: &[u8], from: usize) -> Option<(usize, usize)> {
        let name = self.name.as_deref()?;
        let mut from = from;
        loop {
            let at = from + find(data.get(from..)?, name)?;
            let end = at + name.len();
            // What follows may be still to come.
            let follows = *data.get(end)?;
            let hyphens = data[..at].iter().rev().take_while(|b| **b == b'-').count();
            let mut begin = at - hyphens;
            let line = begin == 0 || data[begin - 1] == b'\n';
            if matches!(follows, b'\r' | b'\n' | b'-' | b' ' | b'\t')
                && (line || end - begin >= CERTAIN)
            {
                for line_end in [b'\n', b'\r'] {
                    if begin > 0 && data[begin - 1] == line_end {
                        begin -= 1;
                    }
                }
                return Some((begin, end));
            }
            from = at + 1;
        }
    }

    /// So many bytes before the end of what was searched may be the beginning of a boundary.
    #[must_use]
    pub fn overlap(&self) -> usize {
        self.name.as_ref().map_or(0, |name| name.len() + 4)
    }
}

/// Whether it could be a boundary's line at all (RFC 2046: ASCII signs and blanks). Remains of a picture are none; taken for one
/// they might be found within the next picture.
fn is_text(line: &[u8]) -> bool {
    line.iter().all(|b| b.is_ascii_graphic() || *b == b' ')
}

/// A boundary without its hyphens.
fn bare(said: &[u8]) -> Option<Vec<u8>> {
    let hyphens = said.iter().take_while(|b| **b == b'-').count();
    let name = if hyphens < said.len() {
        &said[hyphens..]
    } else {
        said
    };
    (!name.is_empty()).then(|| name.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(told: Option<&str>, data: &str) -> Option<(usize, usize)> {
        Boundary::told(told).find(data.as_bytes(), 0)
    }

    #[test]
    fn it_is_found_with_and_without_hyphens() {
        for told in ["frame", "--frame"] {
            assert_eq!(found(Some(told), "ab\r\n--frame\r\n"), Some((2, 11)));
            assert_eq!(found(Some(told), "ab\nframe\n"), Some((2, 8)));
            assert_eq!(found(Some(told), "ab\r\n----frame--"), Some((2, 13)));
            assert_eq!(found(Some(told), "ab--frame\r\n"), None);
            assert_eq!(found(Some(told), "ab\r\n--frame"), None, "may go on");
            assert_eq!(found(Some(told), "ab\r\n--framework\r\n"), None);
        }
        assert_eq!(found(Some("boundary"), "ab--boundary\r\n"), Some((2, 12)));
        assert_eq!(found(Some("--"), "ab\r\n--\r\n"), Some((2, 6)));
        assert_eq!(found(None, "ab\r\n--frame\r\n"), None);
        // RFC 2046 allows 70 letters.
        let longer = "x".repeat(LONGEST + 1);
        assert_eq!(found(Some(&longer), &format!("\r\n--{longer}\r\n")), None);
    }

    #[test]
    fn that_of_the_stream_takes_the_place_of_the_headers() {
        for (told, text, data) in [
            (Some("a"), "--b\r\nX: y\r\n\r\n", "\r\n--b\r\n"),
            (None, "junk\r\n--b\r\n\r\n", "\r\n--b\r\n"),
            (Some("a"), "--a\r\n--b\r\n", "\r\n--a\r\n"),
        ] {
            let mut boundary = Boundary::told(told);
            boundary.learn(text.as_bytes());
            assert_eq!(boundary.find(data.as_bytes(), 0), Some((0, 5)), "{text}");
        }
        let mut boundary = Boundary::told(None);
        boundary.learn(b"X: y\r\n--\r\n");
        assert_eq!(boundary.find(b"\r\n--\r\n", 0), None);
    }

    #[test]
    fn remains_of_a_picture_are_no_boundary() {
        let mut boundary = Boundary::told(Some("b"));
        boundary.learn(b"--\xd8\xff\xc0\x0b\x02\xff\xd9\r\n");
        assert_eq!(
            boundary.find(b"\xff\xd8\xff\xc0\x0b\x02\xff\xd9\r\n", 0),
            None
        );
        boundary.learn(b"--another one\r\n");
        assert_eq!(
            boundary.find(b"\xff\xd8\n--another one\r\n", 0),
            Some((2, 16))
        );
    }
}
