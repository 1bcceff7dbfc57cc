//! Memory of an NVIDIA board, through the library that its driver brings; it is loaded at run time.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nvml_wrapper::Nvml;

use crate::base::clock::Monotime;
use crate::watch::monitor::sample::GpuMemory;

/// A driver that was not there is looked for again after this time: it may have been installed.
const AGAIN: Duration = Duration::from_secs(6 * 3600);

/// The driver's library, once it was found.
#[derive(Debug, Default)]
pub(super) struct Nvidia {
    library: Option<Nvml>,
    looked: Option<Monotime>,
}

impl Nvidia {
    /// Memory of all boards together; none without a driver or a board.
    ///
    /// # Errors
    /// The driver is there and does not tell.
    pub(super) fn memory(&mut self, now: Monotime) -> Result<Option<GpuMemory>> {
        if self.library.is_none() && self.looked.is_none_or(|t| now.since(t) >= AGAIN) {
            self.looked = Some(now);
            self.library = Nvml::init().ok();
        }
        let Some(library) = &self.library else {
            return Ok(None);
        };
        let memory = add_up(library);
        if memory.is_err() {
            // After an update of the driver the loaded library is of no use any more.
            self.library = None;
        }
        memory
    }
}

fn add_up(library: &Nvml) -> Result<Option<GpuMemory>> {
    let boards = library
        .device_count()
        .context("the NVIDIA driver does not tell its boards")?;
    let mut sum = GpuMemory::default();
    for index in 0..boards {
        let memory = library
            .device_by_index(index)
            .and_then(|board| board.memory_info())
            .with_context(|| {
                format!("the NVIDIA driver does not tell the memory of board {index}")
            })?;
        sum.used_bytes += memory.used;
        sum.total_bytes += memory.total;
    }
    Ok((boards > 0).then_some(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_driver_is_no_failure_and_is_looked_for_rarely() {
        let mut nvidia = Nvidia::default();
        let first = nvidia.memory(Monotime::default()).unwrap();
        if nvidia.library.is_some() {
            eprintln!("SKIPPED: this machine has an NVIDIA driver: {first:?}");
            return;
        }
        assert_eq!(first, None);
        let later = Monotime::default() + AGAIN;
        assert_eq!(nvidia.memory(later - Duration::from_secs(1)).unwrap(), None);
        assert_eq!(nvidia.looked, Some(Monotime::default()));
        assert_eq!(nvidia.memory(later).unwrap(), None);
        assert_eq!(nvidia.looked, Some(later));
    }
}
