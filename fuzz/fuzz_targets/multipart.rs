//! What a camera on the network sends: the size of the pieces in the first byte, whether a good head goes before in the
//! second, then the answer.

#![no_main]

use facetap::base::clock::Monotime;
use facetap::follow::camera::http::body::Answer;
use facetap::follow::camera::jpeg::{BEGINNING, MAX_PICTURE, extent::mend};
use libfuzzer_sys::fuzz_target;

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let Some((&[size, head], stream)) = data.split_first_chunk() else {
        return;
    };
    let mut answer = Answer::new();
    if head % 2 == 1 {
        answer.push(HEAD, Monotime::default()).unwrap();
    }
    for piece in stream.chunks(usize::from(size).max(1) * 7) {
        if answer.push(piece, Monotime::default()).is_err() {
            return;
        }
        // An error says something of what has come, and is not for ever.
        for _ in 0..=stream.len() {
            match answer.next_picture() {
                Ok(Some(picture)) => {
                    assert!(picture.jpeg.starts_with(&BEGINNING[..2]));
                    assert!(picture.jpeg.len() <= MAX_PICTURE + stream.len());
                    let mut mended = picture.jpeg.clone();
                    mend(&mut mended);
                    assert!(mended.len() <= picture.jpeg.len() + 2);
                }
                Ok(None) => break,
                Err(e) => assert!(!e.to_string().is_empty()),
            }
        }
    }
});
