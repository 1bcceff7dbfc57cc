//! What libcamera says of the pictures that it is going to give.

use crate::follow::camera::raw::Range;

/// What precedes the list of streams in libcamera's log.
pub const MARK: &str = "configuring streams:";

/// The pictures of the first stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// None if they are not YUV 4:2:0.
    pub range: Option<Range>,
}

/// Reads a line such as `... INFO Camera camera.cpp:1197 configuring streams: (0) 320x240-YUV420/sYCC (1)
/// 640x480-SBGGR10_CSI2P`. Up to 2022 it has no colour spaces.
pub fn parse(line: &str) -> Option<Announced> {
    let (_, streams) = line.split_once(MARK)?;
    let (_, first) = streams.split_once("(0)")?;
    let (size, format) = first.split_whitespace().next()?.split_once('-')?;
    let (width, height) = size.split_once('x')?;
    let (format, space) = format.split_once('/').unwrap_or((format, ""));
    Some(Announced {
        width: width.parse().ok()?,
        height: height.parse().ok()?,
        range: (format == "YUV420").then(|| range(space)),
    })
}

/// The range of a colour space: a name that is known, or its four properties.
fn range(space: &str) -> Range {
    let video = ["SMPTE170M", "Rec709", "Rec2020"];
    if video.contains(&space) || space.ends_with("/Limited") {
        Range::Limited
    } else {
        Range::Full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stream_is_understood() {
        let full = Some(Range::Full);
        for (said, width, height, range) in [
            (
                "(0) 640x480-YUV420 (1) 640x480-SBGGR10_CSI2P",
                640,
                480,
                full,
            ),
            (
                "(0) 320x240-YUV420/sYCC (1) 1536x864-BGGR_PISP_COMP1/RAW",
                320,
                240,
                full,
            ),
            (
                "(0) 400x300-YUV420/Rec709 (1) x",
                400,
                300,
                Some(Range::Limited),
            ),
            (
                "(0) 400x300-YUV420/SMPTE170M",
                400,
                300,
                Some(Range::Limited),
            ),
            ("(0) 2x2-YUV420/SMPTE170M/Rec709/Rec601/Full", 2, 2, full),
            (
                "(0) 2x2-YUV420/SMPTE170M/Rec709/Rec601/Limited",
                2,
                2,
                Some(Range::Limited),
            ),
            ("(0) 640x480-XBGR8888/sRGB", 640, 480, None),
        ] {
            let line = format!(
                "[43:40:02.067818512] [7540]  INFO Camera camera.cpp:1033 configuring streams: {said}"
            );
            let want = Announced {
                width,
                height,
                range,
            };
            assert_eq!(parse(&line), Some(want), "{line}");
        }
        for other in [
            "",
            "configuring streams:",
            "configuring streams: (0) ",
            "configuring streams: (0) 640-YUV420",
            "configuring streams: (0) -1x480-YUV420",
            "configuring streams: (0) 99999999999x480-YUV420",
            "Mode selection for 640:480:12:P",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
