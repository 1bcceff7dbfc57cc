//! Which of the ways to say something can be written, and writing it.
//!
//! ASCII is always written, with a font that is part of the program. For anything else the system's fonts are asked, on
//! a thread of its own and under a limit, for they lie on a disk. Where no font has every character, the next choice is
//! taken: nobody's name becomes a row of boxes.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use opencv::core::Point;
use unicode_normalization::char::is_combining_mark;

use super::canvas::{Canvas, Colour};
use super::fonts::{self, Glyph};
use super::words::Label;
use crate::base::beat::Beat;
use crate::base::limited::{Limited, NotDone};
use crate::base::stop::Stop;

/// Time for finding and reading a font. What takes longer is there at the next picture.
const READING: Duration = Duration::from_secs(2);
/// A disk that hangs is not waited for more often than this.
const TRIES: u32 = 3;
/// Glyphs that are kept; more are those of many people.
const MOST_GLYPHS: usize = 1000;
/// Texts that no font can write are remembered.
const MOST_HOPELESS: usize = 100;
/// Heights of letters, in pixels, are multiples of this: a window that is being resized does not read fonts all the time.
const STEP: u32 = 4;

/// Knows the shapes of the characters that were needed so far.
pub(super) struct Lettering {
    folders: Vec<PathBuf>,
    disk: Limited<()>,
    height: u32,
    glyphs: HashMap<char, Glyph>,
    hopeless: BTreeSet<String>,
    hung: u32,
}

impl Lettering {
    /// With the fonts in these folders.
    pub fn new(folders: Vec<PathBuf>, stop: &Stop) -> Self {
        Self {
            folders,
            // Whoever waits for it has no sign of life of its own.
            disk: Limited::new("window-fonts", stop, &Beat::default()),
            height: 0,
            glyphs: HashMap::new(),
            hopeless: BTreeSet::new(),
            hung: 0,
        }
    }

    /// Chooses the height of letters for a canvas with so many rows; returns it in pixels.
    pub fn fit(&mut self, rows: u32) -> u32 {
        let height = (rows / 30).div_ceil(STEP).clamp(3, 7) * STEP;
        if height != self.height {
            self.height = height;
            self.glyphs.clear();
        }
        height
    }

    /// The first of the choices that can be written.
    pub fn choose<'a>(&mut self, label: &'a Label) -> &'a str {
        let choices = label.0.iter();
        choices
            .map(String::as_str)
            .find(|text| text.is_ascii() || self.has(text))
            .unwrap_or("")
    }

    /// Writes a text that was chosen, its base line at `y`.
    pub fn write(
        &self,
        canvas: &mut Canvas,
        text: &str,
        (x, y): (i32, i32),
        colour: Colour,
    ) -> Result<()> {
        if text.is_ascii() {
            return canvas.ascii(text, Point::new(x, y), self.height, colour);
        }
        let mut pen = x as f32;
        for c in text.chars() {
            let Some(glyph) = self.glyphs.get(&c) else {
                continue;
            };
            canvas.glyph(glyph, pen.round() as i32, y, colour)?;
            pen += glyph.advance;
        }
        Ok(())
    }

    fn has(&mut self, text: &str) -> bool {
        if self.hopeless.contains(text) || !text.chars().all(stands_alone) {
            return false;
        }
        if text.chars().all(|c| self.glyphs.contains_key(&c)) {
            return true;
        }
        let wanted: BTreeSet<char> = text.chars().collect();
        let (folders, height) = (self.folders.clone(), self.height as f32 * 1.1);
        let shapes = self.hung < TRIES;
        let shapes = shapes.then(|| {
            let read = move || fonts::shapes(&folders, &wanted, height);
            self.disk.run(READING, read)
        });
        match shapes {
            Some(Ok(Some(shapes))) => {
                if self.glyphs.len() > MOST_GLYPHS {
                    self.glyphs.clear();
                }
                self.glyphs.extend(shapes);
                // Those that another font had already fit as well.
                return true;
            }
            Some(Err(NotDone::Hangs)) => self.hung += 1,
            // At the next picture perhaps.
            Some(Err(_)) => {}
            Some(Ok(None)) | None => {
                if self.hopeless.len() >= MOST_HOPELESS {
                    self.hopeless.clear();
                }
                self.hopeless.insert(text.to_owned());
            }
        }
        false
    }
}

/// Whether a character is drawn the same whatever stands beside it, from left to right. Arabic, Hindi or Thai are not:
/// drawn letter by letter they would be wrong.
fn stands_alone(c: char) -> bool {
    let shaped = matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1800}'..='\u{18af}'
        | '\u{1a00}'..='\u{1cff}' | '\u{a800}'..='\u{abff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{10a00}'..='\u{11fff}' | '\u{1e900}'..='\u{1efff}' | '\u{e0000}'..='\u{e0fff}');
    !shaped && !is_combining_mark(c) && !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(texts: &[&str]) -> Label {
        Label(texts.iter().map(|t| (*t).to_owned()).collect())
    }

    fn system() -> Option<Lettering> {
        let mut lettering = Lettering::new(fonts::folders(), &Stop::new());
        lettering.fit(480);
        if lettering.has("山田") {
            return Some(lettering);
        }
        eprintln!("SKIPPED: no font with Japanese characters is here (scripts/setup.sh test)");
        None
    }

    #[test]
    fn without_fonts_the_card_stands_in_for_the_name() {
        let empty = tempfile::tempdir().unwrap();
        let mut lettering = Lettering::new(vec![empty.path().to_owned()], &Stop::new());
        lettering.fit(480);
        for _ in 0..2 {
            assert_eq!(lettering.choose(&label(&["山田", "04A1"])), "04A1");
        }
        assert!(
            lettering.hopeless.contains("山田"),
            "and is not looked for again"
        );
    }

    #[test]
    fn what_is_no_font_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let real = fonts::folders().iter().find_map(|f| {
            let file = f.join("truetype/motoya-l-cedar/MTLc3m.ttf");
            std::fs::read(file).ok()
        });
        let mut bad = vec![Vec::new(), b"ttcf".to_vec(), vec![0xff; 4000]];
        if let Some(real) = real {
            // Cut off, and with each of the bytes of its beginning spoilt.
            bad.extend([12, 100, 1000, real.len() / 2].map(|n| real[..n].to_vec()));
            bad.extend((0..300).step_by(7).map(|at| {
                let mut data = real[..real.len() / 4].to_vec();
                data[at] ^= 0xff;
                data
            }));
        }
        let wanted = BTreeSet::from(['山', '\u{2f81a}']);
        for (n, data) in bad.into_iter().enumerate() {
            std::fs::write(dir.path().join(format!("{n}.ttf")), data).unwrap();
        }
        nix::unistd::mkfifo(&dir.path().join("pipe.ttf"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(fonts::shapes(&[dir.path().to_owned()], &wanted, 16.0), None);
    }

    #[test]
    fn a_name_is_written_only_if_one_font_has_all_of_it() {
        let Some(mut lettering) = system() else {
            return;
        };
        assert_eq!(
            lettering.choose(&label(&["山田 太郎", "04A1"])),
            "山田 太郎"
        );
        // Of the private use area, and of a script that is not written letter by letter.
        for odd in ["山\u{e123}", "محمد", "สมชาย", "\u{202e}山田", "क्ष"] {
            assert_eq!(lettering.choose(&label(&[odd, "04A1"])), "04A1", "{odd}");
        }
    }

    #[test]
    fn letters_leave_ink_where_they_are_written_and_nowhere_else() {
        let Some(lettering) = system() else {
            return;
        };
        let ink = |at: (i32, i32), text: &str| {
            let mut canvas = Canvas::default();
            canvas.clear((200, 60)).unwrap();
            lettering.write(&mut canvas, text, at, [255; 3]).unwrap();
            let bytes = canvas.bytes().unwrap();
            let lit = |n: usize| bytes[n * 3] > 128;
            let all: Vec<(usize, usize)> = (0..200 * 60)
                .filter(|n| lit(*n))
                .map(|n| (n % 200, n / 200))
                .collect();
            all
        };
        let lit = ink((20, 40), "山田");
        assert!(lit.len() > 40, "{} pixels", lit.len());
        assert!(
            lit.iter()
                .all(|(x, y)| (18..60).contains(x) && (20..46).contains(y)),
            "{lit:?}"
        );
        // Over each edge: what lies outside is left out.
        for at in [
            (-8, 40),
            (190, 40),
            (20, 5),
            (20, 62),
            (-900, 9),
            (20, 900),
            (20, -900),
        ] {
            assert!(ink(at, "山田").len() < lit.len(), "{at:?}");
        }
    }

    #[test]
    fn the_height_of_letters_follows_the_window_in_steps() {
        let mut lettering = Lettering::new(Vec::new(), &Stop::new());
        let heights = [1, 240, 480, 490, 720, 4000].map(|rows| lettering.fit(rows));
        assert_eq!(heights, [12, 12, 16, 16, 24, 28]);
    }
}
