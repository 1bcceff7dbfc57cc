//! What `rpicam-vid` writes into its pipe: which kind of pictures and the size of the pieces in the first byte, then the
//! pictures. Raw ones have a pause after each piece of an odd beginning.

#![no_main]

use facetap::base::clock::Monotime;
use facetap::follow::camera::jpeg::BEGINNING;
use facetap::follow::camera::raw::Range;
use facetap::follow::camera::rpicam::frames::{Frames, Shape};
use facetap::follow::camera::rpicam::split::Splitter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let piece = usize::from(size / 2).max(1) * 7;
    if size % 2 == 0 {
        jpegs(stream, piece);
    } else {
        raw(stream, piece);
    }
});

fn jpegs(stream: &[u8], piece: usize) {
    let mut splitter = Splitter::default();
    let mut given = 0;
    for piece in stream.chunks(piece) {
        splitter.push(piece, Monotime::default());
        while let Some(picture) = splitter.next_picture() {
            assert!(picture.jpeg.starts_with(&BEGINNING) && picture.jpeg.ends_with(&[0xFF, 0xD9]));
            given += picture.jpeg.len();
            assert!(given <= stream.len());
        }
    }
}

/// Pictures so small that a short stream has some.
fn raw(stream: &[u8], piece: usize) {
    let mut frames = Frames::new(Shape {
        width: 4,
        height: 2,
        shrunk: 2,
        range: Range::Full,
    });
    let mut given = 0;
    for piece in stream.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let room = frames.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            if let Ok(Some(complete)) = frames.filled(count, Monotime::default()) {
                assert_eq!(complete.raw.layout().full(), (8, 4));
                given += complete.raw.data().len();
                assert!(given <= stream.len());
            }
        }
        if piece[0] % 2 == 1 && frames.pause().is_err() {
            return;
        }
    }
}
