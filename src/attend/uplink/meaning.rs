//! What an answer means that is not the attendance server's own: who has spoken in its place, and what to do. Pure.

use super::wire;
use crate::base::outside::is_obeyed;
use crate::config::address;
use crate::say;

/// Characters that are shown of a page, of the target of a redirect.
const PAGE_SHOWN: usize = 100;
const TARGET_SHOWN: usize = 120;

/// What the head of an answer tells besides its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Where it sends whoever asked.
    pub target: Option<String>,
    /// How its body is packed, if that cannot be unpacked.
    pub packing: Option<String>,
}

/// An answer that is not the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strange<'a> {
    /// To an address of the API elsewhere: what `server_url` should be.
    Moved(&'a str),
    /// To somewhere else.
    Redirect(Option<&'a str>),
    /// Packed in this way.
    Packed(&'a str),
    /// A page for people in the place of an answer.
    Page,
    /// A network that wants a login first (RFC 6585).
    Portal,
    Empty,
    /// No word of the API.
    Other,
    Token,
    Forbidden,
    NothingThere,
    ProxyPassword,
    /// HTTP came to a port of HTTPS.
    Unencrypted,
    /// A proxy or gateway tells that it has no answer of the server.
    Gateway,
}

/// Whether no further attempt will make it clear, unless a person changes something.
pub(super) fn never_clears(status: u16, body: &str, head: &Head) -> bool {
    matches!(status, 100..=399) && strange(status, body, head).is_some()
}

/// Status and beginning of an answer; where it is not the API's, who may have spoken, and what to do. On one line.
pub(super) fn describe(status: u16, body: &str, head: &Head) -> String {
    let Some(strange) = strange(status, body, head) else {
        return wire::summary(status, body);
    };
    let body = match &head.packing {
        Some(_) => String::new(),
        None => body.chars().take(PAGE_SHOWN).collect(),
    };
    format!("{} ({})", wire::summary(status, &body), hint(strange))
}

/// The target of a redirect as it is shown: whole, without passwords and what follows a path.
pub(super) fn target(location: &str, own: &str) -> String {
    let begin = match location {
        _ if location.contains("://") => String::new(),
        l if l.starts_with("//") => own
            .split_inclusive(':')
            .next()
            .unwrap_or_default()
            .to_owned(),
        l if l.starts_with('/') => own.splitn(4, '/').take(3).collect::<Vec<_>>().join("/"),
        _ => String::new(),
    };
    let whole = format!("{begin}{location}");
    let path = whole.split(['?', '#']).next().unwrap_or_default();
    (address::shown(path).chars())
        .filter(|c| !is_obeyed(*c) && !c.is_whitespace())
        .take(TARGET_SHOWN)
        .collect()
}

fn strange<'a>(status: u16, body: &str, head: &'a Head) -> Option<Strange<'a>> {
    if (300..400).contains(&status) {
        let target = head.target.as_deref();
        return Some(
            target
                .and_then(moved)
                .map_or(Strange::Redirect(target), Strange::Moved),
        );
    }
    if wire::word(body).is_some() {
        return None;
    }
    let page = wire::is_page(body);
    Some(match status {
        100..=299 => match &head.packing {
            Some(packing) => Strange::Packed(packing),
            None if page => Strange::Page,
            None if body.trim().is_empty() => Strange::Empty,
            None => Strange::Other,
        },
        400 if body.contains("HTTPS port") || body.contains("HTTPS server") => Strange::Unencrypted,
        401 => Strange::Token,
        403 if page => Strange::Forbidden,
        404 | 405 => Strange::NothingThere,
        407 => Strange::ProxyPassword,
        511 => Strange::Portal,
        502..=504 | 520..=530 => Strange::Gateway,
        _ => return None,
    })
}

/// The `server_url` with which a redirect would not be needed.
fn moved(target: &str) -> Option<&str> {
    let path = target.trim_end_matches('/');
    [wire::ATTENDANCE, wire::HEALTH]
        .iter()
        .find_map(|api| path.strip_suffix(api))
        // The same address again is no advice.
        .filter(|url| url.contains("://") && path == target)
}

fn hint(strange: Strange) -> String {
    match strange {
        Strange::Moved(url) => say!(
            "a redirect, which is not followed; set \"server_url\" to {url}",
            "転送されています（転送先には送信しません）。\"server_url\" を {url} に変更してください"
        ),
        Strange::Redirect(Some(target)) => say!(
            "a redirect to {target}, which is not followed: a login page of the network, or the server has moved; log \
             in there, or set \"server_url\" to where the server is",
            "{target} へ転送されています（転送先には送信しません）。ネットワークのログインページか、サーバーの移転です。\
             ログインするか、\"server_url\" を正しいアドレスに変更してください"
        ),
        Strange::Redirect(None) => say!(
            "a redirect that names no target; set \"server_url\" to where the server is",
            "転送先の記載がない転送です。\"server_url\" を正しいアドレスに変更してください"
        ),
        Strange::Packed(packing) => say!(
            "packed as \"{packing}\", which nobody asked for and cannot be unpacked here; turn that off at the server or \
             the proxy before it",
            "要求していない「{packing}」形式で圧縮されており、展開できません。サーバーまたはプロキシの圧縮設定を\
             無効にしてください"
        ),
        Strange::Page => say!(
            "a page for people and not the attendance server's answer: a captive portal or proxy of the network, or \
             another server; log in there, or correct \"server_url\"",
            "勤怠サーバーの応答ではなく Web ページです。ネットワークのログイン画面（キャプティブポータル）・プロキシ・\
             別のサーバーの可能性があります。ログインするか \"server_url\" を修正してください"
        ),
        Strange::Portal => say!(
            "the network wants a login first: a captive portal",
            "ネットワークへのログインが必要です（キャプティブポータル）"
        ),
        Strange::Empty => say!(
            "an empty answer, which does not say whether the tap was taken; correct \"server_url\", or look at the \
             server or the proxy before it",
            "応答が空で、記録されたか判断できません。\"server_url\" とサーバー、途中のプロキシを確認してください"
        ),
        Strange::Other => say!(
            "not the attendance server's answer; correct \"server_url\", or look for what answers in its place",
            "勤怠サーバーの応答ではありません。\"server_url\" と、代わりに応答しているものを確認してください"
        ),
        Strange::Token => say!(
            "the server, or a proxy before it, wants another token; see \"auth_token_file\"",
            "サーバーまたはプロキシがトークンを受け付けません。\"auth_token_file\" を確認してください"
        ),
        Strange::Forbidden => say!(
            "a page of a firewall or proxy on the way, not the attendance server's own refusal",
            "途中のファイアウォールまたはプロキシのページで、勤怠サーバーの拒否ではありません"
        ),
        Strange::NothingThere => say!(
            "no attendance server is at this address; correct \"server_url\", its path too",
            "このアドレスに勤怠サーバーがありません。\"server_url\"（パスを含む）を修正してください"
        ),
        Strange::ProxyPassword => say!(
            "a proxy on the way asks for a password; have this device excepted from it",
            "途中のプロキシが認証を要求しています。この端末を除外するよう設定してください"
        ),
        Strange::Unencrypted => say!(
            "the port speaks HTTPS; write https:// in \"server_url\"",
            "HTTPS のポートです。\"server_url\" を https:// にしてください"
        ),
        Strange::Gateway => say!(
            "a proxy or gateway before the server says that the server does not answer",
            "サーバーの手前のプロキシが、サーバーの応答なしと返しています"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> String {
        describe(status, body, &Head::default())
    }

    #[test]
    fn whoever_speaks_in_the_server_s_place_is_named() {
        for (status, body, want) in [
            (204, "", "204 (an empty answer"),
            (205, "", "205 (an empty answer"),
            (200, "", "200 (an empty answer"),
            (200, "\u{a0}\n", "an empty answer"),
            (
                200,
                "<!DOCTYPE html><title>Wi-Fi</title>",
                "200 <!DOCTYPE html><title>Wi-Fi</title> (a page for people",
            ),
            (
                200,
                "{\"login\": true}",
                "not the attendance server's answer",
            ),
            (200, "OK", "not the attendance server's answer"),
            (302, "", "names no target"),
            (304, "", "names no target"),
            (
                400,
                "<html>The plain HTTP request was sent to HTTPS port",
                "https://",
            ),
            (401, "{}", "auth_token_file"),
            (403, "<html>no", "firewall"),
            (404, "<html>", "its path too"),
            (405, "{\"detail\":\"Method Not Allowed\"}", "its path too"),
            (407, "<html>", "asks for a password"),
            (502, "<html>", "before the server"),
            (503, "", "before the server"),
            (521, "error code: 521", "before the server"),
            (511, "<html>", "captive portal"),
        ] {
            let said = of(status, body);
            assert!(said.contains(want), "{status} {body}: {said}");
            assert!(!said.contains('\n'), "{said}");
        }
        for (status, body) in [
            (200, r#"{"status":"success"}"#),
            (400, r#"{"status":"error","message":"m"}"#),
            (503, r#"{"status":"error"}"#),
            (404, r#"{"status":"error"}"#),
            (500, "<html>"),
            (429, "<html>"),
        ] {
            assert!(!of(status, body).contains('('), "{status} {body}");
        }
    }

    #[test]
    fn what_a_person_has_to_mend_never_clears_by_itself() {
        let never = |status, body| never_clears(status, body, &Head::default());
        assert!(never(204, "") && never(302, "") && never(200, "<html>") && never(200, "[]"));
        assert!(
            never(301, r#"{"status":"success"}"#),
            "nobody stored it there"
        );
        assert!(!never(200, r#"{"status":"success"}"#) && !never(200, r#"{"status":"odd"}"#));
        assert!(!never(502, "<html>") && !never(403, "<html>") && !never(500, ""));
    }

    #[test]
    fn a_redirect_names_its_target_with_what_to_do() {
        let own = "http://host:5000/api/attendance";
        let said = |location: &str| {
            let head = Head {
                target: Some(target(location, own)),
                ..Head::default()
            };
            describe(301, "", &head)
        };
        for (location, want) in [
            (
                "https://host/api/attendance",
                "set \"server_url\" to https://host",
            ),
            (
                "https://other.example/x/api/health",
                "set \"server_url\" to https://other.example/x",
            ),
            (
                "/api/attendance/",
                "a redirect to http://host:5000/api/attendance/,",
            ),
            (
                "/login?next=secret",
                "a redirect to http://host:5000/login,",
            ),
            (
                "//portal.example/#x",
                "a redirect to http://portal.example/,",
            ),
            ("login", "a redirect to login,"),
            (
                "http://u:geheim@portal/a b\r\n",
                "a redirect to http://[...]@portal/ab,",
            ),
        ] {
            let said = said(location);
            assert!(said.contains(want), "{location}: {said}");
            assert!(
                !said.contains("secret") && !said.contains("geheim"),
                "{said}"
            );
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_named_and_not_shown() {
        let head = Head {
            packing: Some("br".to_owned()),
            ..Head::default()
        };
        let said = describe(200, "\u{fffd}\u{1}", &head);
        assert!(said.starts_with("200 (packed as \"br\""), "{said}");
        assert!(never_clears(200, "\u{fffd}", &head));
    }
}
