//! Why a request has no answer, in words for people.

use std::io::ErrorKind;

use rustls::{CertificateError, Error as TlsError};
use ureq::{Error, Timeout};

use super::reply::Reply;
use super::resolver::no_address;
use crate::say;

/// What a request without an answer has come to.
pub(super) fn failure(e: &Error) -> Reply {
    if let Some(why) = no_address(e) {
        return Reply::Unreachable(why);
    }
    if let Some(why) = tls(e) {
        // Nothing is sent before both sides agree.
        return Reply::Unreachable(why);
    }
    let unreachable = match e {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Timeout(Timeout::Connect | Timeout::Resolve) => true,
        Error::Io(e) => matches!(
            e.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::AddrNotAvailable
        ),
        _ => false,
    };
    if unreachable {
        Reply::Unreachable(said(e))
    } else if matches!(e, Error::Timeout(_)) {
        Reply::TooSlow(said(e))
    } else {
        Reply::NoAnswer(said(e))
    }
}

/// What people call it.
fn said(e: &Error) -> String {
    match e {
        Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            say!("no connection in time", "時間内に接続できません")
        }
        Error::Timeout(_) => say!("no answer in time", "時間内に応答がありません"),
        Error::HostNotFound => say!("its name is not known", "ホスト名を解決できません"),
        Error::Protocol(e) => say!(
            "what answers does not speak HTTP as it should ({e}); look at \"server_url\" and what is on the way",
            "正しい HTTP の応答ではありません ({e})。\"server_url\" と途中の機器を確認してください"
        ),
        e => e.to_string(),
    }
}

/// Why no encrypted connection came about; none if that is not the reason.
fn tls(e: &Error) -> Option<String> {
    let e = match e {
        Error::Rustls(e) => e,
        Error::Io(e) => e.get_ref()?.downcast_ref::<TlsError>()?,
        _ => return None,
    };
    Some(match e {
        TlsError::InvalidCertificate(e) => certificate(e),
        TlsError::InvalidMessage(_) => say!(
            "what answers is not encrypted; write http:// in \"server_url\", or correct its port",
            "暗号化されていない応答です。\"server_url\" を http:// にするか、ポートを修正してください"
        ),
        TlsError::PeerIncompatible(_) | TlsError::AlertReceived(_) => say!(
            "no encrypted connection: {e}; the server may be too old (TLS 1.2 is needed), or \"server_url\" names another",
            "暗号化接続できません: {e}。サーバーが古い (TLS 1.2 以上が必要) か、\"server_url\" が別のサーバーです"
        ),
        _ => return None,
    })
}

fn certificate(e: &CertificateError) -> String {
    use CertificateError as C;
    match e {
        C::NotValidForName | C::NotValidForNameContext { .. } => say!(
            "its certificate is for another name: a captive portal or proxy of the network answers in the server's \
             place, or \"server_url\" names the server otherwise than its certificate",
            "証明書の名前が一致しません。ネットワークのログイン画面（キャプティブポータル）やプロキシが代わりに応答しているか、\
             \"server_url\" の名前が証明書と異なります"
        ),
        C::UnknownIssuer => say!(
            "nobody known vouches for its certificate: set \"ca_file\" to that of your own authority; or a captive portal \
             or proxy of the network answers in the server's place",
            "証明書の発行元を確認できません。独自の認証局なら \"ca_file\" を設定してください。ネットワークのログイン画面\
             （キャプティブポータル）やプロキシが代わりに応答している可能性もあります"
        ),
        C::Expired | C::ExpiredContext { .. } => say!(
            "its certificate has expired, or the clock of this board is wrong",
            "証明書の有効期限切れか、本機の時計のずれです"
        ),
        C::NotValidYet | C::NotValidYetContext { .. } => say!(
            "its certificate is not valid yet: the clock of this board is wrong",
            "証明書の有効期間前です。本機の時計がずれています"
        ),
        // As openssl makes one without being told otherwise.
        e if format!("{e:?}").contains("CaUsedAsEndEntity") => say!(
            "its certificate is that of an authority (CA:TRUE), which no server may use for itself: make it anew with \
             basicConstraints=CA:FALSE; or a captive portal or proxy of the network answers in the server's place",
            "認証局用の証明書 (CA:TRUE) がサーバーに使われています。basicConstraints=CA:FALSE で作り直してください。\
             ネットワークのログイン画面（キャプティブポータル）やプロキシが代わりに応答している可能性もあります"
        ),
        e => say!(
            "its certificate cannot be trusted: {e:?}",
            "証明書を信頼できません: {e:?}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the one the server may store the tap yet, after the other it never saw it.
    #[test]
    fn too_slow_to_answer_is_not_too_slow_to_connect() {
        for slow in [Timeout::Global, Timeout::RecvResponse, Timeout::RecvBody] {
            assert!(matches!(failure(&Error::Timeout(slow)), Reply::TooSlow(_)));
        }
        assert!(matches!(
            failure(&Error::Timeout(Timeout::Connect)),
            Reply::Unreachable(_)
        ));
    }

    #[test]
    fn a_certificate_that_is_not_the_server_s_is_named_and_nothing_was_sent() {
        for (e, want) in [
            (CertificateError::NotValidForName, "captive portal"),
            (CertificateError::UnknownIssuer, "ca_file"),
            (CertificateError::Expired, "clock"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::Revoked, "Revoked"),
        ] {
            let e = TlsError::InvalidCertificate(e);
            for e in [
                Error::Rustls(e.clone()),
                Error::Io(std::io::Error::other(e)),
            ] {
                let Reply::Unreachable(why) = failure(&e) else {
                    panic!("{e}");
                };
                assert!(why.contains(want), "{why}");
            }
        }
    }
}
