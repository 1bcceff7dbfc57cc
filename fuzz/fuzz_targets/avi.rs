//! A clip. It has an end, however damaged it is, and no picture is larger than the file.

#![no_main]

use std::io::Cursor;

use facetap::follow::camera::avi::reader::{Reader, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(mut reader) = Reader::new(Cursor::new(file)) else {
        return;
    };
    // Every step goes forward.
    for _ in 0..=file.len() + 1 {
        match reader.step().unwrap() {
            Step::Picture(data) => assert!(data.len() <= file.len()),
            Step::Dropped | Step::Damaged => {}
            Step::End { .. } => return,
        }
    }
    panic!("no end");
});
