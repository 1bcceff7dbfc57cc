//! What `rpicam-vid` writes into its pipe: the size of the pieces in the first byte, then the pictures.

#![no_main]

use facetap::base::clock::Monotime;
use facetap::follow::camera::jpeg::BEGINNING;
use facetap::follow::camera::rpicam::split::Splitter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let mut splitter = Splitter::default();
    let mut given = 0;
    for piece in stream.chunks(usize::from(*size).max(1) * 7) {
        splitter.push(piece, Monotime::default());
        while let Some(picture) = splitter.next_picture() {
            assert!(picture.jpeg.starts_with(&BEGINNING) && picture.jpeg.ends_with(&[0xFF, 0xD9]));
            given += picture.jpeg.len();
            assert!(given <= stream.len());
        }
    }
});
