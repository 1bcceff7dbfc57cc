//! Addresses of streams.

use std::fmt;

/// The parts of an `http://` address that a request needs.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// Name or address of the server, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is asked for, with the query, from its `/`.
    pub target: String,
    /// Name and password, decoded.
    pub user: Option<(String, String)>,
}

impl HttpUrl {
    /// Takes an address apart.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(url: &str) -> Result<Self, String> {
        let scheme = url.get(..7).unwrap_or("");
        if !scheme.eq_ignore_ascii_case("http://") {
            return Err("it does not begin with http://".to_owned());
        }
        let rest = &url[7..];
        if let Some(c) = rest.chars().find(|c| c.is_control() || *c == ' ') {
            return Err(format!("it contains {c:?}; write %20 for a space"));
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let target = match path.chars().next() {
            None => "/".to_owned(),
            Some('?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((info, place)) => {
                let (name, password) = info.split_once(':').unwrap_or((info, ""));
                (Some((decode(name), decode(password))), place)
            }
            None => (None, authority),
        };
        let (host, port) = if let Some(rest) = place.strip_prefix('[') {
            let (host, after) = rest
                .split_once(']')
                .ok_or("the ] of the IPv6 address is missing")?;
            (host, after.strip_prefix(':'))
        } else {
            match place.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            }
        };
        let port = match port {
            None | Some("") => 80,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(format!("{text:?} is no port (1 to 65535)")),
            },
        };
        if host.is_empty() {
            return Err("the name of the server is missing".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            target,
            user,
        })
    }

    /// What the `Host` line says.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == 80 {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// The address without name and password: it goes into logs.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.target)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Any address without its name and password, for logs and messages.
#[must_use]
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{}", &rest[user.len() + 1..]),
        None => url.to_owned(),
    }
}

/// The server of any address, an IPv6 address without brackets; none if it names none.
#[must_use]
pub fn server(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    let host = match place.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => place.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Undoes `%41`; what is no such code stays as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let code = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Name and password as `Authorization: Basic` carries them (RFC 7617).
#[must_use]
pub fn basic(name: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("Basic ");
    for group in format!("{name}:{password}").as_bytes().chunks(3) {
        let byte = |n: usize| group.get(n).map_or(0, |b| u32::from(*b));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            out.push(if n <= group.len() {
                // Six bits are always within the table.
                char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_any_address_is_found() {
        for (url, want) in [
            ("rtsp://me:pass@cam.local:554/live?x=1", Some("cam.local")),
            ("https://[2001:db8::1]:8443", Some("2001:db8::1")),
            ("udp://@239.0.0.1:1234", Some("239.0.0.1")),
            ("tcp://:9000", None),
            ("cam", None),
        ] {
            assert_eq!(server(url), want, "{url}");
        }
    }

    fn parts(url: &str) -> (String, u16, String) {
        let u = HttpUrl::parse(url).unwrap();
        (u.host, u.port, u.target)
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (url, host, port, target) in [
            ("http://cam.local", "cam.local", 80, "/"),
            (
                "HTTP://10.0.0.7:8080/?action=stream",
                "10.0.0.7",
                8080,
                "/?action=stream",
            ),
            ("http://cam?x=1#part", "cam", 80, "/?x=1"),
            ("http://[fe80::1]:81/v", "fe80::1", 81, "/v"),
        ] {
            assert_eq!(
                parts(url),
                (host.to_owned(), port, target.to_owned()),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, part) in [
            ("ftp://x", "http://"),
            ("http://", "server"),
            ("http://:8080/", "server"),
            ("http://x:0/", "port"),
            ("http://x:99999/", "port"),
            ("http://x/a b", "%20"),
            ("http://[::1/", "]"),
        ] {
            let why = HttpUrl::parse(url).unwrap_err();
            assert!(why.contains(part), "{url}: {why}");
        }
    }

    #[test]
    fn name_and_password_are_used_and_never_shown() {
        let url = HttpUrl::parse("http://me:s%3Acr%zzet@cam:8080/v").unwrap();
        assert_eq!(url.user, Some(("me".to_owned(), "s:cr%zzet".to_owned())));
        assert_eq!(
            format!("{url} {url:?}"),
            "http://cam:8080/v http://cam:8080/v"
        );
        assert_eq!(redacted("rtsp://me:secret@cam/v@1"), "rtsp://cam/v@1");
        assert_eq!(redacted("rtsp://cam/v"), "rtsp://cam/v");
    }

    #[test]
    fn basic_authorisation_is_base64() {
        // The example of RFC 7617, section 2, and the two kinds of padding.
        assert_eq!(
            basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(basic("a", "b"), "Basic YTpi");
        assert_eq!(basic("a", "bc"), "Basic YTpiYw==");
        assert_eq!(basic("a", "bcd"), "Basic YTpiY2Q=");
    }
}
