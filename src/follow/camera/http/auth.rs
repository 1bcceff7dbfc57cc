//! Name and password, in the way that the server asks for: digest (RFC 7616, and 2069 for old cameras) or basic
//! (RFC 7617). They are told to nobody who has not asked.

use http_auth::{PasswordClient, PasswordParams};

use super::body::Refusal;
use super::url::{HttpUrl, basic};

/// What the line `Authorization` says to a server that has refused us. Digest is preferred: it does not tell the password.
///
/// # Errors
/// A message for people: the server asks in a way that is not known here.
pub fn answer(refusal: &Refusal, url: &HttpUrl, user: &(String, String)) -> Result<String, String> {
    let (name, password) = user;
    let asked = |scheme: &str| {
        let mut challenges = refusal.challenges.iter();
        challenges.any(|c| c.to_ascii_lowercase().contains(scheme))
    };
    let mut all = PasswordClient::builder();
    for challenge in &refusal.challenges {
        all = all.challenges(challenge);
    }
    let why = match all.build() {
        Ok(mut client) => {
            let mut respond = |body| {
                client.respond(&PasswordParams {
                    username: name,
                    password,
                    uri: &url.target,
                    method: "GET",
                    body,
                })
            };
            // With a body it would prefer auth-int, which few cameras can do though they offer it.
            match respond(None).or_else(|_| respond(Some(&[]))) {
                Ok(response) => return Ok(response),
                Err(why) => why,
            }
        }
        Err(why) => why,
    };
    // Servers that ask for nothing in particular, or in no words that can be read, mean this one.
    if refusal.challenges.is_empty() || asked("basic") {
        return Ok(basic(name, password));
    }
    let challenges = refusal.challenges.join(", ");
    Err(format!(
        "the server wants name and password in a way that is not known here, neither basic nor digest with MD5 or SHA-256 \
         ({challenges}; {why}); choose another way in the camera's settings"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(challenges: &[&str]) -> Result<String, String> {
        let refusal = Refusal {
            why: String::new(),
            locked: true,
            challenges: challenges.iter().map(|c| (*c).to_owned()).collect(),
        };
        let url = HttpUrl::parse("http://cam/video?channel=1&subtype=1").unwrap();
        answer(&refusal, &url, &("me".to_owned(), "secret".to_owned()))
    }

    /// The value of a parameter of an answer.
    fn parameter(answer: &str, name: &str) -> Option<String> {
        let fields = answer.strip_prefix("Digest ")?.split(", ");
        let found = fields
            .filter_map(|f| f.split_once('='))
            .find(|f| f.0 == name)?;
        Some(found.1.trim_matches('"').to_owned())
    }

    #[test]
    fn digest_is_preferred_and_tells_no_password() {
        // As Dahua, Hikvision, Axis and others ask.
        for challenges in [
            &[
                "Digest realm=\"Login to 5F08\", qop=\"auth\", nonce=\"1013271036\", opaque=\"ca7c\"",
            ][..],
            &[
                "Basic realm=\"cam\"",
                "Digest qop=\"auth\", realm=\"IP Camera(1234)\", nonce=\"4f7a\", stale=\"FALSE\"",
            ],
            &[
                "Digest realm=\"AXIS_00408C\", nonce=\"0079\", algorithm=MD5, qop=\"auth,auth-int\"",
                "Basic realm=\"AXIS\"",
            ],
            &[
                "Basic realm=\"a\", Digest realm=\"a\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256",
            ],
            &["digest realm=\"a\", nonce=\"1\", qop=auth"],
        ] {
            let answer = asked(challenges).unwrap();
            assert!(!answer.contains("secret"), "{answer}");
            let uri = parameter(&answer, "uri").unwrap();
            assert_eq!(uri, "/video?channel=1&subtype=1", "{answer}");
            assert_eq!(parameter(&answer, "qop").as_deref(), Some("auth"));
            assert_eq!(parameter(&answer, "nc").as_deref(), Some("00000001"));
            assert!(parameter(&answer, "cnonce").is_some_and(|c| c.len() >= 8));
        }
    }

    #[test]
    fn old_cameras_get_the_short_form() {
        let answer = asked(&["Digest realm=\"iPOLiS\", nonce=\"BA2B\""]).unwrap();
        // MD5(MD5("me:iPOLiS:secret"):BA2B:MD5("GET:/video?channel=1&subtype=1"))
        assert_eq!(
            parameter(&answer, "response").as_deref(),
            Some("91f1f9f64710b643fdea4ec251472116"),
            "{answer}"
        );
        assert_eq!(parameter(&answer, "cnonce"), None);
    }

    #[test]
    fn basic_is_for_those_who_ask_for_it_or_for_nothing() {
        for challenges in [&["Basic realm=\"a\""][..], &["basic"], &[]] {
            assert_eq!(asked(challenges).unwrap(), "Basic bWU6c2VjcmV0");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (challenge, part) in [
            ("Negotiate", "Negotiate"),
            ("Digest realm=\"a\", nonce=\"1\", algorithm=SHA-1", "SHA-1"),
            ("Digest realm=\"a\"", "nonce"),
        ] {
            let why = asked(&[challenge]).unwrap_err();
            assert!(
                why.contains(part) && why.contains("not known here"),
                "{why}"
            );
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
