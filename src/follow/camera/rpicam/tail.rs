//! The last lines that a program wrote to standard error, and the one that tells of its pictures.

use std::collections::VecDeque;

use super::announced::{self, Announced};

/// Lines that are kept, and characters of each.
const LINES: usize = 3;
const LENGTH: usize = 200;

/// Keeps the last lines of what a program says, however much that is.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    announced: Option<Announced>,
    /// The line that has not ended yet, as far as it is kept.
    open: Vec<u8>,
}

impl Tail {
    /// Takes in what was said.
    pub fn push(&mut self, said: &[u8]) {
        for byte in said {
            match byte {
                b'\n' | b'\r' => self.end_line(),
                _ if self.open.len() < 4 * LENGTH => self.open.push(*byte),
                _ => {}
            }
        }
    }

    /// What it has said of its pictures last.
    pub const fn announced(&self) -> Option<&Announced> {
        self.announced.as_ref()
    }

    /// The last lines, joined; empty if nothing was said.
    pub fn text(&mut self) -> String {
        self.end_line();
        Vec::from(self.lines.clone()).join("; ")
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.open).into_owned();
        self.open.clear();
        if let Some(announced) = announced::parse(&line) {
            self.announced = Some(announced);
        }
        if let Some(line) = essence(&line) {
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
        }
    }
}

/// A line without what changes from run to run, or None for one that explains nothing.
///
/// libcamera writes `[0:24:11.415660787] [10635] ERROR V4L2 v4l2_device.cpp:390 'imx708': ...`; the
/// programs write `ERROR: *** no cameras available ***`, and up to 2022 a line `#12 (30.00 fps) ...` for
/// each picture.
fn essence(line: &str) -> Option<String> {
    let mut rest = line.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        rest = after.trim_start();
    }
    let rest = rest.strip_prefix("ERROR:").unwrap_or(rest);
    let rest = rest.trim_matches(|c: char| c == '*' || c.is_whitespace());
    if rest.is_empty() || ["#", "INFO ", "DEBUG "].iter().any(|p| rest.starts_with(p)) {
        return None;
    }
    let plain = rest.chars().filter(|c| !c.is_control());
    Some(plain.take(LENGTH).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_words(said: &[u8]) -> String {
        let mut tail = Tail::default();
        for piece in said.chunks(3) {
            tail.push(piece);
        }
        tail.text()
    }

    #[test]
    fn what_explains_the_end_is_kept_without_times_and_numbers() {
        let said =
            b"[0:24:11.415660787] [10635]  INFO Camera camera_manager.cpp:327 libcamera v0.4.0\n\
            #0 (0.00 fps) exp 33239.00 ag 1.00 dg 1.00\n\
            [0:24:12.1] [10635] ERROR V4L2 v4l2_device.cpp:390 busy\n\n\
            ERROR: *** no cameras available ***";
        assert_eq!(
            last_words(said),
            "ERROR V4L2 v4l2_device.cpp:390 busy; no cameras available"
        );
        assert_eq!(last_words(b""), "");
    }

    #[test]
    fn what_is_said_of_the_pictures_is_kept_whatever_follows() {
        let mut tail = Tail::default();
        for line in ["(0) 640x480-YUV420", "(0) 320x240-YUV420/sYCC (1) 9x9-R"] {
            tail.push(format!("INFO Camera configuring streams: {line}\nx\n").as_bytes());
        }
        let said = tail.announced().unwrap();
        assert_eq!((said.width, said.height), (320, 240));
        assert_eq!(tail.text(), "x; x");
    }

    #[test]
    fn it_is_bounded_and_takes_any_bytes() {
        let mut tail = Tail::default();
        for _ in 0..1000 {
            tail.push(&[b'x'; 5000]);
        }
        assert!(tail.open.len() <= 4 * LENGTH);
        assert_eq!(tail.text().len(), LENGTH);
        let said: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        tail.push(&said);
        assert!(tail.text().chars().count() <= LINES * (LENGTH + 2));
    }
}
