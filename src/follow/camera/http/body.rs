//! The answer of an MJPEG server, byte by byte: head, transfer coding, parts. No sockets here.

use anyhow::{Result, bail};

use super::parts::Parts;

/// Longest head of an answer, in bytes; servers send some hundred.
pub const MAX_HEAD: usize = 32 << 10;
/// Longest line that gives the size of a chunk, with extensions.
const MAX_CHUNK_LINE: usize = 256;

/// What arrives on the connection.
#[derive(Debug)]
pub enum Answer {
    /// The head is not complete yet.
    Head(Vec<u8>),
    /// The head was good; pictures follow.
    Body(Body),
}

/// The body of the answer.
#[derive(Debug)]
pub struct Body {
    chunked: Option<Chunked>,
    parts: Parts,
}

impl Answer {
    /// Before the first byte.
    pub const fn new() -> Self {
        Self::Head(Vec::new())
    }

    /// Takes in what was received.
    ///
    /// # Errors
    /// The answer is not a stream of pictures; the message says what it is.
    pub fn push(&mut self, received: &[u8]) -> Result<()> {
        match self {
            Self::Head(head) => {
                head.extend_from_slice(received);
                if let Some((mut body, used)) = parse_head(head)? {
                    body.push(&head[used..])?;
                    *self = Self::Body(body);
                } else if head.len() > MAX_HEAD {
                    bail!("the head of the answer does not end after {MAX_HEAD} bytes");
                }
                Ok(())
            }
            Self::Body(body) => body.push(received),
        }
    }

    /// The next picture that has arrived completely.
    ///
    /// # Errors
    /// What arrives are no pictures.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Head(_) => Ok(None),
            Self::Body(body) => body.parts.next(),
        }
    }
}

impl Body {
    fn push(&mut self, received: &[u8]) -> Result<()> {
        match &mut self.chunked {
            None => self.parts.push(received),
            Some(chunked) => chunked.decode(received, &mut |data| self.parts.push(data))?,
        }
        Ok(())
    }
}

/// Reads a complete head; returns the body that follows and where it begins.
fn parse_head(bytes: &[u8]) -> Result<Option<(Body, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let used = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => bail!("the server does not speak HTTP ({e})"),
    };
    let header = |name: &str| {
        answer
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name))
            .map(|h| String::from_utf8_lossy(h.value).trim().to_owned())
    };
    match answer.code.unwrap_or(0) {
        200 => {}
        401 => bail!(
            "the server wants a name and a password (401); write http://name:password@... as camera.source"
        ),
        code @ 300..=399 => match header("Location") {
            Some(to) => {
                bail!("the server sends us on to {to} ({code}); write that as camera.source")
            }
            None => bail!("the server answers {code}"),
        },
        code => {
            let reason = answer.reason.unwrap_or("").trim();
            bail!("the server answers {code} {reason}");
        }
    }
    let kind = header("Content-Type").unwrap_or_default();
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        match kind.trim() {
            "" => bail!(
                "the server does not say what it sends; an MJPEG stream is multipart/x-mixed-replace"
            ),
            "image/jpeg" => {
                bail!("it is a single picture, not a stream; look for the camera's MJPEG address")
            }
            other => bail!("it is {other}, not an MJPEG stream (multipart/x-mixed-replace)"),
        }
    }
    let chunked = header("Transfer-Encoding")
        .is_some_and(|c| c.to_ascii_lowercase().contains("chunked"))
        .then(Chunked::default);
    let parts = Parts::new(boundary(parameters).as_deref());
    Ok(Some((Body { chunked, parts }, used)))
}

/// The boundary among the parameters of a content type, without quotes.
fn boundary(parameters: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty())
            .then(|| value.to_owned())
    })
}

/// Where the decoder of the chunked transfer coding stands (RFC 9112, 7.1).
#[derive(Debug)]
enum Chunked {
    /// In the line with the size.
    Size(Vec<u8>),
    /// So many bytes of the chunk are still to come.
    Data(u64),
    /// In the line end after a chunk; one of these bytes was seen.
    LineEnd,
    /// The last chunk was seen.
    Over,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size(Vec::new())
    }
}

impl Chunked {
    fn decode(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<()> {
        while let Some((&byte, after)) = bytes.split_first() {
            match self {
                Self::Size(line) => {
                    bytes = after;
                    if byte != b'\n' {
                        line.push(byte);
                        if line.len() > MAX_CHUNK_LINE {
                            bail!("the size of a chunk is damaged");
                        }
                        continue;
                    }
                    let text = String::from_utf8_lossy(line);
                    let digits = text.split(';').next().unwrap_or("").trim().to_owned();
                    *self = match u64::from_str_radix(&digits, 16) {
                        Ok(0) => Self::Over,
                        Ok(size) if !digits.starts_with('+') => Self::Data(size),
                        _ => bail!("the size of a chunk is damaged"),
                    };
                }
                Self::Data(left) => {
                    let take = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    out(&bytes[..take]);
                    bytes = &bytes[take..];
                    *left -= take as u64;
                    if *left == 0 {
                        *self = Self::LineEnd;
                    }
                }
                Self::LineEnd => match byte {
                    b'\r' => bytes = after,
                    b'\n' => {
                        bytes = after;
                        *self = Self::default();
                    }
                    _ => bail!("a chunk is longer than it says"),
                },
                Self::Over => bail!("the server has ended the stream"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n";

    fn fed(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
        let mut answer = Answer::new();
        let mut pictures = Vec::new();
        for piece in bytes.chunks(piece.max(1)) {
            answer.push(piece)?;
            while let Some(picture) = answer.next()? {
                pictures.push(picture);
            }
        }
        Ok(pictures)
    }

    fn refusal(answer: &str) -> String {
        fed(answer.as_bytes(), 7).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_stream_in_pieces_of_any_size() {
        let stream = format!(
            "{HEAD}\r\n--b\r\nContent-Length: 4\r\n\r\n\u{1}abc\r\n--b\r\nContent-Length: 3\r\n\r\nxyz\r\n--b"
        );
        for piece in [1, 2, 3, 10, 10_000] {
            let got = fed(stream.as_bytes(), piece).unwrap();
            assert_eq!(got, [b"\x01abc".to_vec(), b"xyz".to_vec()], "{piece}");
        }
    }

    #[test]
    fn a_chunked_stream_may_cut_pictures_anywhere() {
        let body = "--b\r\nContent-Length: 6\r\n\r\nabcdef\r\n--b\r\n";
        let (one, two) = body.split_at(27);
        let stream = format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n{:x};ext=1\r\n{one}\r\n{:X}\r\n{two}\r\n",
            one.len(),
            two.len()
        );
        for piece in [1, 5, 10_000] {
            assert_eq!(fed(stream.as_bytes(), piece).unwrap(), [b"abcdef".to_vec()]);
        }
    }

    #[test]
    fn broken_chunks_are_told() {
        for body in ["zz\r\n", "+5\r\n", "\r\n", "2\r\nabc", &"1".repeat(300)] {
            let why = refusal(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}"));
            assert!(why.contains("chunk"), "{body}: {why}");
        }
        let why = refusal(&format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ));
        assert!(why.contains("ended"), "{why}");
    }

    #[test]
    fn what_is_no_stream_is_named() {
        for (answer, part) in [
            ("SSH-2.0-OpenSSH\r\n\r\n", "HTTP"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
            ("HTTP/1.1 500 Oops\r\n\r\n", "500 Oops"),
            ("HTTP/1.1 401 No\r\n\r\n", "password"),
            (
                "HTTP/1.1 302 Go\r\nLocation: http://x/y\r\n\r\n",
                "http://x/y",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>",
                "text/html",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n",
                "single picture",
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", "does not say"),
        ] {
            let why = refusal(answer);
            assert!(why.contains(part), "{answer}: {why}");
        }
    }

    #[test]
    fn a_head_that_never_ends_is_given_up() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(40_000));
        assert!(refusal(&endless).contains("does not end"));
    }

    #[test]
    fn boundaries_are_read_in_every_form() {
        for (parameters, want) in [
            (" boundary=abc", Some("abc")),
            (" charset=x; Boundary=\"--a b\"", Some("--a b")),
            ("boundary=", None),
            ("", None),
        ] {
            assert_eq!(boundary(parameters).as_deref(), want, "{parameters}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            piece in 1usize..50,
            chunked: bool,
        ) {
            let _ = fed(&bytes, piece);
            let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            let mut stream = format!("{HEAD}{coding}\r\n--b\r\n").into_bytes();
            stream.extend(bytes);
            let _ = fed(&stream, piece);
        }
    }
}
