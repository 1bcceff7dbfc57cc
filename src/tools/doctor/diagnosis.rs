//! The file that can be sent to a maintainer: everything, masked.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::extras::SAID;
use super::mask::Mask;
use super::probe::Section;
use super::{Examination, terminal};
use crate::say;

/// Where the file goes if the folder cannot be written.
const OTHERWISE: &str = "/tmp";

/// The whole text. What is masked tells `mask`; parts in which something could not be recognised are left out.
#[must_use]
pub fn text(examination: &Examination, mask: &Mask) -> String {
    let mut text = format!(
        "facetap {} doctor, {}, {:.0} ms\n{}\n",
        env!("CARGO_PKG_VERSION"),
        examination
            .machine
            .clock
            .wall()
            .strftime("%Y-%m-%d %H:%M:%S %:z"),
        examination.took.as_secs_f64() * 1000.0,
        say!(
            "Card ids, names and secrets are masked: the same card has the same number throughout.",
            "カード ID・氏名・秘密情報は伏せてあります（同じカードには同じ番号が付きます）。"
        )
    );
    for finding in &examination.unmasked {
        let _ = writeln!(text, "{finding}");
    }
    heading(&mut text, "findings");
    text.push_str(&terminal::table(&examination.sections, false, true));
    for section in &examination.sections {
        heading(&mut text, section.name);
        let _ = writeln!(text, "{}", section.looked.facts);
    }
    for part in &examination.extras {
        heading(&mut text, part.name);
        let _ = writeln!(text, "{}", contents(part, examination));
    }
    mask.apply(&text)
}

fn contents(part: &Section, examination: &Examination) -> String {
    if !examination.unmasked.is_empty() && SAID.contains(&part.name) {
        return say!(
            "left out, because names in it could not be recognised",
            "氏名を判別できないため省略しました"
        );
    }
    match part.looked.findings.first() {
        Some(finding) => finding.what.clone(),
        None => part.looked.facts.clone(),
    }
}

fn heading(text: &mut String, name: &str) {
    let _ = writeln!(text, "\n===== {name} =====");
}

/// `diagnosis_20251121_143000.log`.
#[must_use]
pub fn file_name(now: &Zoned) -> String {
    format!("diagnosis_{}.log", now.strftime("%Y%m%d_%H%M%S"))
}

/// Writes the text into `folder`, else into `/tmp`. Returns the file, and why it is not in `folder`.
///
/// # Errors
/// Neither can be written.
pub fn write(folder: &Path, name: &str, text: &str) -> io::Result<(PathBuf, Option<io::Error>)> {
    let file = folder.join(name);
    match create(&file, text) {
        Ok(()) => Ok((file, None)),
        Err(why) => {
            let file = Path::new(OTHERWISE).join(name);
            create(&file, text)?;
            Ok((file, Some(why)))
        }
    }
}

/// Never over another file: in `/tmp` somebody else may have put a link of this name.
fn create(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_when_and_nothing_is_overwritten() {
        let now: Zoned = "2025-11-21T14:30:00+09:00[+09:00]".parse().unwrap();
        assert_eq!(file_name(&now), "diagnosis_20251121_143000.log");
        let dir = tempfile::tempdir().unwrap();
        let (file, why) = write(dir.path(), "diagnosis_test.log", "text").unwrap();
        assert!(why.is_none() && file.starts_with(dir.path()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "text");
        assert!(create(&file, "other").is_err());
        let elsewhere = format!("diagnosis_test_{}.log", std::process::id());
        let (file, why) = write(Path::new("/nowhere"), &elsewhere, "text").unwrap();
        assert_eq!(file, Path::new("/tmp").join(elsewhere));
        assert!(why.is_some());
        std::fs::remove_file(file).unwrap();
    }
}
