//! Whom a row is about: the name that the ledger has, else that of the roster as it is now.

use std::collections::HashMap;
use std::path::Path;

use super::note;
use crate::attend::ledger::query::Row;
use crate::attend::ledger::roster;

/// The roster, as the command has found it.
pub(super) struct People(Option<HashMap<String, String>>);

/// Whom a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// This person.
    Known(&'a str),
    /// A card that is not in the roster.
    Unknown,
    /// There is no roster that could tell.
    NotTold,
}

impl People {
    /// Reads the roster; one that cannot be read is told and done without.
    pub fn of(file: Option<&Path>) -> Self {
        let read = file.map(roster::read).and_then(|read| {
            read.inspect_err(|e| note(&format!("{e:#}")))
                .map(|c| c.names)
                .ok()
        });
        Self(read.map(|names| {
            names
                .into_iter()
                .map(|(card, name)| (card.to_string(), name))
                .collect()
        }))
    }

    pub fn has_roster(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the card is in the roster now.
    pub fn knows(&self, uid: &str) -> bool {
        self.0.as_ref().is_some_and(|names| names.contains_key(uid))
    }

    pub fn who<'a>(&'a self, row: &'a Row) -> Who<'a> {
        if let Some(name) = &row.name {
            return Who::Known(name);
        }
        match &self.0 {
            None => Who::NotTold,
            Some(names) => names
                .get(&row.uid)
                .map_or(Who::Unknown, |name| Who::Known(name)),
        }
    }
}
