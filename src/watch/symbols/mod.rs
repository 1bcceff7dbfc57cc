//! Symbols: from an address in the code to the name of its function, its file and its line.
//!
//! Reading the symbols of a program takes tens of megabytes. It is therefore done by a child process, the hidden
//! command `facetap symbolise`, and the memory of the service does not grow by it.

mod child;
mod lookup;
mod modules;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

pub use child::{answer, this_program_symbolises};
pub use lookup::build_id;
pub use modules::{Module, UnwindTables, loaded};

/// How long the symbols may take when nobody says otherwise: four times what a Raspberry Pi 4 needs for all of
/// OpenCV, read from an SD card.
const PATIENCE: Duration = Duration::from_secs(20);

/// One function that an address lies in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// The name as people write it, without the compiler's marks.
    pub function: String,
    /// The source file, where the program knows it.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.function)?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            (Some(file), None) => write!(f, " ({file})"),
            _ => Ok(()),
        }
    }
}

/// An address that still means something in another process, or after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The program or library.
    pub file: PathBuf,
    /// Its build id in hexadecimal, so that a newer file of the same name is not taken for it; none where the file
    /// has none.
    pub build_id: Option<String>,
    /// The address as the file itself counts (what `addr2line -e FILE` takes).
    pub address: u64,
}

/// The symbols of return addresses of this process, for each the innermost inlined function first. An address of
/// which nothing is known has an empty list.
///
/// # Errors
/// The child process cannot be started, or it failed, or found nothing within twenty seconds.
pub fn resolve(addresses: &[u64]) -> Result<Vec<Vec<Symbol>>> {
    let modules = loaded();
    // A return address is that of the instruction after the call, which may already belong to another line.
    let places: Vec<Option<Place>> = addresses
        .iter()
        .map(|a| modules::place(&modules, a.saturating_sub(1)))
        .collect();
    let known: Vec<Place> = places.iter().flatten().cloned().collect();
    let mut found = resolve_places(&known, PATIENCE)?.into_iter();
    Ok(places
        .iter()
        .map(|p| p.as_ref().and_then(|_| found.next()).unwrap_or_default())
        .collect())
}

/// The symbols of places that were noted earlier. They are taken as they are: of a return address, one less is to be
/// given.
///
/// # Errors
/// The child process cannot be started, or it failed, or found nothing within `limit` (whole seconds, at least one).
/// What is found later than that is empty.
pub fn resolve_places(places: &[Place], limit: Duration) -> Result<Vec<Vec<Symbol>>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    child::ask(places, limit)
}
