//! Whether an address of the network can be one, and if not, why. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::width::ascii_of;

/// Letters of a name between two dots, and of a whole name (RFC 1035).
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// Looks at an address that has to begin with one of `schemes`.
///
/// # Errors
/// Why it cannot be one, for people. Name and password in it are not told.
pub(super) fn check(text: &str, schemes: &[&str]) -> Result<(), String> {
    characters(text)?;
    let rest = after_scheme(text, schemes)?;
    if let Some(sign) = rest.find(['?', '#']) {
        let what = if rest[sign..].starts_with('?') {
            "a query (what begins with \"?\")"
        } else {
            "a fragment (what begins with \"#\")"
        };
        return Err(format!(
            "{what} cannot be part of it, paths are put behind the address; leave it out"
        ));
    }
    let (authority, _path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains('@')) {
        return Err("an \"@\" within name or password is written %40".to_owned());
    }
    let port = host(place)?;
    port.map_or(Ok(()), check_port)?;
    let parsed: Result<http::Uri, _> = text.parse();
    match parsed {
        Ok(uri) if uri.host().is_some() => Ok(()),
        _ => Err(
            "a sign in it cannot be part of an address; write it as % and two hex digits"
                .to_owned(),
        ),
    }
}

/// An address as people may see it: without name and password, and without what its query says.
#[must_use]
pub fn shown(text: &str) -> String {
    // A slash within a password ends the address for a parser, and not for a person: whatever stands before the last "@".
    let begin = text.find("//").map_or(0, |at| at + 2);
    match text[begin..].rfind('@') {
        Some(at) => format!(
            "{}[...]{}",
            &text[..begin],
            without_query_values(&text[begin + at..])
        ),
        None => without_query_values(text),
    }
}

/// An address without the values of its query: cameras take name and password there, under names of their own.
#[must_use]
pub fn without_query_values(text: &str) -> String {
    let Some((address, query)) = text.split_once('?') else {
        return text.to_owned();
    };
    let (query, fragment) = query.split_at(query.find('#').unwrap_or(query.len()));
    let masked: Vec<String> = query
        .split(['&', ';'])
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() => format!("{name}=[...]"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{address}?{}{fragment}", masked.join("&"))
}

/// The address without name and password, and these, if there are any.
#[must_use]
pub fn split_user(text: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = text.split_once("://") else {
        return (text.to_owned(), None);
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, place)) => (format!("{scheme}://{place}{path}"), Some(user.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn characters(text: &str) -> Result<(), String> {
    if text.trim() != text {
        return Err("a space stands before or behind it; take it away".to_owned());
    }
    for c in text.chars() {
        if let Some(plain) = ascii_of(c) {
            return Err(format!(
                "it holds the full-width sign \"{c}\"; write \"{plain}\" (half width)"
            ));
        }
        match c {
            '\\' => return Err("it holds a backslash; an address has \"/\" instead".to_owned()),
            c if c.is_whitespace() || c.is_control() => {
                return Err("a space or another sign that nobody sees stands in it".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn after_scheme<'a>(text: &'a str, schemes: &[&str]) -> Result<&'a str, String> {
    let known = |scheme: &str| schemes.contains(&scheme.to_ascii_lowercase().as_str());
    if let Some((scheme, rest)) = text.split_once("://") {
        if known(scheme) {
            return Ok(rest);
        }
        return Err(format!("it begins with \"{}://\"", shown(scheme)));
    }
    let begins =
        |with: &str| (text.get(..with.len())).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    for scheme in schemes.iter().rev() {
        if begins(&format!("{scheme}:")) {
            return Err(format!(
                "two slashes belong behind \"{scheme}:\", as in {scheme}://host"
            ));
        }
        if begins(&format!("{scheme}//")) {
            return Err(format!(
                "a colon belongs behind \"{scheme}\", as in {scheme}://host"
            ));
        }
    }
    Err(format!(
        "it does not begin with {}://",
        schemes.join(":// or ")
    ))
}

/// Looks at host and port. Returns the port as it stands there.
fn host(place: &str) -> Result<Option<&str>, String> {
    if let Some(rest) = place.strip_prefix('[') {
        let Some((address, behind)) = rest.split_once(']') else {
            return Err("the bracket of the IPv6 address is not closed".to_owned());
        };
        if address.contains('%') {
            return Err("an IPv6 address with a zone (%...) cannot be used".to_owned());
        }
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(format!("\"{address}\" is no IPv6 address"));
        }
        return match behind.strip_prefix(':') {
            Some(port) => Ok(Some(port)),
            None if behind.is_empty() => Ok(None),
            None => {
                Err("behind the IPv6 address comes a colon and the port, or nothing".to_owned())
            }
        };
    }
    if place.matches(':').count() > 1 {
        return Err(if place.parse::<Ipv6Addr>().is_ok() {
            format!("an IPv6 address stands in brackets: [{place}]")
        } else {
            "it has more than one colon behind the host; write host:port".to_owned()
        });
    }
    let (name, port) = match place.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (place, None),
    };
    check_name(name).map(|()| port)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if let Some(c) = name.chars().find(|c| !c.is_ascii()) {
        return Err(format!(
            "the host has the letter \"{c}\"; write the name with ASCII letters as name servers know it \
             (xn--...), or the IP address"
        ));
    }
    let usual = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if let Some(c) = name.chars().find(|c| !usual(*c)) {
        return Err(format!("the host has the sign \"{c}\", which no host has"));
    }
    let labels: Vec<&str> = name.strip_suffix('.').unwrap_or(name).split('.').collect();
    let digits = |label: &&str| label.bytes().all(|b| b.is_ascii_digit());
    if labels.iter().any(|label| label.is_empty()) {
        return Err("the host has a dot at its beginning, or two in a row".to_owned());
    }
    if labels.iter().any(|label| label.len() > LABEL_MAX) || name.len() > NAME_MAX {
        return Err("the host's name is too long".to_owned());
    }
    if labels
        .iter()
        .any(|label| label.starts_with('-') || label.ends_with('-'))
    {
        return Err("a part of the host's name begins or ends with \"-\"".to_owned());
    }
    // No name ends so: it is an address that was meant (RFC 1123).
    if labels.last().is_some_and(digits) && name.parse::<Ipv4Addr>().is_err() {
        return Err(format!(
            "\"{name}\" is no IPv4 address: four numbers from 0 to 255 with dots between"
        ));
    }
    Ok(())
}

fn check_port(port: &str) -> Result<(), String> {
    let number: Option<u16> = (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
        .then(|| port.parse().ok())
        .flatten();
    match number {
        Some(1..) => Ok(()),
        _ => Err(format!(
            "the port \"{port}\" is none: it is a number from 1 to 65535, or is left out with its colon"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HTTP: &[&str] = &["http", "https"];

    #[test]
    fn what_can_be_an_address_is_taken() {
        for text in [
            "http://192.168.1.31:5000",
            "http://host",
            "https://host:443/",
            "HTTPS://Host.example.:8443/under/a/path",
            "http://my_server.local",
            "http://xn--bcher-kva.example",
            "http://1.example",
            "http://[::1]:5000",
            "http://[2001:db8::1]",
            "http://user:p%40ss@host:1",
            "http://a@host/x@y",
            "http://host:65535",
            "http://0x7f.example/%E5%85%A5",
        ] {
            assert_eq!(check(text, HTTP), Ok(()), "{text}");
        }
        assert_eq!(check("mqtt://broker:1883", &["mqtt", "mqtts"]), Ok(()));
    }

    #[test]
    fn what_cannot_be_one_is_refused_with_the_reason() {
        for (text, why) in [
            ("http://host:99999", "the port \"99999\""),
            ("http://host:0", "the port \"0\""),
            ("http://host:", "the port \"\""),
            ("http://host:+80", "the port \"+80\""),
            ("http://host:5000a", "the port \"5000a\""),
            ("http://host?x=1", "a query"),
            ("http://host/?x=1", "a query"),
            ("http://host#f", "a fragment"),
            ("http://host/#f?x", "a fragment"),
            ("http://hôst", "the letter \"ô\""),
            ("http://サーバー:5000", "the letter \"サ\""),
            ("http://", "the host is missing"),
            ("http:///api", "the host is missing"),
            ("http://:5000", "the host is missing"),
            ("http://user@", "the host is missing"),
            ("http:/host", "two slashes belong behind \"http:\""),
            ("https:host", "two slashes belong behind \"https:\""),
            ("https//host", "a colon belongs behind \"https\""),
            ("http//host", "a colon belongs behind \"http\""),
            ("host:5000", "does not begin with http:// or https://"),
            ("ftp://host", "begins with \"ftp://\""),
            ("http:\\\\host", "a backslash"),
            ("http://host\\x", "a backslash"),
            ("http://host /x", "a space"),
            (" http://host", "a space stands before or behind"),
            ("http://host\u{3000}", "before or behind"),
            ("http：//host", "the full-width sign \"：\"; write \":\""),
            ("http://host：5000", "the full-width sign \"：\""),
            ("http://ｈｏｓｔ", "the full-width sign \"ｈ\""),
            ("http://192.168.1.256", "no IPv4 address"),
            ("http://192.168.1", "no IPv4 address"),
            ("http://5000", "no IPv4 address"),
            ("http://::1:5000", "in brackets"),
            ("http://a:1:2", "more than one colon"),
            ("http://[::1", "not closed"),
            ("http://[::1]5000", "a colon and the port"),
            ("http://[fe80::1%25eth0]", "with a zone"),
            ("http://[:::]", "no IPv6 address"),
            ("http://a..b", "two in a row"),
            ("http://.host", "a dot at its beginning"),
            ("http://ho!st", "the sign \"!\""),
            ("http://-host", "begins or ends with \"-\""),
            ("http://a@b@host", "%40"),
            ("http://host/<x>", "two hex digits"),
        ] {
            let said = check(text, HTTP).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn names_and_passwords_are_not_shown() {
        for (text, want) in [
            ("http://host:5000/x", "http://host:5000/x"),
            ("http://user:pass@host", "http://[...]@host"),
            ("https://user@host/a", "https://[...]@host/a"),
            ("http://u:p/w@host", "http://[...]@host"),
            ("http://u:p@w@host", "http://[...]@host"),
            ("user:pass@host", "[...]@host"),
        ] {
            assert_eq!(shown(text), want);
        }
        assert_eq!(
            split_user("http://u:p@h:1/x"),
            ("http://h:1/x".to_owned(), Some("u:p".to_owned()))
        );
        assert_eq!(
            split_user("http://h/a@b"),
            ("http://h/a@b".to_owned(), None)
        );
    }

    proptest! {
        #[test]
        fn no_address_panics_and_no_reason_tells_a_password(text in ".{0,60}") {
            let _ = (check(&text, HTTP), shown(&text), split_user(&text));
        }

        #[test]
        fn no_password_is_told(host in ".{0,20}") {
            let text = format!("http://ann:geheim7@{host}");
            if let Err(why) = check(&text, HTTP) {
                prop_assert!(!why.contains("geheim7"), "{}", why);
            }
            prop_assert!(!shown(&text).contains("geheim7"));
        }
    }
}
