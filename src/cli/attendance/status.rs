//! `facetap attendance status`.

use std::io::Write as _;

use anyhow::Result;
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::options::StatusOptions;
use super::{LedgerCommand, to_the_second};
use crate::attend::ledger::query::{Overview, View};
use crate::cli::DONE;
use crate::cli::table::Table;
use crate::say;

pub(super) fn status(command: &LedgerCommand, options: &StatusOptions) -> Result<u8> {
    let view = command.view()?;
    let told = view.overview()?;
    let people = command.people();
    let unknown = people
        .has_roster()
        .then(|| view.nameless())
        .transpose()?
        .map(|cards| cards.iter().filter(|c| !people.knows(&c.uid)).count());
    let mut out = std::io::stdout().lock();
    if options.json {
        let json = as_json(&view, &told, unknown, &command.now);
        serde_json::to_writer_pretty(&mut out, &json).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        as_table(&view, &told, unknown, &command.now).write(&mut out)?;
    }
    Ok(DONE)
}

fn as_json(view: &View, told: &Overview, unknown: Option<usize>, now: &Zoned) -> Value {
    json!({
        "ledger": view.file().display().to_string(),
        "service_running": view.in_use(),
        "pending": told.pending,
        "held": told.held,
        "delivered": told.delivered,
        "rejected": told.rejected,
        "review": told.review,
        "unknown_cards": unknown,
        "repeats": told.repeats,
        "refused": told.refused,
        "oldest_pending": told.oldest_pending.as_ref().map(|w| json!({
            "number": w.number,
            "time": w.local_time,
            "utc": w.utc_time,
            "age_s": age_s(&w.utc_time, now),
        })),
        "last_delivery": told.last_delivery,
        "last_answer": told.last_answer.as_ref().map(|a| json!({
            "number": a.number,
            "sent": a.sent_utc,
            "answer": a.text,
        })),
        "next_number": told.next_number,
    })
}

fn as_table(view: &View, told: &Overview, unknown: Option<usize>, now: &Zoned) -> Table {
    let mut table = Table::default();
    let mut line = |what: String, value: String| table.row([what, value]);
    let none = || say!("none", "なし");
    line(say!("ledger", "台帳"), view.file().display().to_string());
    line(
        say!("service", "サービス"),
        if view.in_use() {
            say!("running", "実行中")
        } else {
            say!("not running", "停止中")
        },
    );
    let held = told.held;
    line(
        say!("pending", "未送信"),
        match held {
            0 => told.pending.to_string(),
            _ => say!(
                "{} ({held} held until the clock is synchronised)",
                "{}（うち {held} 件は時刻同期待ち）",
                told.pending
            ),
        },
    );
    line(say!("delivered", "送信済み"), told.delivered.to_string());
    line(
        say!("rejected", "拒否"),
        match told.rejected {
            0 => "0".to_owned(),
            n => say!(
                "{n} (facetap attendance retry)",
                "{n}（facetap attendance retry で再送信）"
            ),
        },
    );
    line(
        say!("to review", "要確認"),
        match told.review {
            0 => "0".to_owned(),
            n => say!(
                "{n} (facetap attendance list --review)",
                "{n}（facetap attendance list --review で表示）"
            ),
        },
    );
    line(
        say!("unknown cards", "未登録カード"),
        unknown.map_or_else(|| say!("no roster", "名簿なし"), |n| n.to_string()),
    );
    line(say!("repeats", "重複タッチ"), told.repeats.to_string());
    line(say!("refused", "使用不可"), told.refused.to_string());
    line(
        say!("oldest pending", "最古の未送信"),
        told.oldest_pending.as_ref().map_or_else(none, |w| {
            let (number, time) = (w.number, to_the_second(&w.local_time));
            match age_s(&w.utc_time, now) {
                Some(age) => {
                    let age = duration(age);
                    say!(
                        "no. {number}, {time}, {age} ago",
                        "{number} 番、{time}、{age}前"
                    )
                }
                None => say!("no. {number}, {time}", "{number} 番、{time}"),
            }
        }),
    );
    line(
        say!("last delivery", "最終送信"),
        told.last_delivery
            .as_deref()
            .map_or_else(none, |utc| local(utc, now)),
    );
    line(
        say!("last answer", "最後の応答"),
        told.last_answer.as_ref().map_or_else(none, |a| {
            let (time, number, text) = (local(&a.sent_utc, now), a.number, &a.text);
            say!(
                "{time}, no. {number}: {text}",
                "{time}、{number} 番: {text}"
            )
        }),
    );
    line(
        say!("next number", "次の番号"),
        told.next_number.to_string(),
    );
    table
}

/// A time of the ledger in the time zone of now.
fn local(utc: &str, now: &Zoned) -> String {
    utc.parse::<Timestamp>().map_or_else(
        |_| utc.to_owned(),
        |t| {
            let time = t.to_zoned(now.time_zone().clone());
            time.strftime("%Y-%m-%d %H:%M:%S").to_string()
        },
    )
}

/// How long ago it was, in seconds; none if that cannot be: a clock was wrong then or is now.
fn age_s(utc: &str, now: &Zoned) -> Option<u64> {
    let then = utc.parse::<Timestamp>().ok()?;
    u64::try_from(now.timestamp().as_second() - then.as_second()).ok()
}

fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => say!("{seconds} s", "{seconds} 秒"),
        (0, 0, _) => say!("{minutes} min", "{minutes} 分"),
        (0, _, _) => say!("{hours} h {} min", "{hours} 時間 {} 分", minutes % 60),
        _ => say!("{days} d {} h", "{days} 日 {} 時間", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_two_units_at_most() {
        for (seconds, want) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3 * 3600 + 120, "3 h 2 min"),
            (50 * 3600, "2 d 2 h"),
        ] {
            assert_eq!(duration(seconds), want);
        }
    }

    #[test]
    fn an_age_that_cannot_be_is_not_told() {
        let now: Zoned = "2026-11-21T12:00:00+09:00[+09:00]".parse().unwrap();
        assert_eq!(age_s("2026-11-21T02:59:00.500000Z", &now), Some(60));
        assert_eq!(age_s("2026-11-21T04:00:00Z", &now), None);
        assert_eq!(age_s("nonsense", &now), None);
        assert_eq!(local("2026-11-21T02:59:00Z", &now), "2026-11-21 11:59:00");
        assert_eq!(local("nonsense", &now), "nonsense");
    }
}
