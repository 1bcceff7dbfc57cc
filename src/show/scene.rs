//! Draws a board on a canvas.

use anyhow::Result;
use opencv::core::{Mat, MatTraitConst as _, Point, Rect};

use super::board::Board;
use super::canvas::{Canvas, Colour, GREEN, GREY, WHITE, YELLOW};
use super::lettering::Lettering;
use super::words::{self, Label};
use crate::follow::detect;
use crate::follow::track::TrackedFace;

/// Half the length of the cross-hair's lines, as a part of the picture's height.
const CROSS: f64 = 0.04;

/// From pixels of the full picture to those of the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    times: f64,
    left: f64,
    top: f64,
}

impl Scale {
    /// As large as it fits, in the middle.
    fn fit(picture: (u32, u32), canvas: (u32, u32)) -> Self {
        let (width, height) = (f64::from(picture.0.max(1)), f64::from(picture.1.max(1)));
        let (columns, rows) = (f64::from(canvas.0), f64::from(canvas.1));
        let times = (columns / width).min(rows / height);
        Self {
            times,
            left: ((columns - width * times) / 2.0).floor(),
            top: ((rows - height * times) / 2.0).floor(),
        }
    }

    fn point(&self, x: f64, y: f64) -> Point {
        let (x, y) = (self.left + x * self.times, self.top + y * self.times);
        // A face may lie far outside.
        Point::new(x.clamp(-1e4, 1e4) as i32, y.clamp(-1e4, 1e4) as i32)
    }

    fn at(&self, point: detect::Point) -> Point {
        self.point(point.x.into(), point.y.into())
    }

    /// The rectangle between two corners.
    fn rect(&self, from: (f64, f64), to: (f64, f64)) -> Rect {
        let (a, b) = (self.point(from.0, from.1), self.point(to.0, to.1));
        Rect::new(a.x, a.y, (b.x - a.x).max(1), (b.y - a.y).max(1))
    }
}

/// Draws everything; `pixels` are those of the board's picture, at any size.
pub(super) fn draw(
    board: &Board,
    pixels: Option<&Mat>,
    lettering: &mut Lettering,
    canvas: &mut Canvas,
) -> Result<()> {
    let size = canvas.size();
    canvas.clear(size)?;
    let mount = words::of_mount(board);
    let line = i32::try_from(lettering.fit(size.1))?;
    let mut writer = Writer {
        line,
        top: band(line, mount.len()),
        lettering,
        canvas,
    };
    match (&board.shown, pixels) {
        (Some(shown), Some(pixels)) => {
            let scale = Scale::fit(shown.size, size);
            let (width, height) = (f64::from(shown.size.0), f64::from(shown.size.1));
            let place = scale.rect((0.0, 0.0), (width, height));
            let place = place & Rect::new(0, 0, size.0.cast_signed(), size.1.cast_signed());
            if !pixels.empty() && place.width > 0 && place.height > 0 {
                writer.canvas.picture(pixels, place)?;
            }
            middle(board, (width / 2.0, height / 2.0), &scale, writer.canvas)?;
            for face in &shown.faces {
                writer.face(face, &scale)?;
            }
        }
        _ => writer.centred(&words::of_no_picture(board), size)?,
    }
    writer.top(&mount)?;
    writer.bottom(
        &words::of_alarms(board),
        words::of_tap(board).as_ref(),
        size.1,
    )
}

/// The cross-hair, and around it where the face may be without being followed.
fn middle(board: &Board, (x, y): (f64, f64), scale: &Scale, canvas: &mut Canvas) -> Result<()> {
    let arm = 2.0 * y * CROSS;
    canvas.line(scale.point(x - arm, y), scale.point(x + arm, y), WHITE)?;
    canvas.line(scale.point(x, y - arm), scale.point(x, y + arm), WHITE)?;
    let (right, down) = board.dead_zone;
    if right > 0.0 && down > 0.0 {
        let zone = scale.rect((x - right, y - down), (x + right, y + down));
        canvas.frame(zone, WHITE, 1)?;
    }
    Ok(())
}

/// From one base line to the next, for letters of this height.
fn step(line: i32) -> i32 {
    line * 3 / 2
}

/// Height of a band of so many lines.
fn band(line: i32, lines: usize) -> i32 {
    let lines = i32::try_from(lines).unwrap_or(0);
    if lines == 0 {
        0
    } else {
        lines * step(line) + step(line) / 3
    }
}

struct Writer<'a> {
    lettering: &'a mut Lettering,
    canvas: &'a mut Canvas,
    /// Height of letters.
    line: i32,
    /// Rows at the top that are written on.
    top: i32,
}

impl Writer<'_> {
    /// From one base line to the next.
    fn step(&self) -> i32 {
        step(self.line)
    }

    fn face(&mut self, tracked: &TrackedFace, scale: &Scale) -> Result<()> {
        let face = &tracked.face;
        let colour = if tracked.followed { GREEN } else { YELLOW };
        let (left, top) = (f64::from(face.x), f64::from(face.y));
        let (right, bottom) = (left + f64::from(face.w), top + f64::from(face.h));
        let frame = scale.rect((left, top), (right, bottom));
        // One that was not looked for in this picture is drawn thinner.
        self.canvas
            .frame(frame, colour, if tracked.predicted { 1 } else { 2 })?;
        let (one, other) = (scale.at(face.left_eye), scale.at(face.right_eye));
        let radius = (self.line / 5).max(2);
        if one != other {
            self.canvas.line(one, other, colour)?;
        }
        // Where the eyes are not known, both lie at the point that is followed.
        self.canvas.dot(one, radius, colour)?;
        self.canvas.dot(other, radius, colour)?;
        if tracked.followed {
            self.canvas.dot(scale.at(face.aim()), radius, WHITE)?;
        }
        let mut text = format!("#{}", tracked.id);
        if one != other {
            text += &format!(" {:+.0} deg", face.roll_degrees());
        }
        let above = frame.y - self.line / 3;
        let below = frame.y + frame.height + self.line + 2;
        let y = if above > self.top + self.line {
            above
        } else {
            below
        };
        self.outlined(&text, (frame.x, y), colour)
    }

    /// Writes something that can be read on any picture.
    fn outlined(&mut self, text: &str, (x, y): (i32, i32), colour: Colour) -> Result<()> {
        self.lettering
            .write(self.canvas, text, (x + 1, y + 1), [0; 3])?;
        self.lettering.write(self.canvas, text, (x, y), colour)
    }

    fn label(&mut self, label: &Label, at: (i32, i32), colour: Colour) -> Result<()> {
        let text = self.lettering.choose(label);
        self.lettering.write(self.canvas, text, at, colour)
    }

    fn centred(&mut self, label: &Label, size: (u32, u32)) -> Result<()> {
        let text = self.lettering.choose(label);
        let wide = if text.is_ascii() { 0.55 } else { 1.0 };
        let width = text.chars().count() as f64 * f64::from(self.line) * wide;
        let x = (f64::from(size.0) - width) / 2.0;
        let y = i32::try_from(size.1 / 2)?;
        self.lettering
            .write(self.canvas, text, (x.max(4.0) as i32, y), GREY)
    }

    fn top(&mut self, lines: &[Label]) -> Result<()> {
        let step = self.step();
        self.canvas.shade(0, self.top)?;
        for (n, label) in (1..).zip(lines) {
            self.label(label, (self.line / 2, n * step - step / 4), WHITE)?;
        }
        Ok(())
    }

    /// The alarms, red, and below them the tap.
    fn bottom(&mut self, alarms: &[Label], tap: Option<&Label>, rows: u32) -> Result<()> {
        let (step, mut y) = (self.step(), i32::try_from(rows)?);
        if let Some(tap) = tap {
            y -= step;
            self.canvas.shade(y, step)?;
            self.label(tap, (self.line / 2, y + step * 3 / 4), WHITE)?;
        }
        for alarm in alarms.iter().rev() {
            y -= step;
            self.canvas.alarm(y, step)?;
            self.label(alarm, (self.line / 2, y + step * 3 / 4), WHITE)?;
        }
        Ok(())
    }
}
