//! A file and a screen in memory, for the tests of this module: the disk may be full, or stand still.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::Result;

use super::worker::Output;
use crate::base::stop::lock;

/// Clones are the same file and screen.
#[derive(Clone, Default)]
pub(super) struct MemoryOutput(Arc<(Mutex<Content>, Condvar)>);

#[derive(Default)]
struct Content {
    file: Vec<String>,
    screen: Vec<String>,
    full: bool,
    stalled: bool,
}

impl MemoryOutput {
    /// Whether the file takes nothing.
    pub fn set_full(&self, full: bool) {
        lock(&self.0.0).full = full;
    }

    /// Whether the file takes its time: writing ends when this is taken back.
    pub fn set_stalled(&self, stalled: bool) {
        lock(&self.0.0).stalled = stalled;
        self.0.1.notify_all();
    }

    /// The lines of the file, with their ends.
    pub fn file(&self) -> Vec<String> {
        lock(&self.0.0).file.clone()
    }

    /// What the screen shows.
    pub fn screen(&self) -> Vec<String> {
        lock(&self.0.0).screen.clone()
    }

    /// Waits for a line of the file that `what` takes, and returns what it made of it.
    pub fn wait_for<T>(&self, what: impl Fn(&str) -> Option<T>) -> T {
        let mut content = lock(&self.0.0);
        loop {
            if let Some(found) = content.file.iter().find_map(|line| what(line)) {
                return found;
            }
            content = self
                .0
                .1
                .wait(content)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Output for MemoryOutput {
    fn file(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8(line.to_vec()).unwrap();
        assert!(!text.contains("poison"), "a fault in the writer itself");
        let content = self
            .0
            .1
            .wait_while(lock(&self.0.0), |content| content.stalled);
        let mut content = content.unwrap_or_else(PoisonError::into_inner);
        if content.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let lines = text.split_inclusive('\n').map(str::to_owned);
        content.file.extend(lines);
        self.0.1.notify_all();
        Ok(())
    }

    fn screen(&mut self, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).unwrap();
        lock(&self.0.0).screen.push(line);
    }

    fn reopen(&mut self) -> Result<()> {
        self.file(b"reopened\n").map_err(Into::into)
    }

    fn path(&self) -> &Path {
        Path::new("facetap.log")
    }
}
