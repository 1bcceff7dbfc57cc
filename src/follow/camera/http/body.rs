//! The answer of an MJPEG server, byte by byte: head, transfer coding, parts. No sockets here.

use anyhow::{Result, bail};

use super::parts::Parts;
use crate::base::clock::Monotime;
use crate::base::outside::plain;
use crate::follow::camera::received::Arrived;

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
    /// The server gives no pictures.
    Refused(Refusal),
}

/// Why a server gives no pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For people.
    pub why: String,
    /// Whether a name and a password may help.
    pub locked: bool,
    /// What it says about the ways to tell them: the values of `WWW-Authenticate`.
    pub challenges: Vec<String>,
}

/// The body of the answer.
#[derive(Debug)]
pub struct Body {
    chunked: Option<Chunked>,
    parts: Parts,
}

impl Answer {
    /// Before the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self::Head(Vec::new())
    }

    /// Takes in what was received at `now`.
    ///
    /// # Errors
    /// It is no answer, or damaged.
    pub fn push(&mut self, received: &[u8], now: Monotime) -> Result<()> {
        match self {
            Self::Head(head) => {
                head.extend_from_slice(received);
                if let Some((answer, used)) = parse_head(head)? {
                    let rest = head.split_off(used);
                    *self = answer;
                    if let Self::Body(body) = self {
                        body.push(&rest, now)?;
                    }
                } else if head.len() > MAX_HEAD {
                    bail!("the head of the answer does not end after {MAX_HEAD} bytes");
                }
                Ok(())
            }
            Self::Body(body) => body.push(received, now),
            Self::Refused(_) => Ok(()),
        }
    }

    /// The next picture that has arrived completely.
    ///
    /// # Errors
    /// What arrives are no pictures.
    pub fn next_picture(&mut self) -> Result<Option<Arrived>> {
        match self {
            Self::Head(_) | Self::Refused(_) => Ok(None),
            Self::Body(body) => body.parts.next_picture(),
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::new()
    }
}

impl Body {
    fn push(&mut self, received: &[u8], now: Monotime) -> Result<()> {
        match &mut self.chunked {
            None => self.parts.push(received, now),
            Some(chunked) => chunked.decode(received, &mut |data| self.parts.push(data, now))?,
        }
        Ok(())
    }
}

/// Reads a complete head; returns what follows and where that begins.
fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let used = match answer.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => bail!("the server does not speak HTTP ({e})"),
    };
    let all = |name: &str| -> Vec<String> {
        let named = answer
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        named
            .map(|h| String::from_utf8_lossy(h.value).trim().to_owned())
            .collect()
    };
    let header = |name: &str| all(name).into_iter().next();
    let refusal = |locked: bool, why: String| {
        let challenges = all("WWW-Authenticate");
        let refusal = Refusal {
            why,
            locked,
            challenges,
        };
        Ok(Some((Answer::Refused(refusal), used)))
    };
    match answer.code.unwrap_or(0) {
        200 => {}
        401 => {
            return refusal(
                true,
                "the server wants a name and a password (401); write http://name:password@... as camera.source".to_owned(),
            );
        }
        code @ 300..=399 => {
            return refusal(
                false,
                match header("Location") {
                    Some(to) => {
                        format!(
                            "the server sends us on to {to} ({code}); write that as camera.source"
                        )
                    }
                    None => format!("the server answers {code}"),
                },
            );
        }
        code => {
            let reason = plain(answer.reason.unwrap_or(""));
            // Some servers do not ask for what they do not show without.
            return refusal(code == 403, format!("the server answers {code} {reason}"));
        }
    }
    let kind = header("Content-Type").unwrap_or_default();
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let kind = kind.trim().to_ascii_lowercase();
    // A page may be the form for a name and a password.
    if let Some(why) = no_stream(&kind) {
        return refusal(true, why);
    }
    let chunked = header("Transfer-Encoding")
        .is_some_and(|c| c.to_ascii_lowercase().contains("chunked"))
        .then(Chunked::default);
    let parts = Parts::new(boundary(parameters).as_deref());
    Ok(Some((Answer::Body(Body { chunked, parts }), used)))
}

/// Why a content of this type cannot be a stream of pictures. Small servers say nothing, or something general; whether
/// pictures come is seen soon enough.
fn no_stream(kind: &str) -> Option<String> {
    const GENERAL: [&str; 6] = [
        "",
        "application/octet-stream",
        "video/mjpeg",
        "video/x-mjpeg",
        "video/x-motion-jpeg",
        "video/jpeg",
    ];
    match kind {
        kind if kind.starts_with("multipart/") || GENERAL.contains(&kind) => None,
        "image/jpeg" => Some(
            "it is a single picture, not a stream; look for the camera's MJPEG address".to_owned(),
        ),
        other => Some(format!(
            "it is {other}, not an MJPEG stream (multipart/x-mixed-replace)"
        )),
    }
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
    use crate::follow::camera::jpeg::small;
    use proptest::prelude::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n";

    fn fed(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>> {
        let mut answer = Answer::new();
        let mut pictures = Vec::new();
        for piece in bytes.chunks(piece.max(1)) {
            answer.push(piece, Monotime::default())?;
            while let Some(picture) = answer.next_picture()? {
                pictures.push(picture.jpeg);
            }
            if let Answer::Refused(refusal) = answer {
                bail!(refusal.why);
            }
        }
        Ok(pictures)
    }

    fn part(picture: &[u8]) -> Vec<u8> {
        let head = format!("--b\r\nContent-Length: {}\r\n\r\n", picture.len());
        [head.as_bytes(), picture, b"\r\n"].concat()
    }

    fn refusal(answer: &str) -> String {
        fed(answer.as_bytes(), 7).unwrap_err().to_string()
    }

    #[test]
    fn a_plain_stream_in_pieces_of_any_size() {
        let (one, two) = (small(1), small(2));
        let stream = [HEAD.as_bytes(), b"\r\n", &part(&one), &part(&two)].concat();
        for piece in [1, 2, 3, 10, 10_000] {
            let got = fed(&stream, piece).unwrap();
            assert_eq!(got, [one.clone(), two.clone()], "{piece}");
        }
    }

    #[test]
    fn a_chunked_stream_may_cut_pictures_anywhere() {
        let body = part(&small(3));
        for cut in 1..body.len() {
            let (one, two) = body.split_at(cut);
            let mut stream = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            stream.extend(format!("{:x};ext=1\r\n", one.len()).as_bytes());
            stream.extend(one);
            stream.extend(format!("\r\n{:X}\r\n", two.len()).as_bytes());
            stream.extend(two);
            for piece in [1, 5, 10_000] {
                assert_eq!(fed(&stream, piece).unwrap(), [small(3)], "{cut}");
            }
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
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
                "text/plain",
            ),
        ] {
            let why = refusal(answer);
            assert!(why.contains(part), "{answer}: {why}");
        }
    }

    #[test]
    fn a_stream_may_be_called_by_a_general_name_or_none() {
        for kind in ["Content-Type: application/octet-stream\r\n", ""] {
            let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\n");
            let stream = [head.as_bytes(), &part(&small(1)), &small(2)].concat();
            assert_eq!(fed(&stream, 3).unwrap(), [small(1), small(2)], "{kind}");
        }
    }

    #[test]
    fn what_a_locked_server_says_is_kept() {
        let head = "HTTP/1.1 401 No\r\nwww-authenticate: Digest realm=\"a\"\r\n\
                    WWW-Authenticate: Basic realm=\"a, b\"\r\n\r\n";
        let mut answer = Answer::new();
        answer.push(head.as_bytes(), Monotime::default()).unwrap();
        let Answer::Refused(refusal) = answer else {
            panic!("{answer:?}");
        };
        assert!(refusal.locked);
        let want = ["Digest realm=\"a\"", "Basic realm=\"a, b\""];
        assert_eq!(refusal.challenges, want);
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
