//! The step that finds the servos and gives them their ids.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::neutral::common;
use super::{Outcome, Work, ask};
use crate::cli::servo::{SetupOptions, commission_all};
use crate::cli::{complain, print};
use crate::follow::servo::{self, ports};
use crate::say;

/// How long servos may take to be connected where nobody is asked, and from one look to the next.
const HANDS: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn servos(work: &mut Work, answer: &Value) -> Result<Outcome> {
    work.draft.set("servo.enabled", "true")?;
    let port = match answer["port"].as_str() {
        Some(port) => Some(port.to_owned()),
        None if work.is_alone() => None,
        None => choose_port(&work.config()?.servo.port)?,
    };
    if let Some(port) = port {
        work.draft.set("servo.port", &port)?;
    }
    let has_roll = work.config()?.servo.axes.roll.is_some();
    let roll = match answer["roll"].as_bool() {
        Some(roll) => roll,
        None if work.is_alone() => has_roll,
        None => ask::yes(
            &say!(
                "Has the mount a servo for roll (inclination)?",
                "ロール（傾き）用のサーボはありますか?"
            ),
            has_roll,
        )?,
    };
    if roll && !has_roll {
        work.draft.set("servo.axes.roll.id", "2")?;
    } else if !roll && has_roll {
        work.draft.set("servo.axes.roll", "null")?;
    }
    let ids = match answer["ids"].as_bool() {
        Some(ids) => ids,
        None if work.is_alone() => false,
        None => ask::yes(
            &say!(
                "Are they new, or not known to have the right ids? Then they get them one after the other",
                "新品、またはIDが未設定ですか?（1台ずつ設定します）"
            ),
            true,
        )?,
    };
    let mut note = Value::Null;
    if ids {
        let options = SetupOptions {
            common: common(work),
            axis: None,
        };
        let (_, found) = commission_all(&options, true)?;
        if let Some((family, rate)) = found {
            work.draft.set("servo.protocol", family)?;
            work.draft.set("servo.baud", &rate.to_string())?;
        }
        note = json!(true);
    }
    let told = all_answer(work)?;
    Ok(Outcome::Done(told, note))
}

/// Waits until every servo answers: where nobody is asked, somebody may be connecting them.
fn all_answer(work: &Work) -> Result<String> {
    let config = work.config()?.servo;
    let begun = work.clock.now();
    loop {
        match servo::probe(config.clone()) {
            Ok(told) => return Ok(told),
            Err(why) if !work.is_alone() => return Err(why),
            Err(why) if work.clock.now().since(begun) > HANDS => return Err(why),
            Err(_) => {}
        }
        if work.clock.wait(&work.stop, LOOK) {
            bail!(say!("stopped", "中断しました"));
        }
    }
}

/// Asks for the port, where there is a choice. The one that is configured comes first, then those on USB.
fn choose_port(configured: &str) -> Result<Option<String>> {
    let mut choices = Vec::new();
    if configured != "auto" {
        let now = say!("as configured", "現在の設定");
        choices.push((configured.to_owned(), now));
    }
    let mut found = ports::list();
    found.sort_by_key(|port| !port.automatic);
    for port in found {
        let name = port.name.display().to_string();
        if name != configured {
            choices.push((name, port.product.unwrap_or_default()));
        }
    }
    if choices.is_empty() {
        complain(&say!(
            "no serial port is there: plug in the servo adapter (`facetap devices` lists them)",
            "シリアルポートがありません。サーボアダプターを接続してください（`facetap devices` で確認できます）"
        ));
        return Ok(None);
    }
    let texts = choices
        .iter()
        .map(|(name, about)| format!("{name}  {about}"));
    let question = say!("Which port?", "どのポートを使いますか?");
    let chosen = ask::pick(&question, texts.collect(), 0)?;
    Ok(Some(choices.swap_remove(chosen).0))
}

/// What is in the servos' permanent memory stays there.
#[allow(clippy::unnecessary_wraps)] // as the other steps
pub(super) fn ids_stay(_: &Work, _: &Value) -> Result<()> {
    print(say!(
        "the servos keep their ids; `facetap servo set-id OLD NEW` changes one",
        "サーボのIDはそのままです（`facetap servo set-id` で変更できます）"
    ));
    Ok(())
}
