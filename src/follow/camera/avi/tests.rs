//! Clips that are sound, cut, damaged, and arbitrary bytes.

use std::io::Cursor;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::stop::Reason;
use crate::config::Config;

fn chunk(id: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    out.extend(content);
    if content.len() % 2 == 1 {
        out.push(0);
    }
    out
}

fn list(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[kind.as_slice(), content].concat())
}

fn stream(kind: &[u8; 4], codec: &[u8; 4], rate: u32, scale: u32) -> Vec<u8> {
    let mut strh = [kind.as_slice(), codec].concat();
    strh.resize(20, 0);
    strh.extend(scale.to_le_bytes());
    strh.extend(rate.to_le_bytes());
    strh.resize(56, 0);
    let mut strf = 40u32.to_le_bytes().to_vec();
    strf.extend(64u32.to_le_bytes());
    strf.extend(48u32.to_le_bytes());
    strf.extend([1, 0, 24, 0]);
    strf.extend(codec);
    strf.resize(40, 0);
    list(
        b"strl",
        &[chunk(b"strh", &strh), chunk(b"strf", &strf)].concat(),
    )
}

fn head(streams: &[Vec<u8>]) -> Vec<u8> {
    let avih = chunk(b"avih", &40_000u32.to_le_bytes());
    list(b"hdrl", &[avih, streams.concat()].concat())
}

fn riff(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    chunk(b"RIFF", &[kind.as_slice(), content].concat())
}

fn picture(n: u8) -> Vec<u8> {
    // Odd and even sizes take turns.
    [0xFF, 0xD8, n, n, n, 0xFF, 0xD9][..6 + usize::from(n % 2)].to_vec()
}

fn pictures(numbers: std::ops::Range<u8>) -> Vec<u8> {
    numbers.flat_map(|n| chunk(b"00dc", &picture(n))).collect()
}

/// Ten pictures, 25 a second.
fn clip() -> Vec<u8> {
    let movi = list(b"movi", &pictures(0..10));
    let index = chunk(b"idx1", &[0; 160]);
    riff(
        b"AVI ",
        &[head(&[stream(b"vids", b"MJPG", 25, 1)]), movi, index].concat(),
    )
}

fn steps(file: &[u8]) -> Vec<Step> {
    let mut reader = Reader::new(Cursor::new(file)).unwrap();
    let mut all = Vec::new();
    loop {
        all.push(reader.step().unwrap());
        if matches!(all.last(), Some(Step::End { .. })) {
            return all;
        }
    }
}

fn sound(numbers: std::ops::Range<u8>) -> Vec<Step> {
    numbers.map(|n| Step::Picture(picture(n))).collect()
}

fn refusal(file: &[u8]) -> String {
    Reader::new(Cursor::new(file)).err().unwrap().to_string()
}

#[test]
fn every_picture_is_handed_out_in_order() {
    let mut want = sound(0..10);
    want.push(Step::End { cut: false });
    assert_eq!(steps(&clip()), want);
}

#[test]
fn the_second_stream_may_be_the_picture_and_sound_is_passed_over() {
    let streams = [
        stream(b"auds", b"\0\0\0\0", 44_100, 1),
        stream(b"vids", b"mjpg", 30_000, 1001),
    ];
    let body = [
        chunk(b"00wb", &[1; 33]),
        list(
            b"rec ",
            &[chunk(b"01dc", &picture(0)), chunk(b"00wb", &[2; 8])].concat(),
        ),
        chunk(b"ix01", &[0; 24]),
        chunk(b"01db", &picture(1)),
    ]
    .concat();
    let file = riff(b"AVI ", &[head(&streams), list(b"movi", &body)].concat());
    let mut want = sound(0..2);
    want.push(Step::End { cut: false });
    assert_eq!(steps(&file), want);
    let reader = Reader::new(Cursor::new(&file)).unwrap();
    assert!((reader.header().rate - 29.97).abs() < 0.01);
    assert_eq!((reader.header().width, reader.header().height), (64, 48));
}

#[test]
fn opendml_segments_are_followed() {
    let mut file = riff(
        b"AVI ",
        &[
            head(&[stream(b"vids", b"MJPG", 25, 1)]),
            list(b"movi", &pictures(0..3)),
        ]
        .concat(),
    );
    file.extend(riff(b"AVIX", &list(b"movi", &pictures(3..6))));
    let mut want = sound(0..6);
    want.push(Step::End { cut: false });
    assert_eq!(steps(&file), want);
}

#[test]
fn an_unfinished_recording_has_no_sizes_and_plays() {
    let mut file = clip();
    let movi = memchr::memmem::find(&file, b"movi").unwrap();
    file[4..8].fill(0);
    file[movi - 4..movi].fill(0);
    assert_eq!(steps(&file)[..10], sound(0..10)[..]);
}

#[test]
fn cut_short_it_plays_what_is_there() {
    let file = clip();
    let end = file.len() - 160 - 8 - 20;
    let steps = steps(&file[..end]);
    assert_eq!(steps[..8], sound(0..8)[..]);
    assert_eq!(steps.last(), Some(&Step::End { cut: true }));
}

#[test]
fn a_damaged_chunk_costs_one_picture() {
    for (offset, bytes) in [
        (0, [0x80; 4]),                // The id is garbage.
        (4, [0xFF, 0xFF, 0xFF, 0x7F]), // The size is absurd.
        (4, [0x00, 0x00, 0x10, 0x00]), // The size reaches beyond the end.
    ] {
        let mut file = clip();
        let third = memchr::memmem::find(&file, b"00dc").unwrap() + 14 + 16 + 14;
        assert_eq!(&file[third..third + 4], b"00dc");
        file[third + offset..third + offset + 4].copy_from_slice(&bytes);
        let mut want = sound(0..3);
        want.push(Step::Damaged);
        want.extend(sound(4..10));
        want.push(Step::End { cut: false });
        assert_eq!(steps(&file), want, "{offset} {bytes:?}");
    }
}

/// The same clip as some writers write it: chunks of odd size have no padding.
fn unpadded() -> Vec<u8> {
    let tight = |id: &[u8; 4], content: &[u8]| {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        [id.as_slice(), &size, content].concat()
    };
    let strh = stream(b"vids", b"MJPG", 25, 1);
    // "Front" has five letters.
    let name = tight(b"strn", b"Front");
    let strl = [&strh[12..], &name, &tight(b"indx", &[0; 7])].concat();
    let strl = tight(b"LIST", &[b"strl", strl.as_slice()].concat());
    let avih = chunk(b"avih", &40_000u32.to_le_bytes());
    let hdrl = tight(
        b"LIST",
        &[b"hdrl", [avih, strl].concat().as_slice()].concat(),
    );
    let info = tight(b"LIST", b"INFOISFT\x03\0\0\0abc");
    let pictures: Vec<u8> = (0..10).flat_map(|n| tight(b"00dc", &picture(n))).collect();
    let sound = tight(b"01wb", &[1; 7]);
    let movi = [b"movi", pictures.as_slice(), &sound].concat();
    let movi = tight(b"LIST", &movi);
    tight(
        b"RIFF",
        &[
            b"AVI ".as_slice(),
            &hdrl,
            &info,
            &movi,
            &tight(b"idx1", &[0; 160]),
        ]
        .concat(),
    )
}

#[test]
fn chunks_without_padding_are_read_too() {
    let mut want = sound(0..10);
    want.push(Step::End { cut: false });
    assert_eq!(steps(&unpadded()), want);
    assert_eq!(
        Reader::new(Cursor::new(unpadded())).unwrap().header().rate,
        25.0
    );
}

#[test]
fn a_clip_without_a_rate_plays_at_that_of_the_camera() {
    for (rate, scale, interval) in [(0, 0, 200), (30, 0, 200), (0, 1, 200), (25, 1, 40)] {
        let mut file = riff(
            b"AVI ",
            &[
                head(&[stream(b"vids", b"MJPG", rate, scale)]),
                list(b"movi", &pictures(0..3)),
            ]
            .concat(),
        );
        // That of the whole file.
        let avih = memchr::memmem::find(&file, b"avih").unwrap();
        file[avih + 8..avih + 12].fill(0);
        let (mut source, clock) = source(file, false);
        let (stop, start) = (Stop::new(), clock.now());
        for n in 0..3 {
            match source.grab(&stop).unwrap() {
                Grab::Frame(f) => {
                    let due = Duration::from_millis(n * interval);
                    assert_eq!(f.captured.since(start), due, "{rate}/{scale}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn headers_that_cannot_be_played_are_refused() {
    assert_eq!(refusal(b"hello, I am a text file"), "not an AVI file");
    assert_eq!(refusal(b""), "not an AVI file");
    let file = clip();
    assert_eq!(refusal(&file[..100]), "the file ends within its header");
    let other = riff(b"AVI ", &head(&[stream(b"vids", b"H264", 25, 1)]));
    assert_eq!(refusal(&other), "its video is H264, not MJPG");
    let sound_only = riff(b"AVI ", &head(&[stream(b"auds", b"\0\0\0\0", 25, 1)]));
    assert_eq!(refusal(&sound_only), "no video stream in its header");
    let mut huge = clip();
    huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refusal(&huge).contains("damaged"));
}

fn source(file: Vec<u8>, repeat: bool) -> (AviSource<Cursor<Vec<u8>>>, Arc<ManualClock>) {
    let clock = ManualClock::shared(Duration::from_secs(100));
    let camera = config::Camera {
        repeat,
        fps: 5.0,
        ..Config::default().camera
    };
    let source = AviSource::new(
        "clip.avi".to_owned(),
        Cursor::new(file),
        &camera,
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    (source.unwrap(), clock)
}

#[test]
fn plays_at_its_own_rate_and_numbers_begin_again() {
    let (mut source, clock) = source(clip(), true);
    let (stop, start) = (Stop::new(), clock.now());
    let mut seen = Vec::new();
    while seen.len() < 12 {
        if let Grab::Frame(frame) = source.grab(&stop).unwrap() {
            assert!(frame.captured <= clock.now());
            seen.push((frame.number, frame.captured.since(start).as_millis()));
        }
    }
    let want: Vec<_> = (0..12).map(|n: u64| (n % 10, u128::from(n) * 40)).collect();
    assert_eq!(seen, want);
}

#[test]
fn a_dropped_picture_keeps_its_position_and_its_time() {
    let movi = [
        pictures(0..1),
        chunk(b"00dc", &[]),
        chunk(b"00dc", &picture(2)),
    ]
    .concat();
    let file = riff(
        b"AVI ",
        &[
            head(&[stream(b"vids", b"MJPG", 25, 1)]),
            list(b"movi", &movi),
        ]
        .concat(),
    );
    let (mut source, clock) = source(file, false);
    let (stop, start) = (Stop::new(), clock.now());
    assert!(matches!(source.grab(&stop).unwrap(), Grab::Frame(f) if f.number == 0));
    assert!(matches!(source.grab(&stop).unwrap(), Grab::Nothing));
    match source.grab(&stop).unwrap() {
        Grab::Frame(f) => {
            assert_eq!(f.number, 2);
            assert_eq!(f.captured.since(start), Duration::from_millis(80));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(source.grab(&stop).unwrap(), Grab::End));
}

#[test]
fn a_clip_without_a_picture_fails_instead_of_turning_for_ever() {
    let file = riff(b"AVI ", &head(&[stream(b"vids", b"MJPG", 25, 1)]));
    let (mut source, _) = source(file, true);
    let error = source.grab(&Stop::new()).unwrap_err().to_string();
    assert!(
        error.contains("clip.avi") && error.contains("not a single picture"),
        "{error}"
    );
}

#[test]
fn what_has_no_picture_for_long_is_not_read_to_its_end() {
    let header = head(&[stream(b"vids", b"MJPG", 25, 1)]);
    // Sound without end, chunk by chunk; and bytes that are none.
    let sound = chunk(b"01wb", &vec![0; 1 << 20]).repeat(70);
    for rest in [sound, vec![0x80; 70 << 20]] {
        let movi = list(b"movi", &[rest, pictures(0..3)].concat());
        let file = riff(b"AVI ", &[header.clone(), movi].concat());
        let (mut source, _) = source(file, true);
        let error = format!("{:#}", source.grab(&Stop::new()).unwrap_err());
        assert!(error.contains("within 64 MiB"), "{error}");
    }
}

#[test]
fn a_stop_ends_the_wait_for_the_next_picture() {
    let (mut source, _) = source(clip(), true);
    let stop = Stop::new();
    stop.request(Reason::Duration);
    assert!(matches!(source.grab(&stop).unwrap(), Grab::Nothing));
}

/// Reads at most `limit` steps; panics and endless walks are what is looked for.
fn walk(file: &[u8], limit: usize) -> usize {
    let Ok(mut reader) = Reader::new(Cursor::new(file)) else {
        return 0;
    };
    for n in 0..limit {
        match reader.step().unwrap() {
            Step::Picture(data) => assert!(data.len() <= file.len()),
            Step::Dropped | Step::Damaged => {}
            Step::End { .. } => return n,
        }
    }
    panic!("no end after {limit} steps");
}

proptest! {
    #[test]
    fn any_bytes_end(file in proptest::collection::vec(any::<u8>(), 0..600)) {
        walk(&file, 600);
        let mut avi = clip();
        avi.truncate(300);
        avi.extend(file);
        walk(&avi, 1000);
    }

    #[test]
    fn any_damage_ends(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        end in any::<prop::sample::Index>(),
    ) {
        let mut file = clip();
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.truncate(end.index(file.len()));
        walk(&file, 1000);
    }
}
