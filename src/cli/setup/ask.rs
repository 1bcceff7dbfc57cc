//! Questions of the set-up. Ctrl-C and Escape leave; the terminal is then as it was before.

use std::fmt;
use std::io::{ErrorKind, IsTerminal as _};

use anyhow::{Result, anyhow};
use inquire::{InquireError, Select, Text};

use crate::say;

/// A person has left.
#[derive(Debug)]
pub(super) struct Left;

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&say!("left", "中断しました"))
    }
}

impl std::error::Error for Left {}

/// Whether there is a person.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Has one of these chosen, beginning at one of them. Its place in the list.
pub(super) fn pick(question: &str, choices: Vec<String>, begin: usize) -> Result<usize> {
    let help = say!(
        "arrows and Enter; Ctrl-C leaves",
        "矢印キーで選択、Enter で決定、Ctrl-C で中断"
    );
    Select::new(question, choices)
        .with_starting_cursor(begin)
        .with_help_message(&help)
        .without_filtering()
        .raw_prompt()
        .map(|chosen| chosen.index)
        .map_err(left)
}

/// Asks for yes or no.
pub(super) fn yes(question: &str, otherwise: bool) -> Result<bool> {
    let choices = vec![say!("yes", "はい"), say!("no", "いいえ")];
    Ok(pick(question, choices, usize::from(!otherwise))? == 0)
}

/// Asks for a text; Enter alone is what stands there already.
pub(super) fn text(question: &str, already: &str, help: &str) -> Result<String> {
    let typed = Text::new(question)
        .with_initial_value(already)
        .with_help_message(help)
        .prompt()
        .map_err(left)?;
    Ok(typed.trim().to_owned())
}

fn left(why: InquireError) -> anyhow::Error {
    match why {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => anyhow!(Left),
        // Ctrl-C, where the signal came before the key was read.
        InquireError::IO(why) if why.kind() == ErrorKind::Interrupted => anyhow!(Left),
        why => anyhow!(why),
    }
}
