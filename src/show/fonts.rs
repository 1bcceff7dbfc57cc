//! The system's fonts: one that has every character that is wanted, and the shapes of these.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use ttf_parser::{Face, GlyphId, OutlineBuilder, cmap};

/// Larger files are passed over. All of Chinese, Japanese and Korean takes 20 MB.
const LARGEST: u64 = 40_000_000;
/// The table that tells which characters there are.
const LARGEST_TABLE: usize = 4_000_000;
/// Files and folders that are looked at.
const MOST_FILES: usize = 5000;
const DEEPEST: usize = 6;
/// Pixels of a glyph in width or height, at most so many times its nominal height.
const LARGEST_GLYPH: f32 = 4.0;

/// The shape of a character.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Glyph {
    /// Of its left edge, from where it is written.
    pub left: i32,
    /// Of its upper edge, from the base line; negative is above it.
    pub top: i32,
    /// Pixels in a row.
    pub width: usize,
    /// How much each pixel is covered.
    pub alpha: Vec<u8>,
    /// How far the next character is.
    pub advance: f32,
}

/// Where fonts lie.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = ["/usr/share/fonts", "/usr/local/share/fonts"]
        .map(PathBuf::from)
        .into();
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        all.extend([home.join(".local/share/fonts"), home.join(".fonts")]);
    }
    all
}

/// The shapes of these characters by the first font that has them all, `height` pixels high. None if no font has.
pub(super) fn shapes(
    folders: &[PathBuf],
    wanted: &BTreeSet<char>,
    height: f32,
) -> Option<Vec<(char, Glyph)>> {
    let mut files = Vec::new();
    for folder in folders {
        collect(folder, 0, &mut files);
    }
    files.sort_by_cached_key(|file| (fitness(file), file.clone()));
    files
        .iter()
        .filter(|file| covers(file, wanted).unwrap_or(false))
        .find_map(|file| draw(&std::fs::read(file).ok()?, wanted, height))
}

fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if into.len() >= MOST_FILES {
            return;
        }
        let path = entry.path();
        // Follows links. A pipe would be waited for.
        let Ok(data) = std::fs::metadata(&path) else {
            continue;
        };
        if data.is_dir() && depth < DEEPEST {
            collect(&path, depth + 1, into);
        } else if data.is_file() && data.len() <= LARGEST && is_font(&path) {
            into.push(path);
        }
    }
}

fn is_font(path: &Path) -> bool {
    let kind = path.extension().map(|e| e.to_ascii_lowercase());
    kind.is_some_and(|kind| ["ttf", "otf", "ttc", "otc"].iter().any(|k| kind == *k))
}

/// Fonts for Japanese come first: others draw its characters as Chinese does. Plain styles before others.
fn fitness(path: &Path) -> u32 {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| name.contains(w));
    let fancy = [
        "bold",
        "italic",
        "oblique",
        "black",
        "heavy",
        "light",
        "thin",
        "mono",
        "serif",
        "mincho",
        "condensed",
    ];
    let japanese = [
        "cjk", "jp", "gothic", "ipa", "motoya", "mtlc", "takao", "vl",
    ];
    u32::from(any(&fancy)) + if any(&japanese) { 0 } else { 2 }
}

/// Whether a font has all of them. Reads no more of it than its table of characters.
fn covers(file: &Path, wanted: &BTreeSet<char>) -> Option<bool> {
    let mut file = File::open(file).ok()?;
    let mut read = |at: u64, bytes: usize| {
        let mut data = vec![0; bytes];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut data).ok()?;
        Some(data)
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b));
    let mut head = read(0, 16)?;
    let mut start = 0;
    if head.starts_with(b"ttcf") {
        // A collection: the first of its fonts.
        start = u64::from(number(&head[12..16]));
        head = read(start, 16)?;
    }
    let tables = number(&head[4..6]) as usize;
    let list = read(start + 12, tables * 16)?;
    let entry = list.chunks_exact(16).find(|e| e.starts_with(b"cmap"))?;
    let (at, bytes) = (number(&entry[8..12]), number(&entry[12..16]) as usize);
    if bytes > LARGEST_TABLE {
        return None;
    }
    let data = read(u64::from(at), bytes)?;
    let table = cmap::Table::parse(&data)?;
    let has = |c: &char| {
        let mut unicode = table.subtables.into_iter().filter(|s| s.is_unicode());
        unicode.any(|s| {
            s.glyph_index(u32::from(*c))
                .is_some_and(|g| g != GlyphId(0))
        })
    };
    Some(wanted.iter().all(has))
}

/// The shapes; none if one of them is missing all the same.
fn draw(data: &[u8], wanted: &BTreeSet<char>, height: f32) -> Option<Vec<(char, Glyph)>> {
    let face = Face::parse(data, 0).ok()?;
    let scale = height / f32::from(face.units_per_em());
    let mut glyphs = Vec::with_capacity(wanted.len());
    for c in wanted {
        let id = face.glyph_index(*c).filter(|id| *id != GlyphId(0))?;
        let mut glyph = shape(&face, id, scale, height);
        if glyph.is_none() && c.is_whitespace() {
            glyph = Some(Glyph {
                left: 0,
                top: 0,
                width: 0,
                alpha: Vec::new(),
                advance: 0.0,
            });
        }
        let mut glyph = glyph?;
        glyph.advance = f32::from(face.glyph_hor_advance(id)?) * scale;
        glyphs.push((*c, glyph));
    }
    Some(glyphs)
}

fn shape(face: &Face<'_>, id: GlyphId, scale: f32, height: f32) -> Option<Glyph> {
    /// Finds out how large it is; a font's own word is not relied on.
    struct Bounds(Option<[f32; 4]>);
    impl Bounds {
        fn add(&mut self, x: f32, y: f32) {
            let [l, t, r, b] = self.0.unwrap_or([x, y, x, y]);
            self.0 = Some([l.min(x), t.min(y), r.max(x), b.max(y)]);
        }
    }
    impl OutlineBuilder for Bounds {
        fn move_to(&mut self, x: f32, y: f32) {
            self.add(x, y);
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.add(x, y);
        }
        fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
            self.add(x1, y1);
            self.add(x, y);
        }
        fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
            self.add(x1, y1);
            self.quad_to(x2, y2, x, y);
        }
        fn close(&mut self) {}
    }
    let mut bounds = Bounds(None);
    face.outline_glyph(id, &mut bounds)?;
    let [left, low, right, high] = bounds.0?.map(|v| v * scale);
    let (left, top) = (left.floor(), (-high).floor());
    let (width, rows) = ((right - left).ceil() + 1.0, (-low - top).ceil() + 1.0);
    let fits = |side: f32| (1.0..=LARGEST_GLYPH * height + 2.0).contains(&side);
    if !fits(width) || !fits(rows) {
        return None;
    }
    let (columns, lines) = (width as usize, rows as usize);
    let mut pen = Pen {
        raster: Rasterizer::new(columns, lines),
        scale,
        origin: (left, top),
        at: point(0.0, 0.0),
        start: point(0.0, 0.0),
    };
    face.outline_glyph(id, &mut pen)?;
    let mut alpha = vec![0; columns * lines];
    pen.raster
        .for_each_pixel(|i, cover| alpha[i] = (cover.clamp(0.0, 1.0) * 255.0) as u8);
    Some(Glyph {
        left: left as i32,
        top: top as i32,
        width: columns,
        alpha,
        advance: 0.0,
    })
}

/// Draws an outline.
struct Pen {
    raster: Rasterizer,
    scale: f32,
    origin: (f32, f32),
    at: Point,
    start: Point,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> Point {
        point(
            x * self.scale - self.origin.0,
            -y * self.scale - self.origin.1,
        )
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.at = self.place(x, y);
        self.start = self.at;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = self.place(x, y);
        self.raster.draw_line(self.at, to);
        self.at = to;
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (over, to) = (self.place(x1, y1), self.place(x, y));
        self.raster.draw_quad(self.at, over, to);
        self.at = to;
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (one, two, to) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.raster.draw_cubic(self.at, one, two, to);
        self.at = to;
    }

    fn close(&mut self) {
        self.raster.draw_line(self.at, self.start);
        self.at = self.start;
    }
}
