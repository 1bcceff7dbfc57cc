//! Streams as servers really send them, in pieces of any size.

use std::time::Duration;

use anyhow::Result;
use proptest::prelude::*;

use super::parts::Parts;
use crate::base::clock::Monotime;
use crate::follow::camera::jpeg::{MAX_PICTURE, small};

/// Pieces in which a stream arrives.
const PIECES: [usize; 6] = [1, 2, 3, 7, 64, 1 << 20];

fn at(ms: u64) -> Monotime {
    Monotime::from_zero(Duration::from_millis(ms))
}

/// Everything that comes out, pictures and errors.
fn all(boundary: Option<&str>, stream: &[u8], piece: usize) -> Vec<Result<Vec<u8>, String>> {
    let mut parts = Parts::new(boundary);
    let mut got = Vec::new();
    for piece in stream.chunks(piece) {
        parts.push(piece, at(0));
        loop {
            match parts.next_picture() {
                Ok(Some(picture)) => got.push(Ok(picture.jpeg)),
                Ok(None) => break,
                Err(e) => {
                    got.push(Err(e.to_string()));
                    // An end stays one.
                    if e.to_string().contains("ended") {
                        return got;
                    }
                }
            }
        }
    }
    got
}

fn pictures(boundary: Option<&str>, stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let got = all(boundary, stream, piece).into_iter();
    got.collect::<Result<_, _>>().unwrap()
}

/// Larger than what may stand between two pictures; its data have what could be taken for an end.
fn large(data: u8) -> Vec<u8> {
    let mut jpeg = small(data);
    jpeg.truncate(jpeg.len() - 2);
    jpeg.extend([data.max(1), 0xFF, 0, 0xFF, 0xD3, b'\r', b'\n'].repeat(20_000));
    jpeg.extend([0xFF, 0xD9]);
    jpeg
}

/// A picture without its end marker.
fn endless(data: u8) -> Vec<u8> {
    let mut jpeg = small(data);
    jpeg.truncate(jpeg.len() - 2);
    jpeg.extend([data; 50]);
    jpeg
}

#[test]
fn every_form_of_boundary_is_understood() {
    for (told, seen) in [
        (Some("frame"), "--frame"),
        (Some("--frame"), "--frame"),
        (Some("--frame"), "----frame"),
        (Some("frame"), "frame"),
        (Some("other"), "--frame"),
        (Some("--other"), "--frame"),
        (None, "--frame"),
        (Some("frame"), ""),
        (None, ""),
    ] {
        for head in [
            "Content-Type: image/jpeg\r\nContent-Length: {}\r\n",
            "content-length:{}\r\n",
            "",
        ] {
            let part = |n: u8| {
                let head = head.replace("{}", &small(n).len().to_string());
                [
                    format!("{seen}\r\n{head}\r\n").as_bytes(),
                    &small(n),
                    b"\r\n",
                ]
                .concat()
            };
            let stream = [part(1), part(2), part(3)].concat();
            for piece in PIECES {
                assert_eq!(
                    pictures(told, &stream, piece),
                    [small(1), small(2), small(3)],
                    "{told:?} {seen} {head:?} {piece}"
                );
            }
        }
    }
}

#[test]
fn heads_may_be_torn_by_blank_lines_or_absent() {
    for between in [
        "--b\n\n",
        "--b\r\n\r\n",
        "\r\n\r\n--b\r\n\r\n\r\nContent-Type: image/jpeg\r\n\r\n",
        "--b\r\nContent-Type: image/jpeg\r\n\r\n\r\n\r\n",
        "\r\n--b",
        "",
    ] {
        let stream = [
            between.as_bytes(),
            &large(1),
            between.as_bytes(),
            &small(2),
            between.as_bytes(),
        ]
        .concat();
        for piece in [1000, 1 << 20] {
            let got = pictures(Some("b"), &stream, piece);
            assert_eq!(got, [large(1), small(2)], "{between:?}");
        }
    }
}

#[test]
fn without_a_first_boundary_large_pictures_come_too() {
    // As Tasmota and esp32cam send: the boundary stands behind each picture.
    let part = |n: u8| {
        let head = format!("Content-Length: {}\r\n\r\n", large(n).len());
        [
            b"Content-Type: image/jpeg\r\n",
            head.as_bytes(),
            &large(n),
            b"\r\n--e8b8c539\r\n",
        ]
        .concat()
    };
    let stream = [part(1), part(2)].concat();
    for told in [Some("e8b8c539"), Some("other"), None] {
        assert_eq!(pictures(told, &stream, 1460), [large(1), large(2)]);
    }
}

#[test]
fn a_picture_is_handed_out_at_its_end_marker() {
    for head in ["", "Content-Length: 100000\r\n", "Content-Length: 0\r\n"] {
        let mut parts = Parts::new(Some("b"));
        parts.push(format!("--b\r\n{head}\r\n").as_bytes(), at(0));
        parts.push(&small(1), at(0));
        assert_eq!(
            parts.next_picture().unwrap().unwrap().jpeg,
            small(1),
            "{head}"
        );
    }
}

#[test]
fn lengths_may_lie() {
    let lies: [fn(usize) -> usize; 6] = [
        |_| 0,
        |_| 2,
        |l| l - 1,
        |l| l + 1,
        |l| l + 5000,
        |_| 99_999_999_999,
    ];
    for lie in lies {
        for picture in [small, large] {
            let part = |n: u8| {
                let length = lie(picture(n).len());
                let head = format!("--b\r\nContent-Length: {length}\r\n\r\n");
                [head.as_bytes(), &picture(n), b"\r\n"].concat()
            };
            let stream = [part(1), part(2), part(3)].concat();
            for piece in [1000, 1 << 20] {
                let got = pictures(Some("b"), &stream, piece);
                assert_eq!(got, [picture(1), picture(2), picture(3)]);
            }
        }
    }
}

#[test]
fn without_an_end_marker_the_length_or_the_boundary_ends_a_picture() {
    for length in [true, false] {
        for told in [Some("b"), Some("x"), None] {
            let part = |n: u8| {
                let head = if length {
                    format!("--b\r\nContent-Length: {}\r\n\r\n", endless(n).len())
                } else {
                    "--b\r\n\r\n".to_owned()
                };
                [head.as_bytes(), &endless(n), b"\r\n"].concat()
            };
            let stream = [&part(1), &part(2), &part(3), &b"--b\r\n"[..]].concat();
            for piece in PIECES {
                let got = pictures(told, &stream, piece);
                assert_eq!(
                    got,
                    [endless(1), endless(2), endless(3)],
                    "{told:?} {piece}"
                );
            }
        }
    }
}

#[test]
fn lengths_that_were_right_are_not_waited_beyond() {
    let mut parts = Parts::new(Some("b"));
    let head = format!("--b\r\nContent-Length: {}\r\n\r\n", endless(0).len());
    let mut late = 0;
    for n in 1..5 {
        parts.push(head.as_bytes(), at(0));
        if let Some(before) = parts.next_picture().unwrap() {
            assert_eq!(before.jpeg, endless(n - 1));
            late += 1;
        }
        parts.push(&endless(n), at(0));
        parts.push(b"\r\n", at(0));
        if n > 1 {
            assert_eq!(parts.next_picture().unwrap().unwrap().jpeg, endless(n));
        }
    }
    assert_eq!(
        late, 1,
        "the first one, until the lengths have proved right"
    );
}

#[test]
fn a_picture_without_an_end_that_its_length_cuts_is_the_only_one() {
    // Right twice, then false: the third is cut, and from then on the boundary counts.
    let part = |n: u8, length: usize| {
        let head = format!("--b\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &endless(n), b"\r\n"].concat()
    };
    let (right, short) = (endless(0).len(), endless(0).len() - 20);
    let stream = [
        part(1, right),
        part(2, right),
        part(3, short),
        part(4, short),
        part(5, short),
        b"--b\r\n".to_vec(),
    ]
    .concat();
    for piece in PIECES {
        let got = pictures(Some("b"), &stream, piece);
        assert_eq!(got.len(), 5);
        // Where all of it has come, it is whole.
        assert!(got[2] == endless(3)[..short] || got[2] == endless(3));
        assert_eq!(got[3..], [endless(4), endless(5)], "{piece}");
    }
}

#[test]
fn the_time_of_a_picture_is_that_of_its_first_byte() {
    let mut parts = Parts::new(Some("b"));
    // The boundary and even the head may come with the picture before.
    parts.push(b"--b\r\nContent-Type: image/jpeg\r\n\r\n", at(1));
    assert!(parts.next_picture().unwrap().is_none());
    parts.push(&small(1)[..5], at(40));
    assert!(parts.next_picture().unwrap().is_none());
    parts.push(&small(1)[5..], at(60));
    assert_eq!(parts.next_picture().unwrap().unwrap().begun, at(40));
    parts.push(b"\r\n--b\r\n\r\n\xFF", at(61));
    assert!(parts.next_picture().unwrap().is_none());
    parts.push(&small(2)[1..], at(100));
    assert_eq!(parts.next_picture().unwrap().unwrap().begun, at(61));
}

#[test]
fn other_parts_are_passed_over_and_a_stream_of_them_is_told() {
    let text = b"--b\r\nContent-Type: text/plain\r\n\r\n23 degrees\r\n";
    let empty = b"--b\r\nContent-Length: 0\r\n\r\n\r\n";
    let picture = [b"--b\r\n\r\n".as_slice(), &small(1), b"\r\n"].concat();
    let stream = [&text[..], &picture, text, empty, &picture].concat();
    for piece in PIECES {
        assert_eq!(pictures(Some("b"), &stream, piece), [small(1), small(1)]);
        let got = all(Some("b"), &text.repeat(5), piece);
        assert!(!got.is_empty());
        for answer in got {
            assert!(answer.unwrap_err().contains("not a JPEG"), "{piece}");
        }
    }
    let noise = vec![b'x'; 200_000];
    let got = all(None, &[noise, small(1)].concat(), 1000);
    assert!(got[0].as_ref().unwrap_err().contains("no JPEG picture"));
    assert_eq!(got.last().unwrap().as_ref().unwrap(), &small(1));
}

#[test]
fn a_damaged_picture_costs_no_other() {
    let mut damaged = large(1);
    let middle = damaged.len() / 2;
    // Markers in the data that nobody writes, among them one whose length leads over the end.
    damaged[middle..middle + 6].copy_from_slice(&[0xFF, 0x17, 0xFF, 0xE5, 0xFF, 0xFF]);
    let mut headless = small(1);
    headless[4] = 0xF0;
    for bad in [damaged, headless, large(1)[..5000].to_vec()] {
        let part = |picture: &[u8]| [b"--b\r\n\r\n", picture, b"\r\n"].concat();
        let stream = [
            part(&small(1)),
            part(&bad),
            part(&small(2)),
            part(&small(3)),
        ]
        .concat();
        for piece in PIECES {
            let got = pictures(Some("b"), &stream, piece);
            let good = got.iter().filter(|p| (1..4).any(|n| **p == small(n)));
            assert_eq!((got.len(), good.count()), (4, 3), "{piece}");
        }
    }
}

#[test]
fn memory_is_bounded() {
    for start in [
        &b"--b\r\n\r\n"[..],
        b"--b\r\nX: ",
        b"",
        b"--b\r\n\r\n\xFF\xD8\xFF\xE0\0\x02\xFF\xDA\0\x02",
        b"--b\r\nContent-Length: 8388607\r\n\r\n\xFF\xD8\xFF\xE0\0\x02\xFF\xDA\0\x02",
    ] {
        let mut parts = Parts::new(Some("b"));
        parts.push(start, at(0));
        let block = vec![b'x'; 1 << 16];
        let mut given = 0;
        while parts.next_picture().is_ok() {
            parts.push(&block, at(0));
            given += block.len();
            assert!(given <= MAX_PICTURE + 2 * block.len());
        }
    }
}

#[test]
fn the_end_of_the_stream_is_told() {
    for piece in PIECES {
        let stream = [b"--b\r\n\r\n", small(1).as_slice(), b"\r\n--b--\r\n"].concat();
        let got = all(Some("b"), &stream, piece);
        assert_eq!(got[0], Ok(small(1)));
        assert!(got[1].as_ref().unwrap_err().contains("ended"), "{got:?}");
    }
}

proptest! {
    // Each case is a stream of 100 kB.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_survived_and_a_picture_is_found_after_them(
        bytes in proptest::collection::vec(
            prop_oneof![Just(0xFF), Just(0xD8), Just(b'-'), Just(b'b'), Just(b'\n'), any::<u8>()], 0..300),
        piece in 1usize..50,
    ) {
        let part = [b"\r\n--b\r\n\r\n", small(9).as_slice()].concat();
        // What the bytes say may be the length of a segment, at most 64 KiB.
        let stream = [bytes, part.repeat(3000)].concat();
        let got = all(Some("b"), &stream, piece * 37);
        let ended = got.iter().any(|g| g.as_ref().is_err_and(|e| e.contains("ended")));
        let found = got.iter().filter(|g| g.as_ref().is_ok_and(|p| *p == small(9))).count();
        prop_assert!(ended || (3000 - found) * part.len() < 70_000, "{found}");
    }
}
