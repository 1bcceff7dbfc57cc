//! What a camera offers, as the kernel lists it.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use nix::libc;

/// Most entries of a list that are asked for: a driver that never ends its list must not keep us.
const MOST: u32 = 128;
/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
const CAPTURE: u32 = 1;
/// `V4L2_FRMSIZE_TYPE_DISCRETE` and `V4L2_FRMIVAL_TYPE_DISCRETE`.
const DISCRETE: u32 = 1;

/// A format in one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Such as `YUYV`.
    pub format: [u8; 4],
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Most pictures a second; none if the driver does not tell.
    pub fastest: Option<f64>,
}

/// `struct v4l2_fmtdesc`.
#[repr(C)]
struct FormatEntry {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    format: [u8; 4],
    bus_code: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_frmsizeenum`; `size` is width and height, or the least, the greatest and the step of either.
#[repr(C)]
#[derive(Default)]
struct SizeEntry {
    index: u32,
    format: [u8; 4],
    kind: u32,
    size: [u32; 6],
    reserved: [u32; 2],
}

/// `struct v4l2_frmivalenum`; `interval` is a fraction of a second, or the least, the greatest and the step.
#[repr(C)]
#[derive(Default)]
struct IntervalEntry {
    index: u32,
    format: [u8; 4],
    width: u32,
    height: u32,
    kind: u32,
    interval: [u32; 6],
    reserved: [u32; 2],
}

/// The modes of a camera that have one of these sizes.
pub fn of(camera: &File, sizes: &[(u32, u32)]) -> Vec<Mode> {
    let formats = (0..MOST).map_while(|index| {
        let mut entry = FormatEntry {
            index,
            kind: CAPTURE,
            flags: 0,
            description: [0; 32],
            format: [0; 4],
            bus_code: 0,
            reserved: [0; 3],
        };
        // VIDIOC_ENUM_FMT
        ask(camera, libc::_IOWR::<FormatEntry>(V, 2), &mut entry).then_some(entry.format)
    });
    let mut modes = Vec::new();
    for format in formats.collect::<Vec<_>>() {
        for (width, height) in sizes_of(camera, format, sizes) {
            modes.push(Mode {
                format,
                width,
                height,
                fastest: fastest(camera, format, (width, height)),
            });
        }
    }
    modes
}

/// Which of these sizes a format has.
fn sizes_of(camera: &File, format: [u8; 4], wanted: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = Vec::new();
    for index in 0..MOST {
        let mut entry = SizeEntry {
            index,
            format,
            ..SizeEntry::default()
        };
        // VIDIOC_ENUM_FRAMESIZES
        if !ask(camera, libc::_IOWR::<SizeEntry>(V, 74), &mut entry) {
            break;
        }
        for size in wanted {
            if offers(&entry, *size) && !found.contains(size) {
                found.push(*size);
            }
        }
        if entry.kind != DISCRETE {
            break;
        }
    }
    found
}

fn offers(entry: &SizeEntry, (width, height): (u32, u32)) -> bool {
    let [a, b, c, d, e, f] = entry.size;
    if entry.kind == DISCRETE {
        return (a, b) == (width, height);
    }
    let within = |value: u32, (least, most, step): (u32, u32, u32)| {
        (least..=most).contains(&value) && (value - least).is_multiple_of(step.max(1))
    };
    within(width, (a, b, c)) && within(height, (d, e, f))
}

/// Most pictures a second in a format and size.
fn fastest(camera: &File, format: [u8; 4], (width, height): (u32, u32)) -> Option<f64> {
    let mut most: Option<f64> = None;
    for index in 0..MOST {
        let mut entry = IntervalEntry {
            index,
            format,
            width,
            height,
            ..IntervalEntry::default()
        };
        // VIDIOC_ENUM_FRAMEINTERVALS
        if !ask(camera, libc::_IOWR::<IntervalEntry>(V, 75), &mut entry) {
            break;
        }
        // The first fraction of a range is the shortest interval.
        let [part, whole, ..] = entry.interval;
        if part > 0 {
            let rate = f64::from(whole) / f64::from(part);
            most = Some(most.map_or(rate, |m| m.max(rate)));
        }
        if entry.kind != DISCRETE {
            break;
        }
    }
    most
}

/// The letter of V4L2's requests.
const V: u32 = b'V' as u32;

/// Whether the driver has filled in the entry: it has one of that index.
fn ask<T>(camera: &File, request: libc::Ioctl, entry: &mut T) -> bool {
    // SAFETY: the request is made of the size of `T`, which is laid out as the kernel's structure; the kernel writes
    // no more than that. A device that knows no such request refuses it.
    unsafe { libc::ioctl(camera.as_raw_fd(), request, std::ptr::from_mut(entry)) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_are_those_of_the_kernel() {
        // linux/videodev2.h, on every architecture that this runs on.
        assert_eq!(size_of::<FormatEntry>(), 64);
        assert_eq!(size_of::<SizeEntry>(), 44);
        assert_eq!(size_of::<IntervalEntry>(), 52);
        assert_eq!(libc::_IOWR::<FormatEntry>(V, 2), 0xC040_5602);
        assert_eq!(libc::_IOWR::<SizeEntry>(V, 74), 0xC02C_564A);
        assert_eq!(libc::_IOWR::<IntervalEntry>(V, 75), 0xC034_564B);
    }

    #[test]
    fn another_device_offers_nothing() {
        let device = File::open("/dev/null").unwrap();
        assert_eq!(of(&device, &[(640, 480)]), []);
    }

    #[test]
    fn a_range_offers_what_its_steps_reach() {
        let range = SizeEntry {
            kind: 3,
            size: [32, 640, 16, 32, 480, 8],
            ..SizeEntry::default()
        };
        for (size, want) in [
            ((320, 240), true),
            ((640, 480), true),
            ((328, 240), false),
            ((16, 240), false),
            ((656, 480), false),
        ] {
            assert_eq!(offers(&range, size), want, "{size:?}");
        }
    }
}
