//! What a window can do and what can happen to it, whatever display server it is on.

use anyhow::Result;

/// What happens to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    /// Closed, or ESC pressed.
    Quit,
    /// Its size in pixels.
    Resized(u16, u16),
    /// Whether anything of it can be seen.
    Seen(bool),
    /// Its pixels are lost.
    Exposed,
}

/// A window that is open. Dropping it closes it.
pub(super) trait Screen {
    /// What has happened since the last call; does not wait.
    ///
    /// # Errors
    /// Why there is no window any more.
    fn happenings(&mut self) -> Result<Vec<Happening>>;

    /// Shows rows of blue, green and red bytes in the middle.
    ///
    /// # Errors
    /// As above.
    fn show(&mut self, size: (u32, u32), bytes: &[u8]) -> Result<()>;
}
