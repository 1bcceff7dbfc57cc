use proptest::prelude::*;

use super::*;

const I420: Packing = Packing::I420(Range::Full);

fn layout(packing: Packing, (width, height): (u32, u32), padding: u32) -> Layout {
    let row = if packing == Packing::Yuyv {
        2 * width
    } else {
        width
    };
    Layout {
        packing,
        width,
        height,
        stride: row + padding,
        shrunk: 1,
    }
}

/// A picture whose pixels are what `yuv` says of their place; what fills the rows up is 77.
fn picture(layout: Layout, yuv: impl Fn(u32, u32) -> [u8; 3]) -> Raw {
    let (stride, height) = (layout.stride as usize, layout.height);
    let mut data = vec![77; usize::try_from(layout.bytes()).unwrap()];
    for y in 0..height {
        for x in 0..layout.width {
            let (row, column) = (y as usize * stride, x as usize);
            let [bright, blue, red] = yuv(x, y);
            match layout.packing {
                Packing::Grey => data[row + column] = bright,
                Packing::Yuyv => {
                    data[row + 2 * column] = bright;
                    data[row + column / 2 * 4 + 1] = blue;
                    data[row + column / 2 * 4 + 3] = red;
                }
                Packing::I420(_) => {
                    data[row + column] = bright;
                    let plane = stride * height as usize;
                    let (half, rows) = (stride / 2, height.div_ceil(2) as usize);
                    let at = plane + y as usize / 2 * half + column / 2;
                    data[at] = blue;
                    data[at + half * rows] = red;
                }
            }
        }
    }
    Raw::new(layout, data).unwrap()
}

fn bgr(raw: &Raw, times: u32) -> Vec<[u8; 3]> {
    let mut out = Mat::default();
    Developer::default().colour(raw, times, &mut out).unwrap();
    out.data_bytes().unwrap().as_chunks::<3>().0.to_vec()
}

fn grey(raw: &Raw, times: u32) -> Vec<u8> {
    let mut out = Mat::default();
    Developer::default().grey(raw, times, &mut out).unwrap();
    out.data_bytes().unwrap().to_vec()
}

fn near(a: [u8; 3], b: [u8; 3], by: u8) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= by)
}

const ALL: [Packing; 3] = [I420, Packing::Yuyv, Packing::Grey];

#[test]
fn colours_are_those_of_the_standard() {
    let (full, limited) = (I420, Packing::I420(Range::Limited));
    // Brightness, blue, red; blue, green, red of ITU-R BT.601, computed with full precision.
    for (packings, yuv, want) in [
        (vec![full], [0, 128, 128], [0, 0, 0]),
        (vec![full], [255, 128, 128], [255, 255, 255]),
        (vec![full], [76, 85, 255], [0, 0, 254]),
        (vec![full], [150, 44, 21], [1, 255, 0]),
        (vec![full], [29, 255, 107], [254, 0, 0]),
        (vec![full], [120, 108, 150], [85, 111, 151]),
        (vec![limited, Packing::Yuyv], [16, 128, 128], [0, 0, 0]),
        (
            vec![limited, Packing::Yuyv],
            [235, 128, 128],
            [255, 255, 255],
        ),
        (vec![limited, Packing::Yuyv], [81, 90, 240], [0, 0, 254]),
        (vec![limited, Packing::Yuyv], [41, 240, 110], [255, 0, 0]),
        (vec![limited, Packing::Yuyv], [0, 128, 128], [0, 0, 0]),
        (
            vec![limited, Packing::Yuyv],
            [120, 110, 148],
            [85, 112, 153],
        ),
        (vec![Packing::Grey], [77, 0, 0], [77, 77, 77]),
    ] {
        for packing in packings {
            let raw = picture(layout(packing, (8, 4), 0), |_, _| yuv);
            for times in [1, 2, 4] {
                let got = bgr(&raw, times);
                assert!(near(got[0], want, 3), "{packing:?} {yuv:?}: {:?}", got[0]);
                assert!(got.iter().all(|p| *p == got[0]));
            }
        }
    }
}

proptest! {
    #[test]
    fn every_pixel_is_the_average_of_its_square(
        packing in prop::sample::select(&ALL),
        (width, height) in (1u32..6, 1u32..6),
        padding in 0u32..5,
        times in prop::sample::select(&[1u32, 2, 4, 8]),
        seed in any::<u32>(),
    ) {
        let (width, height, padding) = (2 * times * width, 2 * times * height, 2 * padding);
        let level = |x: u32, y: u32, n: u32| {
            (x.wrapping_mul(97) ^ y.wrapping_mul(61) ^ n.wrapping_mul(seed)).to_le_bytes()[0]
        };
        let raw = picture(layout(packing, (width, height), padding), |x, y| {
            // Colours that are in balance leave the brightness as it is.
            [level(x, y, 1), 128, 128]
        });
        let grey = grey(&raw, times);
        let out_width = (width / times) as usize;
        prop_assert_eq!(grey.len(), out_width * (height / times) as usize);
        for (at, got) in grey.iter().enumerate() {
            let (x, y) = ((at % out_width) as u32 * times, (at / out_width) as u32 * times);
            let square = (y..y + times)
                .flat_map(|y| (x..x + times).map(move |x| u32::from(level(x, y, 1))));
            let sum: u32 = square.sum();
            let want = f64::from(sum) / f64::from(times * times);
            prop_assert!((f64::from(*got) - want).abs() < 1.01, "{got} for {want}");
        }
        if packing != Packing::Yuyv {
            prop_assert!(bgr(&raw, times).iter().zip(&grey).all(|(p, g)| *p == [*g; 3]));
        }
    }

    #[test]
    fn sizes_that_cannot_be_divided_are_rounded_up(
        packing in prop::sample::select(&ALL),
        (width, height) in (1u32..20, 1u32..20),
        padding in 0u32..5,
        times in prop::sample::select(&[1u32, 2, 4, 8]),
    ) {
        let (width, padding) = (2 * width, 2 * padding);
        let raw = picture(layout(packing, (width, height), padding), |_, _| [99, 128, 128]);
        let count = (width.div_ceil(times) * height.div_ceil(times)) as usize;
        prop_assert_eq!(grey(&raw, times), vec![99; count]);
        let colour = bgr(&raw, times);
        prop_assert_eq!(colour.len(), count);
        prop_assert!(colour.iter().all(|p| *p == colour[0]));
    }

    #[test]
    fn colours_stay_where_they_are(
        packing in prop::sample::select(&[I420, Packing::Yuyv]),
        (x, y) in (0u32..20, 0u32..10),
        padding in 0u32..5,
        times in prop::sample::select(&[1u32, 2]),
    ) {
        // One coloured block of 2x2 pixels.
        let raw = picture(layout(packing, (40, 20), 2 * padding), |px, py| {
            if (px / 2, py / 2) == (x, y) { [81, 90, 240] } else { [126, 128, 128] }
        });
        let width = (40 / times) as usize;
        for (at, pixel) in bgr(&raw, times).iter().enumerate() {
            let place = ((at % width) as u32 * times / 2, (at / width) as u32 * times / 2);
            let red = pixel[2] > 200 && pixel[0] < 60;
            prop_assert_eq!(red, place == (x, y), "{:?} at {:?}", pixel, place);
        }
    }

    #[test]
    fn another_byte_of_brightness_is_another_fingerprint(
        packing in prop::sample::select(&ALL),
        width in 1u32..40,
        at in any::<prop::sample::Index>(),
        change in 1u8..=255,
    ) {
        let layout = layout(packing, (2 * width, 6), 6);
        let raw = picture(layout, |x, y| [(x * 7 + y) as u8, 3, 4]);
        let mut other = raw.clone();
        let place = at.index(6 * layout.row() as usize);
        let (row, column) = (place / layout.row() as usize, place % layout.row() as usize);
        other.data[row * layout.stride as usize + column] ^= change;
        prop_assert_ne!(raw.fingerprint(), other.fingerprint());
        // What fills the rows up may be anything.
        let mut same = raw.clone();
        let end = layout.stride as usize - 1;
        same.data[end] ^= change;
        prop_assert_eq!(raw.fingerprint(), same.fingerprint());
    }
}

#[test]
fn black_shows_nothing_and_a_spot_does() {
    for packing in ALL {
        let layout = Layout {
            shrunk: 2,
            ..layout(packing, (320, 240), 0)
        };
        // Single pixels are noise.
        let black = picture(layout, |x, y| {
            [if x % 9 == 0 && y % 7 == 0 { 40 } else { 2 }, 128, 128]
        });
        assert!(black.is_flat(), "{packing:?}");
        let spot = |x: u32, y: u32| (150..180).contains(&x) && (100..130).contains(&y);
        let face = picture(layout, |x, y| [if spot(x, y) { 30 } else { 2 }, 128, 128]);
        assert!(!face.is_flat(), "{packing:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = layout(I420, (320, 240), 64);
    assert_eq!(good.bytes(), 384 * 240 + 2 * 192 * 120);
    let data = || vec![0; 384 * 240 * 3 / 2];
    assert!(Raw::new(good, data()).is_ok());
    assert!(Raw::new(good, data()[1..].to_vec()).is_err());
    for bad in [
        Layout { width: 0, ..good },
        Layout { height: 0, ..good },
        Layout { width: 319, ..good },
        Layout {
            stride: 383,
            ..good
        },
        Layout {
            stride: 318,
            ..good
        },
        Layout { shrunk: 3, ..good },
        Layout { shrunk: 0, ..good },
    ] {
        assert!(Raw::new(bad, data()).is_err(), "{bad:?}");
    }
    let huge = Layout {
        width: u32::MAX - 1,
        height: u32::MAX,
        stride: u32::MAX - 1,
        ..good
    };
    assert!(Raw::new(huge, Vec::new()).is_err());
}

#[test]
fn no_more_is_asked_for_than_is_looked_at() {
    for (full, want) in [
        ((640, 480), Some(2)),
        ((640, 360), Some(2)),
        ((800, 600), Some(2)),
        ((1280, 720), Some(4)),
        ((1296, 972), Some(2)),
        ((1920, 1080), Some(4)),
        ((4096, 3072), Some(8)),
        ((480, 640), Some(2)),
        ((320, 240), Some(1)),
        ((160, 120), Some(1)),
        ((854, 480), Some(1)),
        ((642, 480), Some(1)),
        ((641, 480), None),
        ((640, 479), None),
    ] {
        assert_eq!(shrinkage(full), want, "{full:?}");
    }
    let shrunk = Layout {
        shrunk: 2,
        ..layout(I420, (320, 240), 0)
    };
    assert_eq!(shrunk.full(), (640, 480));
    assert_eq!(shrunk.describe(), "640x480 as 320x240 YUV420");
    assert_eq!(
        layout(Packing::Yuyv, (320, 240), 0).describe(),
        "320x240 YUYV"
    );
}
