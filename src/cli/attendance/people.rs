//! Whom a row is about: by the roster as it is now, which may have been corrected since; else by the name that the ledger
//! has.

use std::path::Path;

use super::note;
use crate::attend::ledger::query::Row;
use crate::attend::ledger::roster::{self, Directory, Whose};
use crate::config::Attendance;

/// The roster, as the command has found it.
pub(super) struct People(Option<Directory>);

/// Whom a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// This person.
    Known(&'a str),
    /// A card that is in the roster for two people.
    Disputed,
    /// A card that is not in the roster.
    Unknown,
    /// There is no roster that could tell.
    NotTold,
}

impl People {
    /// Reads the roster; one that cannot be read is told and done without.
    pub fn of(attendance: &Attendance, ledger: &Path) -> Self {
        let columns = attendance.roster_columns.clone().unwrap_or_default();
        let read = attendance.roster.as_deref().and_then(|file| {
            roster::read(file, &columns, &roster::tapped(ledger))
                .inspect_err(|e| note(&format!("{e:#}")))
                .map(|c| c.people)
                .ok()
        });
        Self(read)
    }

    pub fn has_roster(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the card is in the roster now.
    pub fn knows(&self, uid: &str) -> bool {
        self.0.as_ref().is_some_and(|people| people.has(uid))
    }

    pub fn who<'a>(&'a self, row: &'a Row) -> Who<'a> {
        // An employee number that an earlier version took for a name is none.
        let name = row.name.as_deref().filter(|name| roster::is_name(name));
        let stored = |otherwise| name.map_or(otherwise, Who::Known);
        let Some(people) = &self.0 else {
            return stored(Who::NotTold);
        };
        match people.whose_tap(&row.uid, row.likely_time()) {
            Whose::Known(person) => Who::Known(&person.name),
            Whose::Disputed => Who::Disputed,
            // Handed on since, or taken out since: then it was whose the ledger says.
            Whose::Earlier | Whose::Unknown => stored(Who::Unknown),
        }
    }
}
