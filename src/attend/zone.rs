//! The time zone: whether the one that is asked for can be found. Where it cannot, times are those of UTC without a word,
//! here as in the C library, and the server gets every tap with an hour that nobody has seen on a clock.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::nearest;
use crate::say;

/// Where the zones are.
const ZONES: &str = "usr/share/zoneinfo";
/// How a file of a zone begins (RFC 8536).
const MAGIC: &[u8; 4] = b"TZif";
/// Folders of that many levels hold zones (`America/Argentina/Ushuaia`).
const LEVELS: u32 = 3;

/// Why this process does not have the time zone that it should have; none if it has.
#[must_use]
pub fn trouble() -> Option<String> {
    let asked = std::env::var_os("TZ");
    let root = Path::new("/");
    let Err(e) = TimeZone::try_system() else {
        return wrong_way(asked.as_deref()?.to_str()?);
    };
    // A file that begins as one of a zone, and is none.
    let damaged = || (!is_utc(asked.as_deref(), root)).then(|| e.to_string());
    lost(asked.as_deref(), root).or_else(damaged)
}

/// Whether a zone is what a board has to which nobody gave one.
#[must_use]
pub fn is_universal(zone: &str) -> bool {
    let name = zone.strip_prefix("Etc/").unwrap_or(zone);
    matches!(name, "UTC" | "UCT" | "Universal" | "Zulu" | "GMT")
}

/// Whether UTC is what is asked for, so that nothing is wrong where no zone can be found.
fn is_utc(asked: Option<&OsStr>, root: &Path) -> bool {
    let name = |path: &Path| {
        let path = path.to_string_lossy();
        path.rsplit_once("zoneinfo/")
            .map_or_else(|| path.clone().into_owned(), |(_, name)| name.to_owned())
    };
    match asked {
        Some(asked) => is_universal(name(Path::new(asked)).trim_start_matches(':')),
        None => match fs::read_link(root.join("etc/localtime")) {
            Ok(target) => is_universal(&name(&target)),
            Err(_) => !root.join("etc/localtime").exists(),
        },
    }
}

/// The same for a board, live or its files below `root`, with this `TZ` in the environment of its service.
#[must_use]
pub fn lost(asked: Option<&OsStr>, root: &Path) -> Option<String> {
    match asked {
        Some(asked) if asked.is_empty() => None, // UTC, as everywhere.
        Some(_) if is_utc(asked, root) => None,
        Some(asked) => of_environment(&asked.to_string_lossy(), root),
        None => of_board(root),
    }
}

fn of_environment(asked: &str, root: &Path) -> Option<String> {
    let name = asked.strip_prefix(':').unwrap_or(asked);
    if name == asked && TimeZone::posix(asked).is_ok() {
        return wrong_way(asked);
    }
    let file = if let Some(path) = name.strip_prefix('/') {
        root.join(path)
    } else {
        root.join(ZONES).join(name)
    };
    if is_zone(&file) {
        return None;
    }
    let known = names(&root.join(ZONES));
    if known.is_empty() {
        return Some(say!(
            "TZ={asked}: there are no time zones on this board, the package tzdata is missing",
            "TZ={asked}: この機器にタイムゾーンのデータ (tzdata パッケージ) がありません"
        ));
    }
    let meant = nearest(name, known.iter().map(String::as_str)).map_or_else(String::new, |zone| {
        say!(
            "; did you mean {zone}?",
            "（{zone} の誤りではありませんか）"
        )
    });
    Some(say!(
        "TZ={asked}: there is no such time zone{meant}",
        "TZ={asked}: そのタイムゾーンはありません{meant}"
    ))
}

/// The sign of a POSIX zone is the other way round than everybody writes it: `UTC+9` is nine hours behind.
fn wrong_way(asked: &str) -> Option<String> {
    let zone = TimeZone::posix(asked).ok()?;
    let behind = zone.to_offset(Timestamp::UNIX_EPOCH).seconds() < 0;
    let plus = asked
        .strip_prefix("UTC")
        .or_else(|| asked.strip_prefix("GMT"))
        .is_some_and(|rest| rest.starts_with('+'));
    (behind && (plus || asked.starts_with("JST"))).then(|| {
        say!(
            "TZ={asked} is a time behind UTC, for the sign of such a zone is the other way round; write the name of the \
             zone, as Asia/Tokyo",
            "TZ={asked} は UTC より遅れた時刻になります（この書式では符号が逆です）。Asia/Tokyo のように名前で指定してください"
        )
    })
}

fn of_board(root: &Path) -> Option<String> {
    let localtime = root.join("etc/localtime");
    let Ok(target) = fs::read_link(&localtime) else {
        return of_copy(&localtime, root);
    };
    // Where the board's files lie below another folder, so does the target.
    let file = match target.strip_prefix("/") {
        Ok(path) => root.join(path),
        Err(_) => root.join("etc").join(&target),
    };
    let target = target.display();
    if is_zone(&file) || is_utc(None, root) {
        None
    } else if file.exists() {
        Some(say!(
            "/etc/localtime leads to {target}, which is no time zone",
            "/etc/localtime のリンク先 {target} はタイムゾーンのデータではありません"
        ))
    } else {
        Some(say!(
            "/etc/localtime leads to {target}, which is not there: the package tzdata is missing, or the name is wrong",
            "/etc/localtime のリンク先 {target} がありません (tzdata パッケージがないか、名前の誤りです)"
        ))
    }
}

/// `/etc/localtime` is no link.
fn of_copy(localtime: &Path, root: &Path) -> Option<String> {
    if localtime.exists() {
        return (!is_zone(localtime)).then(|| {
            say!(
                "/etc/localtime is no time zone: it is damaged, or empty",
                "/etc/localtime がタイムゾーンのデータではありません（破損または空）"
            )
        });
    }
    let named = fs::read_to_string(root.join("etc/timezone")).unwrap_or_default();
    let named = named.trim();
    (!named.is_empty() && !is_universal(named)).then(|| {
        say!(
            "/etc/timezone says {named}, but /etc/localtime, which counts, is missing",
            "/etc/timezone は {named} ですが、使用される /etc/localtime がありません"
        )
    })
}

fn is_zone(file: &Path) -> bool {
    let mut begin = [0; 4];
    File::open(file)
        .and_then(|mut file| file.read_exact(&mut begin))
        .is_ok_and(|()| &begin == MAGIC)
}

/// The names of the zones.
fn names(zones: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<(PathBuf, u32)> = vec![(zones.to_owned(), LEVELS)];
    while let Some((folder, levels)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && levels > 1 {
                folders.push((path, levels - 1));
            } else if let Ok(name) = path.strip_prefix(zones) {
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A board with two zones.
    fn board() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("usr/share/zoneinfo/Asia/Tokyo", "TZif2"),
            ("usr/share/zoneinfo/UTC", "TZif2"),
            ("usr/share/zoneinfo/zone.tab", "#"),
            ("etc/hostname", "b"),
        ] {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_zone_of_the_environment_that_is_not_there_is_named() {
        let board = board();
        let said = |asked: &str| lost(Some(OsStr::new(asked)), board.path());
        for fine in [
            "Asia/Tokyo",
            ":Asia/Tokyo",
            "/usr/share/zoneinfo/Asia/Tokyo",
            ":/usr/share/zoneinfo/UTC",
            "JST-9",
            "<+09>-9",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "UTC0",
            "UTC",
            "",
        ] {
            assert_eq!(said(fine), None, "{fine}");
        }
        for (asked, want) in [
            ("Asia/Tokio", "no such time zone; did you mean Asia/Tokyo?"),
            (":Asia/Tokio", "no such time zone"),
            ("Tokyo", "no such time zone"),
            ("JST", "no such time zone"),
            ("zone.tab", "no such time zone"),
            ("/nowhere", "no such time zone"),
            ("JST9", "behind UTC"),
            ("UTC+9", "behind UTC"),
        ] {
            let said = said(asked).expect(asked);
            assert!(said.contains(want) && said.contains(asked), "{said}");
        }
        fs::remove_dir_all(board.path().join("usr")).unwrap();
        let said = |asked: &str| lost(Some(OsStr::new(asked)), board.path());
        assert!(said("Asia/Tokyo").unwrap().contains("tzdata"));
        for fine in ["JST-9", "UTC", ":Etc/UTC", "/usr/share/zoneinfo/Etc/UTC"] {
            assert_eq!(said(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_zone_of_the_board_that_is_not_there_is_named() {
        let board = board();
        let etc = board.path().join("etc");
        let said = || lost(None, board.path());
        assert_eq!(said(), None, "UTC by nobody's choice");
        fs::write(etc.join("timezone"), "Etc/UTC\n").unwrap();
        assert_eq!(said(), None);
        fs::write(etc.join("timezone"), "Asia/Tokyo\n").unwrap();
        assert!(said().unwrap().contains("which counts, is missing"));
        for (target, want) in [
            ("/usr/share/zoneinfo/Asia/Tokyo", None),
            ("../usr/share/zoneinfo/Asia/Tokyo", None),
            ("/usr/share/zoneinfo/Asia/Tokio", Some("which is not there")),
            (
                "/usr/share/zoneinfo/zone.tab",
                Some("which is no time zone"),
            ),
        ] {
            let link = etc.join("localtime");
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            let said = said();
            assert_eq!(said.is_some(), want.is_some(), "{said:?}");
            assert!(want.is_none_or(|want| said.unwrap().contains(want)));
        }
        fs::remove_file(etc.join("localtime")).unwrap();
        for (text, fine) in [("TZif2", true), ("", false), ("<html>", false)] {
            fs::write(etc.join("localtime"), text).unwrap();
            assert_eq!(said().is_none(), fine, "{text}");
        }
    }
}
