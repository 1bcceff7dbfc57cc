//! The attendance server's language, byte for byte as the old client spoke it.

use std::fmt::Write as _;

use serde_json::Value;

/// Where taps are sent, below `server_url`.
pub const ATTENDANCE: &str = "/api/attendance";
/// Where the server tells that it is there.
pub const HEALTH: &str = "/api/health";
/// The header that says how far a tap's time can be trusted; the body has no room for it.
pub const CLOCK_HEADER: &str = "FaceTap-Clock";
/// Characters of an answer that are kept in the ledger.
const KEPT: usize = 300;

/// An address below `server_url`, which may end with a slash.
#[must_use]
pub fn address(server_url: &str, path: &str) -> String {
    format!("{}{path}", server_url.trim_end_matches('/'))
}

/// The body of a tap, as Python's `json.dumps` writes it. `local_time` carries no offset: the server
/// answers 500 to one.
#[must_use]
pub fn body(uid: &str, local_time: &str, terminal_id: &str) -> String {
    format!(
        r#"{{"idm": {}, "timestamp": {}, "terminal_id": {}}}"#,
        python_string(uid),
        python_string(local_time),
        python_string(terminal_id)
    )
}

/// A string as `json.dumps` writes it: ASCII only.
fn python_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// What an answer means for a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server has stored it.
    Stored,
    /// The server says that it has had it before.
    Duplicate,
    /// The server will never take this tap; others may pass.
    Rejected,
    /// The server refuses, for a reason that may lie in this tap or in what all have in common: address, token.
    Denied,
    /// The server is in trouble, or it is not the attendance server that answered: try again later.
    Trouble,
}

/// Judges the answer to a tap.
#[must_use]
pub fn verdict(status: u16, body: &str) -> Verdict {
    match status {
        // A proxy's or a router's page is an answer too, but not one of the API.
        200..=299 => match serde_json::from_str::<Value>(body) {
            Ok(v) if v["status"] == "success" => Verdict::Stored,
            Ok(v) if v["status"] == "duplicate" => Verdict::Duplicate,
            _ => Verdict::Trouble,
        },
        // Timeout, too early, too many requests: later.
        408 | 425 | 429 => Verdict::Trouble,
        // Token, address, method, proxy, misdirected.
        401..=407 | 421 => Verdict::Denied,
        // The tap itself is at fault.
        400..=499 => Verdict::Rejected,
        _ => Verdict::Trouble,
    }
}

/// Status and beginning of an answer, on one line, for ledger and log.
#[must_use]
pub fn summary(status: u16, body: &str) -> String {
    let text: String = body
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(KEPT)
        .collect();
    format!("{status} {text}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The server was written for these bytes (legacy.md, part 2).
    #[test]
    fn the_body_is_frozen() {
        assert_eq!(
            body(
                "04A1B2C3D4E5F6",
                "2025-11-21T14:30:00.123456",
                "AA:BB:CC:DD:EE:FF"
            ),
            r#"{"idm": "04A1B2C3D4E5F6", "timestamp": "2025-11-21T14:30:00.123456", "terminal_id": "AA:BB:CC:DD:EE:FF"}"#
        );
    }

    #[test]
    fn strings_are_escaped_as_python_does() {
        assert_eq!(
            python_string("\"\\/\n\t\u{1}\u{7f}é入😀"),
            r#""\"\\/\n\t\u0001"#.to_owned() + "\u{7f}" + r#"\u00e9\u5165\ud83d\ude00""#
        );
    }

    #[test]
    fn addresses_tolerate_a_slash() {
        for url in ["http://h:5000", "http://h:5000/"] {
            assert_eq!(address(url, ATTENDANCE), "http://h:5000/api/attendance");
            assert_eq!(address(url, HEALTH), "http://h:5000/api/health");
        }
    }

    #[test]
    fn answers_are_judged() {
        use Verdict::{Denied, Duplicate, Rejected, Stored, Trouble};
        let duplicate = r#"{"status":"duplicate","message":"重複データ","time_diff":3}"#;
        for (status, body, want) in [
            (200, r#"{"status":"success","attendance_id":7}"#, Stored),
            (200, duplicate, Duplicate),
            (200, r#"{"status":"broken"}"#, Trouble),
            (200, "<html>hotel network</html>", Trouble),
            (200, "", Trouble),
            (200, "[]", Trouble),
            (204, "", Trouble),
            (302, "", Trouble),
            (400, r#"{"status":"error"}"#, Rejected),
            (422, "", Rejected),
            (418, "", Rejected),
            (401, "", Denied),
            (403, "", Denied),
            (404, "", Denied),
            (408, "", Trouble),
            (429, "", Trouble),
            (500, duplicate, Trouble),
            (503, "", Trouble),
        ] {
            assert_eq!(verdict(status, body), want, "{status} {body}");
        }
    }

    #[test]
    fn a_summary_is_one_short_line() {
        assert_eq!(summary(400, "{\n \"a\": 1 }\n"), r#"400 { "a": 1 }"#);
        assert_eq!(summary(500, ""), "500");
        assert!(summary(200, &"入".repeat(10_000)).chars().count() < 310);
    }

    proptest! {
        #[test]
        fn no_answer_panics(status in 0u16..1000, body in ".{0,200}") {
            let _ = verdict(status, &body);
            prop_assert!(!summary(status, &body).contains('\n'));
        }

        #[test]
        fn every_body_is_the_json_it_should_be(id in ".{0,40}") {
            let v: Value = serde_json::from_str(&body("A", "B", &id)).unwrap();
            prop_assert_eq!(v["terminal_id"].as_str(), Some(id.as_str()));
        }
    }
}
