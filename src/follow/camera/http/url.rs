//! Addresses of streams.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::uri::Authority;
use percent_encoding::percent_decode_str;

use crate::config::address::without_query_values;

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
        let (_, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
            .ok_or("it does not begin with http://")?;
        if let Some(c) = rest.chars().find(|c| c.is_control() || *c == ' ') {
            return Err(format!("it contains {c:?}; write %20 for a space"));
        }
        let Parts { user, place, path } = Parts::of(rest);
        let (host, port) = host_and_port(place)?;
        let path = path.split('#').next().unwrap_or(path);
        let root = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            host,
            port,
            target: format!("{root}{path}"),
            user: user.map(|user| {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                (decode(name), decode(password))
            }),
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
        let target = without_query_values(&self.target);
        write!(f, "http://{}{target}", self.authority())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What stands behind the `://` of any address. Split by hand, since the names and passwords that people write are not
/// always encoded as they should be.
struct Parts<'a> {
    /// Name and password as they are written.
    user: Option<&'a str>,
    /// Server and port.
    place: &'a str,
    /// Path, query and fragment.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(rest: &'a str) -> Self {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((user, place)) => Self {
                user: Some(user),
                place,
                path,
            },
            None => Self {
                user: None,
                place: authority,
                path,
            },
        }
    }
}

/// Name or address of the server, without brackets, and its port, which is 80 if none is given.
fn host_and_port(place: &str) -> Result<(String, u16), String> {
    let missing = || "the name of the server is missing".to_owned();
    if place.is_empty() {
        return Err(missing());
    }
    if place.starts_with('[') && !place.contains(']') {
        return Err("the ] of the IPv6 address is missing".to_owned());
    }
    let authority: Authority = place.parse().map_err(|_| {
        format!(
            "{place:?} is no server: a name in ASCII letters or an address, an IPv6 address in [ ], then perhaps : and a port"
        )
    })?;
    let host = authority.host();
    if bare(host).is_empty() {
        return Err(missing());
    }
    let port = match place[host.len()..].strip_prefix(':') {
        None if host.len() == place.len() => 80,
        Some("") => 80,
        Some(text) => match text.parse() {
            Ok(port) if port != 0 && !text.starts_with('+') => port,
            _ => return Err(format!("{text:?} is no port (1 to 65535)")),
        },
        None => return Err(format!("{:?} after the ] is no port", &place[host.len()..])),
    };
    Ok((bare(host).to_owned(), port))
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Any address without its name and password and without what its query says, for logs and messages.
#[must_use]
pub fn redacted(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let Parts { place, path, .. } = Parts::of(rest);
            format!("{scheme}://{place}{}", without_query_values(path))
        }
        None => url.to_owned(),
    }
}

/// The server of any address, an IPv6 address without brackets; none if it names none.
#[must_use]
pub fn server(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority: Authority = Parts::of(rest).place.parse().ok()?;
    let host = bare(authority.host());
    (!host.is_empty()).then(|| host.to_owned())
}

/// Undoes `%41`; what is no such code stays as it is.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Name and password as `Authorization: Basic` carries them (RFC 7617).
#[must_use]
pub fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{name}:{password}"))
    )
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
            ("rtsp://me:p@ss[w\u{f6}rt%@cam", Some("cam")),
            ("rtsp://cam/{odd}|path^`", Some("cam")),
            ("tcp://:9000", None),
            ("tcp:///path", None),
            ("cam", None),
            ("", None),
        ] {
            assert_eq!(server(url).as_deref(), want, "{url}");
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
            ("http://cam#part", "cam", 80, "/"),
            ("http://cam/#part/2?y", "cam", 80, "/"),
            ("http://cam:/v", "cam", 80, "/v"),
            ("http://camera_1.local:65535", "camera_1.local", 65_535, "/"),
            ("http://[fe80::1]:81/v", "fe80::1", 81, "/v"),
            ("http://[2001:db8::1]", "2001:db8::1", 80, "/"),
            ("http://[fe80::1%eth0]:81/v", "fe80::1%eth0", 81, "/v"),
            // Servers of cameras take what the standard would have encoded.
            (
                "http://cam/a//{b}|c^`\"<d>/\u{e9}%zz?q=[1]&u=http://x:1/@y",
                "cam",
                80,
                "/a//{b}|c^`\"<d>/\u{e9}%zz?q=[1]&u=http://x:1/@y",
            ),
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
            ("http://x:-1/", "\"-1\" is no port"),
            ("http://x:+80/", "\"+80\" is no port"),
            ("http://x:80a/", "\"80a\" is no port"),
            ("http://x:1:2/", "\"x:1:2\" is no server"),
            ("http://me:secret@", "name of the server is missing"),
            ("http://me:secret@/v", "name of the server is missing"),
            ("http://me@:80/v", "name of the server is missing"),
            ("http:///v", "name of the server is missing"),
            ("http://?q", "name of the server is missing"),
            ("http://[]:80/", "name of the server is missing"),
            ("http://[::1/", "]"),
            ("http://[::1]81/", "\"81\" after the ]"),
            ("http://::1/", "IPv6 address in [ ]"),
            ("http://fe80::1]/", "\"fe80::1]\" is no server"),
            ("http://a%20b/", "\"a%20b\" is no server"),
            ("http://caf\u{e9}/", "ASCII"),
            ("http://a\\b/", "is no server"),
            ("http://x/\n", "\\n"),
            ("http:/x", "http://"),
            ("http", "http://"),
            ("", "http://"),
        ] {
            let why = HttpUrl::parse(url).unwrap_err();
            assert!(why.contains(part), "{url}: {why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn names_and_passwords_are_decoded_whatever_people_write() {
        for (url, name, password) in [
            ("http://me:s%3Acr%zzet@cam/", "me", "s:cr%zzet"),
            ("http://me:50%@cam/", "me", "50%"),
            ("http://me:%e3%81%82%2F%40@cam/", "me", "\u{3042}/@"),
            ("http://me:%ff@cam/", "me", "\u{fffd}"),
            ("http://me:p@ss:w[ord]@cam/", "me", "p@ss:w[ord]"),
            ("http://a%3Ab:c@[::1]:80/", "a:b", "c"),
            ("http://me@cam", "me", ""),
            ("http://:only@cam", "", "only"),
            ("http://@cam", "", ""),
        ] {
            let user = HttpUrl::parse(url).unwrap().user;
            assert_eq!(user, Some((name.to_owned(), password.to_owned())), "{url}");
        }
        assert_eq!(HttpUrl::parse("http://cam/me:secret@x").unwrap().user, None);
    }

    #[test]
    fn the_host_line_has_brackets_and_a_port_where_they_are_needed() {
        for (url, want) in [
            ("http://me:x@cam:80/v", "cam"),
            ("http://cam:8080", "cam:8080"),
            ("http://[::1]/", "[::1]"),
            ("http://[::1]:81/", "[::1]:81"),
        ] {
            assert_eq!(HttpUrl::parse(url).unwrap().authority(), want, "{url}");
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
        assert_eq!(redacted("udp://@:1/?a@b#c"), "udp://:1/?a@b#c");
        assert_eq!(redacted("me@cam"), "me@cam");
        let url = HttpUrl::parse("http://cam/video.cgi?user=admin&pwd=geheim7&resolution=640x480")
            .unwrap();
        let shown = "http://cam/video.cgi?user=[...]&pwd=[...]&resolution=[...]";
        assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        assert_eq!(
            redacted("rtsp://u:p@cam/v?a=1;b=2#c"),
            "rtsp://cam/v?a=[...]&b=[...]#c"
        );
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
