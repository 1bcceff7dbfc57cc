//! What is known of people, cards and passwords on this machine, so that it can be masked.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::machine::Machine;
use super::mask::Secrets;
use super::root::open;
use crate::attend::ledger::FILE;
use crate::attend::ledger::query::View;
use crate::attend::ledger::roster;

/// For the ledger.
const LIMIT: Duration = Duration::from_millis(800);
/// Most names that are taken from it.
const NAMES: u32 = 100_000;
/// Most cards: others are recognised by their form.
const CARDS: u32 = 20_000;
/// A token is shorter.
const LARGEST_FILE: u64 = 64 * 1024;

/// What was found, and whether that is all.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// To be masked.
    pub secrets: Secrets,
    /// What could not be read: what only it knows cannot be recognised. Empty if all was read.
    pub unread: Vec<String>,
}

/// Reads roster, ledger, token and configuration.
#[must_use]
pub fn gather(machine: &Machine) -> Known {
    let mut unread = Vec::new();
    let (mut names, mut cards) = (BTreeSet::new(), BTreeSet::new());
    let (root, config) = (&machine.root, &machine.config);
    if let Some(file) = &config.attendance.roster {
        let real = root.path(file);
        let columns = config.attendance.roster_columns.clone().unwrap_or_default();
        match roster::read(&real, &columns, &roster::tapped(&machine.data_dir)) {
            Ok(contents) => {
                cards.extend(contents.people.cards());
                names.extend(contents.people.names().map(str::to_owned));
            }
            Err(_) if is_absent(&real) => {}
            Err(_) => unread.push(file.display().to_string()),
        }
    }
    let ledger = machine.data_dir.join(FILE);
    if !is_absent(&ledger) {
        match of_ledger(machine) {
            Ok((of_taps, read)) => {
                names.extend(of_taps);
                cards.extend(read);
            }
            Err(_) => unread.push(root.own(&ledger).display().to_string()),
        }
    }
    let mut tokens = BTreeSet::new();
    if let Some(file) = &config.auth_token_file {
        match text(&root.path(file)) {
            Ok(text) => tokens.extend(text.split_whitespace().map(str::to_owned)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            // Nobody has it who could have written it anywhere.
            Err(_) => {}
        }
    }
    let config = machine
        .config_file
        .as_deref()
        .map(|file| (file, text(file)));
    if let Some((file, Err(_))) = &config
        && !is_absent(file)
    {
        // It may name a roster.
        unread.push(root.own(file).display().to_string());
    }
    if let Some((_, Ok(text))) = config {
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => passwords(&value, &mut tokens),
            // As far as the quotation marks tell.
            Err(_) => text
                .split('"')
                .for_each(|word| tokens.extend(of_address(word))),
        }
    }
    Known {
        secrets: Secrets {
            names: names.into_iter().collect(),
            cards: cards.into_iter().collect(),
            tokens: tokens.into_iter().collect(),
        },
        unread,
    }
}

/// Whether there is nothing. What may not be looked at may hold any name.
fn is_absent(file: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    std::fs::metadata(file).is_err_and(|e| matches!(e.kind(), NotFound | NotADirectory))
}

fn of_ledger(machine: &Machine) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let mut view = View::open(&machine.data_dir)?;
    view.within(&machine.clock, machine.patience(LIMIT))?;
    Ok((view.names(NAMES)?, view.cards(CARDS)?))
}

fn text(file: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    open(file)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn passwords(value: &Value, tokens: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => tokens.extend(of_address(text)),
        Value::Array(values) => values.iter().for_each(|v| passwords(v, tokens)),
        Value::Object(values) => values.values().for_each(|v| passwords(v, tokens)),
        _ => {}
    }
}

/// User with password, and the password alone, of `scheme://user:password@host?pwd=password`.
fn of_address(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("://") else {
        return Vec::new();
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut found = Vec::new();
    if let Some((user, _)) = rest.rsplit_once('@') {
        found.extend(
            user.split_once(':')
                .map(|(_, password)| password.to_owned()),
        );
        found.push(user.to_owned());
    }
    // Others say how the picture is to be, and would spoil a text that has them as words.
    const SECRET: [&str; 8] = [
        "pass", "pwd", "user", "usr", "login", "token", "key", "auth",
    ];
    found.extend(query.split(['&', ';', '#']).filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = name.to_lowercase();
        (!value.is_empty() && SECRET.iter().any(|word| name.contains(word)))
            .then(|| value.to_owned())
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_addresses() {
        assert_eq!(
            of_address("mqtt://me:p@ss/w@host:1883"),
            ["p@ss/w", "me:p@ss/w"]
        );
        assert_eq!(of_address("http://host/path"), Vec::<String>::new());
        assert_eq!(
            of_address("http://a:b@cam/v?usr=admin&loginpwd=x1&channel=2"),
            ["b", "a:b", "admin", "x1"]
        );
        let mut found = BTreeSet::new();
        let value = serde_json::json!({"mqtt": {"url": "mqtt://me:x@h"}, "n": [1, "a://b@c"]});
        passwords(&value, &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["b", "me:x", "x"]);
    }
}
