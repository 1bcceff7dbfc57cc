//! The text of an answer: what its bytes say, whatever stands on the way has made of them. Pure.

use std::io::Read as _;

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The largest text that is unpacked, in bytes.
pub(super) const TEXT_MAX: u64 = 64 * 1024;
/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

/// The text of a body that came with these headers. Nobody is asked for compression, and some compress all the same.
///
/// # Errors
/// It is packed in a way that cannot be unpacked; its name.
pub(super) fn text(
    encoding: Option<&str>,
    content_type: Option<&str>,
    bytes: Vec<u8>,
) -> Result<String, String> {
    let bytes = unpack(encoding.unwrap_or_default(), bytes)?;
    Ok(decode(charset(content_type.unwrap_or_default()), &bytes))
}

/// Takes the packings off, the last one first.
fn unpack(encoding: &str, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut names: Vec<_> = (encoding.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    if names.is_empty() && bytes.starts_with(GZIP) {
        names.push("gzip".to_owned());
    }
    for name in names.iter().rev() {
        // A body without bytes is packed by nobody; and some name a packing that they have taken off.
        if bytes.is_empty() || looks_like_json(&bytes) {
            break;
        }
        let unpacked = match name.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(bytes.as_slice())),
            // Half of the world means the one, half the other.
            "deflate" => read(ZlibDecoder::new(bytes.as_slice()))
                .or_else(|| read(DeflateDecoder::new(bytes.as_slice()))),
            _ => None,
        };
        bytes = unpacked.ok_or_else(|| name.chars().take(20).collect::<String>())?;
    }
    Ok(bytes)
}

/// All that can be unpacked; none where that is nothing.
fn read(packed: impl std::io::Read) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    match packed.take(TEXT_MAX).read_to_end(&mut text) {
        // The check sum behind it may be missing.
        Err(_) if text.is_empty() => None,
        _ => Some(text),
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    first == Some(&b'{') && std::str::from_utf8(bytes).is_ok()
}

/// `charset` of a content type.
fn charset(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("charset"))
            .then(|| Encoding::for_label(value.trim().trim_matches('"').as_bytes()))
            .flatten()
    })
}

/// What a byte order mark says goes before what the bytes look like, and that before what is said of them: JSON is UTF-8
/// in most answers that claim to be something else.
fn decode(said: Option<&'static Encoding>, bytes: &[u8]) -> String {
    let looks = match bytes {
        _ if Encoding::for_bom(bytes).is_some() => None,
        [0, b, ..] if *b != 0 => Some(UTF_16BE),
        [b, 0, ..] if *b != 0 => Some(UTF_16LE),
        _ if std::str::from_utf8(bytes).is_ok() => Some(UTF_8),
        _ => None,
    };
    let encoding = looks.or(said.filter(|e| *e != UTF_8)).unwrap_or(SHIFT_JIS);
    let (text, ..) = encoding.decode(bytes);
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write as _;

    const TEXT: &str = r#"{"status": "duplicate", "message": "重複データ"}"#;

    macro_rules! packed {
        ($encoder:ident, $bytes:expr) => {{
            let mut encoder = $encoder::new(Vec::new(), Compression::default());
            encoder.write_all($bytes).unwrap();
            encoder.finish().unwrap()
        }};
    }

    fn said(encoding: &str, content_type: &str, bytes: &[u8]) -> String {
        text(Some(encoding), Some(content_type), bytes.to_vec()).unwrap()
    }

    #[test]
    fn what_is_packed_without_being_asked_for_is_unpacked() {
        let plain = TEXT.as_bytes();
        let gzip = packed!(GzEncoder, plain);
        for (encoding, bytes) in [
            ("", plain.to_vec()),
            ("identity", plain.to_vec()),
            ("gzip", gzip.clone()),
            ("x-gzip", gzip.clone()),
            ("GZIP", gzip.clone()),
            ("", gzip.clone()),
            ("deflate", packed!(ZlibEncoder, plain)),
            ("deflate", packed!(DeflateEncoder, plain)),
            ("gzip, identity", gzip.clone()),
            ("gzip, gzip", packed!(GzEncoder, &gzip)),
            // The check sum is cut off.
            ("gzip", gzip[..gzip.len() - 8].to_vec()),
            // It was taken off, and the name was left.
            ("gzip", plain.to_vec()),
            ("br", plain.to_vec()),
        ] {
            assert_eq!(said(encoding, "", &bytes), TEXT, "{encoding}");
        }
        assert_eq!(said("gzip", "", b""), "");
        let brotli = [0x0b, 0x02, 0x80, 0x7b];
        assert_eq!(text(Some("br"), None, brotli.to_vec()), Err("br".into()));
        assert_eq!(
            text(Some("gzip"), None, brotli.to_vec()),
            Err("gzip".into())
        );
        let bomb = packed!(GzEncoder, &vec![b' '; 10 << 20]);
        assert_eq!(said("gzip", "", &bomb).len() as u64, TEXT_MAX);
    }

    #[test]
    fn marks_and_encodings_are_understood() {
        let utf16 = |mark: &[u8], unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = TEXT.encode_utf16().flat_map(unit);
            mark.iter().copied().chain(units).collect()
        };
        let json = "application/json";
        let (sjis, ..) = SHIFT_JIS.encode(TEXT);
        for (content_type, bytes) in [
            (json, TEXT.as_bytes().to_vec()),
            (json, [b"\xef\xbb\xbf", TEXT.as_bytes()].concat()),
            (json, utf16(b"\xff\xfe", u16::to_le_bytes)),
            (json, utf16(b"\xfe\xff", u16::to_be_bytes)),
            (json, utf16(b"", u16::to_le_bytes)),
            (json, utf16(b"", u16::to_be_bytes)),
            (
                "application/json; charset=iso-8859-1",
                TEXT.as_bytes().to_vec(),
            ),
            ("text/html; charset=\"Shift_JIS\"", sjis.to_vec()),
            ("text/plain", sjis.to_vec()),
        ] {
            assert_eq!(said("", content_type, &bytes), TEXT, "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(encoding in "(gzip|deflate|br|,| |x){0,3}", bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = text(Some(&encoding), Some("a;charset=utf-16"), bytes);
        }
    }
}
