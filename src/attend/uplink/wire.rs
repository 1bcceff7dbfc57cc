//! The attendance server's language, byte for byte as the old client spoke it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::base::outside::plain;

/// Where taps are sent, below `server_url`.
pub const ATTENDANCE: &str = "/api/attendance";
/// Where the server tells that it is there.
pub const HEALTH: &str = "/api/health";
/// The header that says how far a tap's time can be trusted; the body has no room for it.
pub const CLOCK_HEADER: &str = "FaceTap-Clock";
/// Characters of an answer that are kept in the ledger.
const KEPT: usize = 300;
/// The longest word that may tell of a server's health.
const LONGEST_WORD: usize = 16;

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
pub enum ServerVerdict {
    /// The server has stored it.
    Stored,
    /// The server reports a duplicate.
    Duplicate,
    /// The API says that it will never take this tap, provided that it is the API that speaks ([`is_api`]).
    Rejected,
    /// Anything else: the server is in trouble, or something on the way has answered. Try again later.
    Trouble,
}

/// Refusals that may be the application's word on one tap. All others speak of the address, the token, a proxy, the size,
/// the pace or the kind of a request (RFC 9110, RFC 6585), which no other tap has otherwise.
const OF_THE_TAP: &[u16] = &[400, 404, 409, 410, 422];

/// Judges the answer to a tap. A page of a proxy, a firewall or a captive portal is an answer too, but never a verdict.
#[must_use]
pub fn verdict(status: u16, body: &str) -> ServerVerdict {
    match (status, word(body).as_deref()) {
        (200..=299, Some("success")) => ServerVerdict::Stored,
        (200..=299, Some("duplicate")) => ServerVerdict::Duplicate,
        (400..=499, Some("error")) if OF_THE_TAP.contains(&status) => ServerVerdict::Rejected,
        _ => ServerVerdict::Trouble,
    }
}

/// Whether an answer shows that the tap was not stored: the API says that it failed, or somebody refused it.
#[must_use]
pub fn is_refusal(status: u16, body: &str) -> bool {
    matches!(status, 400..=499) || word(body).as_deref() == Some("error")
}

/// Whether the answer for the health is that of the attendance server rather than a page of something on the way.
#[must_use]
pub fn is_api(status: u16, body: &str) -> bool {
    status == 200 && object(body).is_some() && word(body).as_deref() != Some("error")
}

/// Whether the answer for the health is one: the API's, or a word such as "ok", which no page is.
#[must_use]
pub fn is_well(status: u16, body: &str) -> bool {
    let word = body.trim().trim_matches('"');
    let is_word = !word.is_empty()
        && word.len() <= LONGEST_WORD
        && word.bytes().all(|b| b.is_ascii_alphanumeric());
    is_api(status, body) || (status == 200 && is_word)
}

/// Whether it is a page for people.
#[must_use]
pub fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// The `status` of the object that the API answers with.
pub(super) fn word(body: &str) -> Option<String> {
    Some(object(body)?.get("status")?.as_str()?.to_owned())
}

/// The object that an answer begins with; what somebody on the way has put behind it is none of the server's.
fn object(body: &str) -> Option<Map<String, Value>> {
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<Value>();
    match values.next()?.ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Status and beginning of an answer, on one line, for ledger and log.
#[must_use]
pub fn summary(status: u16, body: &str) -> String {
    let text: String = plain(body)
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

    const ERROR: &str = r#"{"status":"error","message":"missing idm"}"#;

    #[test]
    fn answers_are_judged() {
        use ServerVerdict::{Duplicate, Rejected, Stored, Trouble};
        let duplicate = r#"{"status":"duplicate","message":"重複データ","time_diff":3}"#;
        for (status, body, want) in [
            (200, r#"{"status":"success","attendance_id":7}"#, Stored),
            (200, duplicate, Duplicate),
            (200, r#"{"status":"broken"}"#, Trouble),
            (200, "<html>hotel network</html>", Trouble),
            (200, "", Trouble),
            (200, "[]", Trouble),
            (200, ERROR, Trouble),
            (204, "", Trouble),
            (302, "", Trouble),
            (400, ERROR, Rejected),
            (404, ERROR, Rejected),
            (409, ERROR, Rejected),
            (422, ERROR, Rejected),
            (407, ERROR, Trouble),
            (200, "{\"status\":\"success\"}\n<script>ad</script>", Stored),
            (500, ERROR, Trouble),
            (500, duplicate, Trouble),
            (503, "", Trouble),
        ] {
            assert_eq!(verdict(status, body), want, "{status} {body}");
        }
    }

    #[test]
    fn only_the_api_s_own_words_reject() {
        for status in 400..500 {
            for body in [
                "",
                "Bad Request",
                "<html>Forbidden by firewall</html>",
                "{}",
                r#"["status", "error"]"#,
                r#""error""#,
                r#"{"status": 400}"#,
                r#"{"status": "fail"}"#,
                r#"{"error": "blocked"}"#,
            ] {
                assert_eq!(
                    verdict(status, body),
                    ServerVerdict::Trouble,
                    "{status} {body}"
                );
            }
        }
        // A wrong token must not reject a day of taps.
        for status in (401..=499).filter(|status| !OF_THE_TAP.contains(status)) {
            assert_eq!(verdict(status, ERROR), ServerVerdict::Trouble, "{status}");
        }
    }

    #[test]
    fn the_api_s_health_is_told_from_a_page() {
        assert!(is_api(200, r#"{"status":"ok"}"#));
        assert!(is_api(200, "{}"));
        for (status, body) in [
            (200, "<html>hotel network</html>"),
            (200, ""),
            (200, "[]"),
            (200, ERROR),
            (404, r#"{"status":"ok"}"#),
        ] {
            assert!(!is_api(status, body), "{status} {body}");
        }
        assert!(is_page("\n <!DOCTYPE html>") && !is_page("ok"));
        for (status, body, want) in [
            (200, r#"{"status":"ok"}"#, true),
            (200, "ok", true),
            (200, "\"healthy\"\n", true),
            (200, "", false),
            (200, "Please log in", false),
            (200, "<html>", false),
            (200, ERROR, false),
            (204, "", false),
            (503, "ok", false),
        ] {
            assert_eq!(is_well(status, body), want, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_shows_that_nothing_was_stored() {
        for (status, body, want) in [
            (403, "<html>", true),
            (500, ERROR, true),
            (502, "<html>", false),
            (200, "<html>", false),
        ] {
            assert_eq!(is_refusal(status, body), want, "{status} {body}");
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
