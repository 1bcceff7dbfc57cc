//! Steps about the place where it stands: language, time, server.

use anyhow::Result;
use serde_json::Value;

use super::{Outcome, Work, ask, done};
use crate::attend::ledger::stamp::Sync;
use crate::attend::{uplink, zone};
use crate::base::text::{self, Language};
use crate::say;

pub(super) fn language(work: &mut Work, answer: &Value) -> Result<Outcome> {
    let word = match answer.as_str() {
        Some(word) => word.to_owned(),
        None => {
            let names = vec!["English".to_owned(), "日本語".to_owned()];
            let chosen = ask::pick("Language / 言語", names, usize::from(text::japanese()))?;
            ["en", "ja"][chosen].to_owned()
        }
    };
    work.draft.set("language", &word)?;
    text::speak(if word == "ja" {
        Language::Japanese
    } else {
        Language::English
    });
    Ok(done(say!("English", "日本語")))
}

pub(super) fn time(work: &mut Work, _: &Value) -> Result<Outcome> {
    if let Some(why) = zone::trouble() {
        return Ok(Outcome::Failed(why));
    }
    let now = work.clock.wall();
    let name = now.time_zone().iana_name().unwrap_or("UTC").to_owned();
    let shown = now.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let sync = if Sync::now().vouches() {
        say!("synchronised", "同期済み")
    } else {
        say!(
            "NOT synchronised yet (the network, or sudo timedatectl set-ntp true)",
            "まだ同期していません（ネットワーク、または sudo timedatectl set-ntp true）"
        )
    };
    let told = say!(
        "it is {shown} in {name}, {sync}",
        "現在時刻 {shown} ({name})、{sync}"
    );
    let change = say!(
        "set the time zone, for example: sudo timedatectl set-timezone Asia/Tokyo",
        "タイムゾーンを設定してください: sudo timedatectl set-timezone Asia/Tokyo"
    );
    if work.is_alone() {
        // Nobody can say whether it is the right one, but one that was never set is seldom meant.
        return Ok(if zone::is_universal(&name) {
            Outcome::Failed(format!("{told}; {change}"))
        } else {
            done(told)
        });
    }
    let right = ask::yes(
        &format!("{told}. {}", say!("Right?", "正しいですか?")),
        true,
    )?;
    Ok(if right {
        done(told)
    } else {
        Outcome::Failed(change)
    })
}

pub(super) fn server(work: &mut Work, answer: &Value) -> Result<Outcome> {
    let url = match answer.as_str() {
        Some(url) => url.to_owned(),
        None => {
            let already = work.config()?.server_url.unwrap_or_default();
            let help = say!(
                "for example http://192.168.1.31:5000; empty: none, taps stay in the ledger",
                "例: http://192.168.1.31:5000。空欄: サーバーなし（台帳にのみ記録）"
            );
            let question = say!("Address of the server:", "サーバーのアドレス:");
            ask::text(&question, &already, &help)?
        }
    };
    if url.is_empty() {
        work.draft.set("server_url", "null")?;
        return Ok(done(say!("no server", "サーバーなし")));
    }
    work.draft.set("server_url", &url)?;
    // A server that does not answer now may be right all the same: it stays in the draft.
    let told = uplink::probe(&work.config()?)?;
    Ok(done(told.unwrap_or_default()))
}
