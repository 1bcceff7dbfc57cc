//! What a picture costs on its way from the camera to the pixels that are looked at, as JPEG and raw: `cargo bench --bench
//! pictures`.
//!
//! The same picture goes through a pipe, out of memory and back into it, and is made into the pixels of a fine look, a
//! coarse one and a glance. All kinds take turns in one process, so that whatever else the machine does meanwhile meets
//! them alike. What counts is the processor time of both ends of the pipe; printed is the middle of the rounds, in
//! milliseconds. Making the JPEG is what the program at the camera's end saves on top.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use facetap::follow::camera::Picture;
use facetap::follow::camera::raw::{Layout, Packing, Range, Raw};
use facetap::follow::detect::{Decoder, Pixels};
use nix::time::{ClockId, clock_gettime};
use opencv::core::{CV_8UC3, Mat, Scalar, Vector};
use opencv::imgcodecs::{IMWRITE_JPEG_QUALITY, imencode};
use opencv::prelude::*;

const ROUNDS: usize = 301;

/// Processor time of this process so far, of all its threads.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .unwrap()
        .into()
}

/// A picture with structure and the noise of a sensor.
fn scene(width: i32, height: i32) -> Mat {
    let mut random = fastrand::Rng::with_seed(1);
    let mut mat =
        Mat::new_rows_cols_with_default(height, width, CV_8UC3, Scalar::default()).unwrap();
    let bytes = mat.data_bytes_mut().unwrap();
    for (at, byte) in bytes.iter_mut().enumerate() {
        let (x, y) = (at / 3 % width as usize, at / 3 / width as usize);
        let wave = ((x as f32 / 17.0).sin() + (y as f32 / 23.0).cos()) * 50.0;
        *byte = (120.0 + wave) as u8 + random.u8(0..6);
    }
    mat
}

fn jpeg(mat: &Mat) -> Vec<u8> {
    let (mut out, quality) = (
        Vector::new(),
        Vector::from_slice(&[IMWRITE_JPEG_QUALITY, 90]),
    );
    imencode(".jpg", mat, &mut out, &quality).unwrap();
    out.to_vec()
}

fn raw(packing: Packing, shrunk: u32) -> Picture {
    let mut random = fastrand::Rng::with_seed(1);
    let (width, height) = (640 / shrunk, 480 / shrunk);
    let layout = Layout {
        packing,
        width,
        height,
        stride: if packing == Packing::Yuyv {
            2 * width
        } else {
            width
        },
        shrunk,
    };
    let bytes = usize::try_from(layout.bytes()).unwrap();
    let data = (0..bytes).map(|_| random.u8(60..200)).collect();
    Picture::Raw(Raw::new(layout, data).unwrap())
}

/// The bytes of a picture through a pipe, a picture's worth of memory taken for them as at a camera.
fn piped(pipe: &mut (std::io::PipeReader, std::io::PipeWriter), data: &[u8]) -> Vec<u8> {
    std::thread::scope(|scope| {
        let writer = &mut pipe.1;
        scope.spawn(move || writer.write_all(data).unwrap());
        let mut got = vec![0; data.len()];
        pipe.0.read_exact(&mut got).unwrap();
        got
    })
}

fn main() {
    let mat = scene(640, 480);
    let encoded = jpeg(&mat);
    let kinds = [
        ("MJPEG 640x480", Picture::Jpeg(encoded.clone())),
        ("YUV420 320x240", raw(Packing::I420(Range::Full), 2)),
        ("YUV420 640x480", raw(Packing::I420(Range::Full), 1)),
        ("YUYV 320x240", raw(Packing::Yuyv, 2)),
        ("YUYV 640x480", raw(Packing::Yuyv, 1)),
        ("GREY 320x240", raw(Packing::Grey, 2)),
    ];
    let mut pipe = std::io::pipe().unwrap();
    let mut decoder = Decoder::default();
    let mut times = vec![[const { Vec::new() }; 5]; kinds.len()];
    for round in 0..ROUNDS {
        for n in 0..kinds.len() {
            let n = (n + round) % kinds.len();
            let picture = &kinds[n].1;
            let data = match picture {
                Picture::Jpeg(data) | Picture::Bgr { data, .. } => data.as_slice(),
                Picture::Raw(raw) => raw.data(),
            };
            let mut last = spent();
            let mut note = |what: usize| {
                let now = spent();
                times[n][what].push((now - last).as_secs_f64() * 1e3);
                last = spent();
            };
            black_box(piped(&mut pipe, data));
            note(0);
            for (what, pixels, long_side) in [
                (1, Pixels::Colour, 320),
                (2, Pixels::Colour, 160),
                (3, Pixels::Grey, 80),
            ] {
                decoder.show(picture).unwrap();
                black_box(decoder.decode(picture, pixels, long_side).unwrap());
                note(what);
            }
            match picture {
                Picture::Raw(raw) => black_box(raw.fingerprint()),
                _ => black_box(data.to_vec().len() as u64),
            };
            note(4);
        }
    }
    println!("bytes of the JPEG: {}", encoded.len());
    println!("                      pipe    fine  coarse  glance  repeats");
    for ((name, _), times) in kinds.iter().zip(&mut times) {
        let middle = times.iter_mut().map(|times| {
            times.sort_by(f64::total_cmp);
            format!("{:8.3}", times[ROUNDS / 2])
        });
        println!("{name:<18}{}", middle.collect::<String>());
    }
    let mut making: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = spent();
            black_box(jpeg(&mat));
            (spent() - before).as_secs_f64() * 1e3
        })
        .collect();
    making.sort_by(f64::total_cmp);
    println!("making the JPEG   {:8.3}", making[ROUNDS / 2]);
}
