//! A device that may be absent, fail and come back: when to try again, and what is said about it. Pure.

use std::time::Duration;

use anyhow::{Error, Result};

use crate::base::clock::Monotime;

/// Pause between two tries.
pub const RETRY: Duration = Duration::from_secs(30);

/// What is to be logged of a device, once each.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing new.
    Nothing,
    /// It is there for the first time.
    Opened,
    /// It was not there at the first try: why.
    Absent(String),
    /// It worked, and fails now: why.
    Failed(String),
    /// It failed, and works again.
    Back,
}

/// The device, or when to try for it.
#[derive(Debug)]
enum AttachmentState<T> {
    Untried,
    /// It never worked.
    Absent(Monotime),
    Open(T),
    /// It has worked.
    Lost(Monotime),
}

/// A device that is tried for now and then.
#[derive(Debug)]
pub struct Attachment<T>(AttachmentState<T>);

impl<T> Default for Attachment<T> {
    fn default() -> Self {
        Self(AttachmentState::Untried)
    }
}

impl<T> Attachment<T> {
    /// Opens the device if it is time to try. What there is to say of it.
    pub fn attend(&mut self, now: Monotime, open: impl FnOnce() -> Result<T>) -> Said {
        let worked = match self.0 {
            AttachmentState::Open(_) => return Said::Nothing,
            AttachmentState::Absent(again) | AttachmentState::Lost(again) if now < again => {
                return Said::Nothing;
            }
            AttachmentState::Untried | AttachmentState::Absent(_) => false,
            AttachmentState::Lost(_) => true,
        };
        match (open(), worked) {
            (Ok(device), _) => {
                self.0 = AttachmentState::Open(device);
                if worked { Said::Back } else { Said::Opened }
            }
            (Err(_), true) => {
                self.0 = AttachmentState::Lost(now + RETRY);
                Said::Nothing
            }
            (Err(e), false) => {
                let first = matches!(self.0, AttachmentState::Untried);
                self.0 = AttachmentState::Absent(now + RETRY);
                if first {
                    // Not what the system called it: for who has none it is no error.
                    log::debug!("{e:#}");
                    Said::Absent(e.to_string())
                } else {
                    Said::Nothing
                }
            }
        }
    }

    /// The device, if it works.
    pub fn device(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            AttachmentState::Open(device) => Some(device),
            _ => None,
        }
    }

    /// How long it takes until it is tried for; none if it works.
    pub fn next_try(&self, now: Monotime) -> Option<Duration> {
        match &self.0 {
            AttachmentState::Open(_) => None,
            AttachmentState::Untried => Some(Duration::ZERO),
            AttachmentState::Absent(at) | AttachmentState::Lost(at) => Some(at.since(now)),
        }
    }

    /// The device has failed: it is dropped, and tried for again later.
    pub fn failed(&mut self, now: Monotime, why: &Error) -> Said {
        self.0 = AttachmentState::Lost(now + RETRY);
        Said::Failed(format!("{why:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn at(seconds: u64) -> Monotime {
        Monotime::from_zero(Duration::from_secs(seconds))
    }

    fn absent() -> Result<u8> {
        Err(anyhow!("no bus"))
    }

    #[test]
    fn what_never_was_there_is_said_once_and_tried_for_quietly() {
        let mut a = Attachment::default();
        assert_eq!(a.attend(at(0), absent), Said::Absent("no bus".into()));
        assert_eq!(a.next_try(at(29)), Some(Duration::from_secs(1)));
        assert_eq!(a.attend(at(29), || panic!("too early")), Said::Nothing);
        assert_eq!(a.attend(at(30), absent), Said::Nothing);
        assert_eq!(a.attend(at(60), || Ok(7)), Said::Opened);
        assert_eq!(a.device(), Some(&mut 7));
        assert_eq!(a.next_try(at(60)), None);
        assert_eq!(a.attend(at(61), || panic!("it is open")), Said::Nothing);
    }

    #[test]
    fn who_has_none_reads_of_no_error() {
        let system = std::io::Error::from_raw_os_error(2);
        let why = Error::new(system).context("there is no bus");
        let said = Attachment::<u8>::default().attend(at(0), || Err(why));
        assert_eq!(said, Said::Absent("there is no bus".into()));
    }

    #[test]
    fn a_fault_is_said_once_and_so_is_its_end() {
        let mut a = Attachment::default();
        assert_eq!(a.attend(at(0), || Ok(1)), Said::Opened);
        let fault = a.failed(at(1), &anyhow!("unplugged"));
        assert_eq!(fault, Said::Failed("unplugged".into()));
        assert_eq!(a.device(), None);
        assert_eq!(a.attend(at(2), || panic!("too early")), Said::Nothing);
        for second in [31, 61, 91] {
            assert_eq!(a.attend(at(second), absent), Said::Nothing);
        }
        assert_eq!(a.attend(at(121), || Ok(2)), Said::Back);
        assert_eq!(a.device(), Some(&mut 2));
    }
}
