//! HTTP/1.1 as far as a server for one well-known client needs it: requests out of bytes, answers into bytes. Pure.

use http::StatusCode;
use serde_json::Value;

/// Longest head, and longest body; the client's are a few hundred bytes.
const LARGEST_REQUEST: usize = 64 << 10;
/// Headers that a request may have.
const HEADERS: usize = 64;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// Path.
    pub path: String,
    /// Body.
    pub body: Vec<u8>,
}

/// What came is no HTTP, or too long; the connection is to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Takes the next request out of what has come so far; none if it is not whole yet.
pub(super) fn take(buffer: &mut Vec<u8>) -> Result<Option<Request>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) if buffer.len() < LARGEST_REQUEST => return Ok(None),
        _ => return Err(Broken),
    };
    let length = parsed
        .headers
        .iter()
        .find(|h| h.name.eq_ignore_ascii_case("content-length"))
        .map_or(Some(0), |h| {
            std::str::from_utf8(h.value).ok()?.trim().parse().ok()
        })
        .filter(|n: &usize| *n <= LARGEST_REQUEST)
        .ok_or(Broken)?;
    if buffer.len() < head + length {
        return Ok(None);
    }
    let (method, path) = (
        parsed.method.unwrap_or_default(),
        parsed.path.unwrap_or_default(),
    );
    let (method, path) = (method.to_owned(), path.to_owned());
    let body = buffer[head..head + length].to_vec();
    buffer.drain(..head + length);
    Ok(Some(Request { method, path, body }))
}

/// The bytes of an answer.
pub(super) fn answer(status: u16, value: &Value) -> Vec<u8> {
    let reason = StatusCode::from_u16(status).map_or("", |s| s.canonical_reason().unwrap_or(""));
    let body = value.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const POST: &[u8] = b"POST /api/attendance HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";

    #[test]
    fn requests_come_in_pieces_and_several_at_once() {
        let mut buffer = Vec::new();
        for byte in &POST[..POST.len() - 1] {
            buffer.push(*byte);
            assert_eq!(take(&mut buffer), Ok(None));
        }
        buffer.push(b'}');
        buffer.extend(b"GET /api/health HTTP/1.1\r\n\r\nGE");
        let first = take(&mut buffer).unwrap().unwrap();
        assert_eq!(
            (first.method.as_str(), first.body.as_slice()),
            ("POST", &b"{}"[..])
        );
        let second = take(&mut buffer).unwrap().unwrap();
        assert_eq!(
            (second.method.as_str(), second.path.as_str()),
            ("GET", "/api/health")
        );
        assert_eq!(buffer, b"GE");
    }

    #[test]
    fn what_is_too_long_or_no_http_ends_the_connection() {
        for bad in [
            "POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "\0\0\0\0",
        ] {
            assert_eq!(take(&mut bad.as_bytes().to_vec()), Err(Broken), "{bad:?}");
        }
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(LARGEST_REQUEST));
        assert_eq!(take(&mut endless.into_bytes()), Err(Broken));
    }

    #[test]
    fn an_answer_tells_its_length_in_bytes() {
        let text = String::from_utf8(answer(200, &json!({"message": "重複データ"}))).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut buffer = bytes;
            let before = buffer.len();
            if let Ok(Some(_)) = take(&mut buffer) {
                prop_assert!(buffer.len() < before);
            }
        }
    }
}
