//! JPEGs of every kind that cameras send, of one drawn face: those of `tests/pictures`, and what becomes of them when bytes
//! are missing or too many. `tests/tools/odd_pictures.py` has made the files.

use std::path::Path;

/// The file `name` of `tests/pictures`.
pub fn picture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    std::fs::read(folder.join(name).with_extension("jpg")).unwrap()
}

/// All of them, with what is odd about each.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = [
        "420",
        "411",
        "422",
        "440",
        "444",
        "progressive",
        "progressive-grey",
        "grey",
        "cmyk",
        "optimised",
        "restarts",
        "turned",
        "odd-size",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), picture(name)))
    .collect();
    for name in ["420", "422", "progressive", "grey", "restarts", "cmyk"] {
        let whole = picture(name);
        let length = whole.len();
        let cut = |bytes: usize| whole[..length - bytes].to_vec();
        all.push((format!("{name} without an end marker"), cut(2)));
        all.push((format!("{name} with half an end marker"), cut(1)));
        all.push((format!("{name} cut by 1 %"), cut(length / 100)));
        all.push((format!("{name} cut by 10 %"), cut(length / 10)));
    }
    let usual = picture("420");
    all.push(("no Huffman tables".to_owned(), without_tables(&usual)));
    let mut bare = without_tables(&usual);
    bare.truncate(bare.len() - 2);
    all.push(("no Huffman tables and no end marker".to_owned(), bare));
    for (what, before, behind) in [
        ("a line end before and behind", &b"\r\n"[..], &b"\r\n"[..]),
        ("a header before", b"JPG0 640x480 \xFF\xD8\0\0", b""),
        ("zeros behind", b"", &[0; 5000]),
        ("half a picture behind", b"", &usual[..3000]),
    ] {
        all.push((what.to_owned(), [before, &usual, behind].concat()));
    }
    all
}

/// A picture with the usual Huffman tables, which most USB cameras leave out.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bare = jpeg[..2].to_vec();
    let mut at = 2;
    loop {
        let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        match jpeg[at + 1] {
            0xC4 => {}
            0xDA => return [bare.as_slice(), &jpeg[at..]].concat(),
            _ => bare.extend(&jpeg[at..at + length]),
        }
        at += length;
    }
}
