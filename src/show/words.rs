//! What is written of a board, in the language that was chosen.
//!
//! What cannot be drawn for want of a font must not become boxes: each text has what is written in its place.

use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

use super::board::Board;
use crate::attend::last_tap::TapShown;
use crate::attend::notice::Event;
use crate::base::card_status::Server;
use crate::follow::control::{Axis, Mode};

/// Names that are longer are cut.
const LONGEST_NAME: usize = 24;
/// Alarms that are shown at once.
const ALARMS: usize = 3;

/// A text and what stands in for it, the best first. The last is ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label(pub Vec<String>);

impl Label {
    fn of(english: String, japanese: String) -> Self {
        if crate::base::text::japanese() {
            Self(vec![japanese, ascii(&english)])
        } else {
            Self(vec![ascii(&english)])
        }
    }
}

/// A label in both languages; both take the same arguments.
macro_rules! label {
    ($en:literal, $ja:literal) => {
        Label::of(format!($en), format!($ja))
    };
}

fn ascii(text: &str) -> String {
    let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().map(plain).collect()
}

/// A name as it can be drawn: composed, without control characters, not too long.
fn name(name: &str) -> String {
    let all: Vec<char> = name.nfc().filter(|c| !c.is_control()).collect();
    if all.len() <= LONGEST_NAME {
        return all.into_iter().collect();
    }
    all[..LONGEST_NAME - 3]
        .iter()
        .chain(&['.', '.', '.'])
        .collect()
}

/// What the mount does, where it stands, what it bears.
pub(super) fn of_mount(board: &Board) -> Vec<Label> {
    if !board.servos {
        return Vec::new();
    }
    let mode = match board.mode {
        Mode::Absent => label!("the servos do not answer", "サーボが応答しません"),
        Mode::Homing { .. } => label!("going home", "原点復帰中"),
        Mode::Resting => label!("resting", "待機中"),
        Mode::Following { .. } => label!("following", "追従中"),
        Mode::Holding { .. } => label!("waiting for the face", "顔を待っています"),
    };
    let mut lines = vec![mode];
    if let Some(pose) = board.pose {
        let (pan, tilt, roll) = (pose.pan, pose.tilt, pose.roll);
        lines.push(label!(
            "pan {pan:+.1}  tilt {tilt:+.1}  roll {roll:+.1} deg",
            "パン {pan:+.1}  チルト {tilt:+.1}  ロール {roll:+.1} 度"
        ));
    }
    let of = |axis: Axis| {
        board.loads[axis].map_or_else(|| "-".to_owned(), |l| format!("{:.0}%", l.abs() * 100.0))
    };
    if Axis::ALL.iter().any(|axis| board.loads[*axis].is_some()) {
        let (pan, tilt, roll) = (of(Axis::Pan), of(Axis::Tilt), of(Axis::Roll));
        lines.push(label!(
            "load: pan {pan}  tilt {tilt}  roll {roll}",
            "負荷: パン {pan}  チルト {tilt}  ロール {roll}"
        ));
    }
    lines
}

/// What stands in the place of a picture.
pub(super) fn of_no_picture(board: &Board) -> Label {
    if board.camera {
        label!("no picture from the camera", "カメラの画像がありません")
    } else {
        label!("without a camera", "カメラなし")
    }
}

/// The last tap.
pub(super) fn of_tap(board: &Board) -> Option<Label> {
    let (tap, ago) = board.tap.as_ref()?;
    let (english, japanese) = outcome(tap.outcome);
    let (ago_english, ago_japanese) = time_ago(*ago);
    let who = |who: &str| {
        Label::of(
            format!("{who}: {english}, {ago_english}"),
            format!("{who}: {japanese} ({ago_japanese})"),
        )
        .0
    };
    let mut lines = Vec::new();
    if let Some(own) = tap.name.as_deref().map(name).filter(|n| !n.is_empty()) {
        // Only what is left as it is: with question marks it would be nobody's name.
        lines.extend(if crate::base::text::japanese() {
            vec![format!("{own}: {japanese} ({ago_japanese})")]
        } else {
            vec![format!("{own}: {english}, {ago_english}")]
        });
    }
    lines.extend(who(card(tap)));
    Some(Label(lines))
}

fn card(tap: &TapShown) -> &str {
    if tap.card.is_empty() { "?" } else { &tap.card }
}

fn outcome(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::CountedInMemory => (
            "counted, but not lastingly",
            "記録しました（停電で消えます）",
        ),
        Event::Repeat => ("already counted", "記録済み"),
        Event::Refused => ("cannot be used", "使用できません"),
        Event::ReadFailed => ("not read, tap again", "読み取れません"),
        Event::StorageFailed => ("NOT counted", "記録できませんでした"),
        // Others are no outcome of a tap.
        _ => ("counted", "記録しました"),
    }
}

fn time_ago(time: Duration) -> (String, String) {
    let seconds = time.as_secs();
    let (n, english, japanese) = match seconds {
        0..60 => (seconds, "s", "秒前"),
        60..3600 => (seconds / 60, "min", "分前"),
        _ => (seconds / 3600, "h", "時間前"),
    };
    (format!("{n} {english} ago"), format!("{n}{japanese}"))
}

/// What needs attention.
pub(super) fn of_alarms(board: &Board) -> Vec<Label> {
    let mut alarms: Vec<Label> = board.warnings.iter().map(|text| warning(text)).collect();
    let (waiting, troubled) = (board.waiting, board.troubled);
    if board.server == Server::Down {
        alarms.push(label!(
            "the server does not answer, {waiting} taps wait",
            "サーバーが応答しません（未送信 {waiting} 件）"
        ));
    }
    if troubled > 0 {
        alarms.push(label!(
            "{troubled} taps do not get to the server: facetap attendance status",
            "送信できない打刻 {troubled} 件: facetap attendance status"
        ));
    }
    alarms.truncate(ALARMS);
    alarms
}

/// A line of the log; its mark is ASCII in either language.
fn warning(text: &str) -> Label {
    let own: String = text.nfc().filter(|c| !c.is_control()).collect();
    if own.is_ascii() {
        return Label(vec![own]);
    }
    let mark = own
        .split_once(']')
        .map(|(mark, _)| mark.trim_start_matches('['));
    let mark = mark.filter(|mark| own.starts_with('[') && mark.is_ascii());
    Label(vec![
        own.clone(),
        format!("{}: see the log", mark.unwrap_or("warning")),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::scene_tests::board;
    use super::*;

    fn tapped(name: Option<&str>, outcome: Event) -> Board {
        Board {
            tap: Some((
                TapShown {
                    at: crate::base::clock::Monotime::default(),
                    card: "04A1B2C3".to_owned(),
                    name: name.map(str::to_owned),
                    outcome,
                },
                Duration::from_secs(125),
            )),
            ..board()
        }
    }

    #[test]
    fn a_name_has_the_card_to_stand_in_for_it() {
        let label = of_tap(&tapped(Some("山田 太郎"), Event::Counted)).unwrap();
        assert_eq!(
            label.0,
            [
                "山田 太郎: counted, 2 min ago",
                "04A1B2C3: counted, 2 min ago"
            ]
        );
        let label = of_tap(&tapped(None, Event::Repeat)).unwrap();
        assert_eq!(label.0, ["04A1B2C3: already counted, 2 min ago"]);
    }

    #[test]
    fn names_are_composed_cut_and_cleaned() {
        assert_eq!(name("か\u{3099}"), "が");
        assert_eq!(name("a\u{7}\nb"), "ab");
        assert_eq!(name(&"長".repeat(30)), format!("{}...", "長".repeat(21)));
        let label = of_tap(&tapped(Some("\u{1b}"), Event::Counted)).unwrap();
        assert_eq!(label.0.len(), 1, "nothing is left of that name");
    }

    #[test]
    fn the_last_choice_is_always_ascii() {
        let mut all = of_mount(&board());
        all.extend(of_tap(&tapped(Some("é"), Event::Refused)));
        all.push(warning("[HANDLE_LEAK_ALERT] 817個"));
        all.push(warning("メモリ"));
        all.push(of_no_picture(&board()));
        for label in all {
            assert!(label.0.last().unwrap().is_ascii(), "{label:?}");
        }
        assert_eq!(
            warning("[HANDLE_LEAK_ALERT] 817個").0[1],
            "HANDLE_LEAK_ALERT: see the log"
        );
    }

    #[test]
    fn the_newest_alarms_are_shown_and_no_more_than_fit() {
        let board = Board {
            warnings: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            server: Server::Down,
            ..board()
        };
        let all = of_alarms(&board);
        assert_eq!(all.len(), ALARMS);
        assert_eq!(all[0].0, ["a"]);
    }
}
