//! The newest picture for those who look: a window, a page. While nobody does, it costs the loop one look at a flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Monotime;
use crate::base::stop::lock;
use crate::follow::camera::Picture;
use crate::follow::track::TrackedFace;

/// A picture, and what was made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Number of the captured frame.
    pub number: u64,
    /// When it was captured.
    pub captured: Monotime,
    /// Width and height in pixels, which the faces are measured in.
    pub size: (u32, u32),
    /// As it came from the camera.
    pub picture: Picture,
    /// Who is in it.
    pub faces: Vec<TrackedFace>,
}

/// Where the loop hands over a picture when somebody has asked for one. Holds one picture at most, and none when the
/// last viewer has gone.
#[derive(Debug, Default)]
pub struct Preview {
    wanted: AtomicBool,
    state: Mutex<PreviewState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PreviewState {
    viewers: u32,
    /// Pictures handed over so far.
    serial: u64,
    newest: Option<Arc<Shown>>,
}

impl Preview {
    /// Hands over a picture if one is wanted; only then is it made.
    pub fn offer(&self, make: impl FnOnce() -> Shown) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let shown = Arc::new(make());
        let mut state = lock(&self.state);
        self.wanted.store(false, Ordering::Relaxed);
        if state.viewers == 0 {
            return;
        }
        state.serial += 1;
        let before = state.newest.replace(shown);
        drop(state);
        self.changed.notify_all();
        drop(before);
    }

    /// Begins to look.
    #[must_use]
    pub fn look(self: &Arc<Self>) -> Viewer {
        lock(&self.state).viewers += 1;
        Viewer(Arc::clone(self))
    }
}

/// Somebody who looks. Dropping it ends that.
#[derive(Debug)]
pub struct Viewer(Arc<Preview>);

impl Viewer {
    /// Asks for a picture and waits for the next one, for `timeout` at most. None if none came.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Option<Arc<Shown>> {
        let state = lock(&self.0.state);
        let before = state.serial;
        self.0.wanted.store(true, Ordering::Relaxed);
        let (state, _) = (self.0.changed)
            .wait_timeout_while(state, timeout, |s| s.serial == before)
            .unwrap_or_else(PoisonError::into_inner);
        if state.serial == before {
            return None;
        }
        state.newest.clone()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.viewers -= 1;
        if state.viewers == 0 {
            self.0.wanted.store(false, Ordering::Relaxed);
            state.newest = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: u64) -> Shown {
        Shown {
            number,
            captured: Monotime::default(),
            size: (1, 1),
            picture: Picture::Jpeg(Vec::new()),
            faces: Vec::new(),
        }
    }

    #[test]
    fn nothing_is_made_while_nobody_asks() {
        let preview = Arc::new(Preview::default());
        preview.offer(|| panic!("nobody looks"));
        let viewer = preview.look();
        preview.offer(|| panic!("nobody has asked yet"));
        assert_eq!(viewer.next(Duration::ZERO), None);
        // The wish stands until it is fulfilled, once.
        preview.offer(|| shown(1));
        preview.offer(|| panic!("it was fulfilled"));
    }

    #[test]
    fn a_picture_is_for_all_who_wait_and_never_an_old_one() {
        let preview = Arc::new(Preview::default());
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let viewer = preview.look();
                std::thread::spawn(move || viewer.next(Duration::from_secs(3600)).unwrap().number)
            })
            .collect();
        while !waiters.iter().all(|w| w.is_finished()) {
            preview.offer(|| shown(7));
        }
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), 7);
        }
        let late = preview.look();
        assert_eq!(late.next(Duration::ZERO), None, "7 was before it asked");
    }

    #[test]
    fn the_last_viewer_takes_the_picture_along() {
        let preview = Arc::new(Preview::default());
        let (one, other) = (preview.look(), preview.look());
        let _ = one.next(Duration::ZERO);
        preview.offer(|| shown(3));
        drop(one);
        assert!(lock(&preview.state).newest.is_some());
        let _ = other.next(Duration::ZERO);
        drop(other);
        assert!(lock(&preview.state).newest.is_none());
        preview.offer(|| panic!("nobody looks any more"));
    }
}
