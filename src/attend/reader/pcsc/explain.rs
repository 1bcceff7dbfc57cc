//! What the daemon's errors mean for people, and what to do about them.

use std::time::Duration;

use anyhow::anyhow;
use pcsc::Error;

use crate::attend::reader::ReadError;
use crate::say;

/// Why a card could not be asked.
pub(super) fn unread(e: Error) -> ReadError {
    match e {
        Error::NoService
        | Error::ServiceStopped
        | Error::CommError
        | Error::InvalidHandle
        | Error::SecurityViolation => ReadError::Connection(explained(e)),
        // NotTransacted: the reader got no answer, which is how a card that goes in the middle shows.
        Error::RemovedCard | Error::NoSmartcard | Error::NotTransacted => ReadError::Card(say!(
            "the card was taken away too soon",
            "カードを離すのが早すぎます"
        )),
        Error::UnknownReader | Error::ReaderUnavailable => {
            ReadError::Card(say!("the reader is gone", "リーダーが取り外されました"))
        }
        Error::SharingViolation => ReadError::Card(say!(
            "another program uses the reader",
            "別のプログラムがリーダーを使用中です"
        )),
        e => ReadError::Card(say!(
            "the card cannot be read: {e}",
            "カードを読み取れません: {e}"
        )),
    }
}

/// The daemon takes calls and has answered none for `limit`.
pub(super) fn hangs(limit: Duration) -> anyhow::Error {
    let seconds = limit.as_secs();
    anyhow!(say!(
        "the PC/SC daemon does not answer within {seconds} s: sudo systemctl restart pcscd",
        "PC/SC デーモンが {seconds} 秒以内に応答しません: sudo systemctl restart pcscd"
    ))
}

/// What failed between us and the daemon, and what to do about it.
pub(super) fn explained(e: Error) -> anyhow::Error {
    let advice = match e {
        Error::NoService => say!(
            "the PC/SC daemon does not run; install pcscd and start it: systemctl start pcscd.socket",
            "PC/SC デーモンが動いていません。pcscd をインストールして起動してください: \
             systemctl start pcscd.socket"
        ),
        Error::ServiceStopped => say!(
            "the PC/SC daemon has stopped, or speaks another protocol version than libpcsclite; \
             if this stays, update pcscd and libpcsclite1 together",
            "PC/SC デーモンが停止したか、libpcsclite とプロトコルの版が異なります。\
             続く場合は pcscd と libpcsclite1 を一緒に更新してください"
        ),
        Error::SecurityViolation => say!(
            "polkit refuses access to the PC/SC daemon; allow this user the actions \
             org.debian.pcsc-lite.access_pcsc and org.debian.pcsc-lite.access_card",
            "polkit が PC/SC デーモンへのアクセスを拒否しています。このユーザーに \
             org.debian.pcsc-lite.access_pcsc と org.debian.pcsc-lite.access_card を許可してください"
        ),
        Error::CommError | Error::InvalidHandle => say!(
            "the connection to the PC/SC daemon is gone",
            "PC/SC デーモンとの接続が切れました"
        ),
        e => say!("the PC/SC daemon reports: {e}", "PC/SC デーモンの応答: {e}"),
    };
    anyhow!("{advice} ({:08X})", e as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_remedy_names_it() {
        for (e, remedy) in [
            (Error::NoService, "systemctl start pcscd.socket"),
            (Error::ServiceStopped, "libpcsclite1"),
            (Error::SecurityViolation, "org.debian.pcsc-lite.access_pcsc"),
            (Error::InvalidHandle, "80100003"),
        ] {
            let text = explained(e).to_string();
            assert!(text.contains(remedy), "{text}");
            assert!(matches!(unread(e), ReadError::Connection(_)), "{e:?}");
        }
        let hangs = hangs(Duration::from_secs(5)).to_string();
        assert!(hangs.contains("within 5 s: sudo systemctl restart pcscd"));
    }

    #[test]
    fn a_card_that_is_gone_is_no_lost_connection() {
        for e in [
            Error::RemovedCard,
            Error::NoSmartcard,
            Error::NotTransacted,
            Error::UnknownReader,
            Error::SharingViolation,
            Error::ResetCard,
            Error::UnresponsiveCard,
        ] {
            assert!(matches!(unread(e), ReadError::Card(_)), "{e:?}");
        }
    }
}
