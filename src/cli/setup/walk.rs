//! From step to step: forth, back, left and taken up again.

use anyhow::Result;
use serde_json::Value;

use super::ask::{self, Left};
use super::draft::Past;
use super::{Outcome, Step, Work};
use crate::cli::{DONE, FAILED, complain, print};
use crate::say;

/// What is to happen with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Go,
    LeaveOut,
    Back,
}

/// Goes through the steps.
///
/// # Errors
/// What was done cannot be noted.
pub(super) fn walk(work: &mut Work, steps: &[Step]) -> Result<u8> {
    match through(work, steps) {
        Err(why) if why.is::<Left>() || work.stop.requested() => {
            complain(&say!(
                "left; the servos have no torque. `facetap setup` goes on where it was",
                "中断しました。サーボのトルクはオフです。`facetap setup` で続きから再開できます"
            ));
            Ok(FAILED)
        }
        other => other,
    }
}

fn through(work: &mut Work, steps: &[Step]) -> Result<u8> {
    begin(work, steps)?;
    let mut failed = Vec::new();
    while let Some(step) = steps.get(work.draft.past().len()) {
        let number = work.draft.past().len() + 1;
        print(format_args!(
            "\n[{number}/{}] {}",
            steps.len(),
            (step.title)()
        ));
        let answer = match work.answers.as_ref() {
            None => Some(Value::Null),
            Some(answers) => answers.of(step.key).cloned(),
        };
        let choice = match &answer {
            None => Choice::LeaveOut,
            Some(_) if work.is_alone() => Choice::Go,
            Some(_) => choose(number > 1, false)?,
        };
        match choice {
            Choice::Back => {
                take_back(work, steps)?;
                failed.retain(|key| *key != steps[work.draft.past().len()].key);
            }
            Choice::LeaveOut => {
                print(say!("left out", "省略しました"));
                over(work, step, work.draft.text().to_owned(), Value::Null)?;
            }
            Choice::Go => {
                if !go(work, steps, step, &answer.unwrap_or_default())? {
                    failed.push(step.key);
                }
            }
        }
    }
    Ok(end(work, &failed))
}

/// Whether steps of before are taken up again.
fn begin(work: &mut Work, steps: &[Step]) -> Result<()> {
    let over = work.draft.past().len();
    if over == 0 {
        return Ok(());
    }
    let known = |past: &Past| steps.iter().any(|step| step.key == past.step);
    let goes_on = over < steps.len() && work.draft.past().iter().all(known);
    if work.is_alone() || !goes_on {
        return work.draft.begin_anew();
    }
    let choices = vec![
        say!("go on where it was left", "続きから再開する"),
        say!(
            "begin anew, with the configuration as it is",
            "現在の設定を元に最初から始める"
        ),
    ];
    let question = say!(
        "{over} steps of a set-up are done already",
        "初期設定の途中です（{over} 手順が完了）"
    );
    if ask::pick(&question, choices, 0)? == 1 {
        work.draft.begin_anew()?;
    }
    Ok(())
}

/// Asks what is to happen with a step.
fn choose(may_go_back: bool, was_tried: bool) -> Result<Choice> {
    let go = if was_tried {
        say!("try again", "もう一度試す")
    } else {
        say!("do it", "実行する")
    };
    let mut choices = vec![
        (go, Choice::Go),
        (say!("leave it out", "省略する"), Choice::LeaveOut),
    ];
    if may_go_back {
        let back = say!(
            "back: take back the step before",
            "戻る: 直前の手順を取り消す"
        );
        choices.push((back, Choice::Back));
    }
    let (texts, choices): (Vec<String>, Vec<Choice>) = choices.into_iter().unzip();
    let question = say!("This step", "この手順");
    Ok(choices[ask::pick(&question, texts, 0)?])
}

/// Carries a step out, again and again where a person wants that. False if it is over without being done.
fn go(work: &mut Work, steps: &[Step], step: &Step, answer: &Value) -> Result<bool> {
    let before = work.draft.text().to_owned();
    loop {
        let why = match (step.run)(work, answer) {
            Ok(Outcome::Done(said, note)) => {
                print(said);
                over(work, step, before, note)?;
                return Ok(true);
            }
            Ok(Outcome::Failed(why)) => why,
            Err(why) if why.is::<Left>() || work.stop.requested() => return Err(why),
            Err(why) => format!("{why:#}"),
        };
        complain(&why);
        let choice = if work.is_alone() {
            Choice::LeaveOut
        } else {
            choose(!work.draft.past().is_empty(), true)?
        };
        match choice {
            Choice::Go => work.draft.replace(before.clone())?,
            Choice::LeaveOut => {
                over(work, step, before, Value::Null)?;
                return Ok(false);
            }
            Choice::Back => {
                work.draft.replace(before)?;
                take_back(work, steps)?;
                return Ok(true);
            }
        }
    }
}

fn over(work: &mut Work, step: &Step, before: String, note: Value) -> Result<()> {
    work.draft.push(Past {
        step: step.key.to_owned(),
        before,
        note,
    })
}

fn take_back(work: &mut Work, steps: &[Step]) -> Result<()> {
    let Some(past) = work.draft.pop()? else {
        return Ok(());
    };
    if let Some(step) = steps.iter().find(|step| step.key == past.step)
        && !past.note.is_null()
        && let Err(why) = (step.undo)(work, &past.note)
    {
        complain(&say!(
            "not all of it could be taken back: {why:#}",
            "すべては元に戻せませんでした: {why:#}"
        ));
    }
    Ok(())
}

fn end(work: &Work, failed: &[&str]) -> u8 {
    work.draft.finish();
    if failed.is_empty() {
        print(say!("\nThe set-up is done.", "\n初期設定が完了しました。"));
        return DONE;
    }
    let list = failed.join(", ");
    print(say!(
        "\nThe set-up is over; not as they should be: {list}. `facetap check` and `facetap doctor` tell more.",
        "\n初期設定を終了しました。完了しなかった手順: {list}。`facetap check` と `facetap doctor` で確認してください。"
    ));
    FAILED
}
