//! The search itself: which file has the symbols, and what it says of an address.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use addr2line::Loader;
use object::{Object as _, ReadCache};

use super::{Place, Symbol};

/// Where packages put symbols that were taken out of a program.
const DEBUG_FOLDER: &str = "/usr/lib/debug";

/// The symbols of every file that was asked for. They stay in memory until this is dropped.
#[derive(Default)]
pub(super) struct Tables {
    loaded: HashMap<(PathBuf, Option<String>), Option<Loader>>,
}

impl Tables {
    /// What lies at `place`, the innermost inlined function first; nothing if that is not known.
    pub fn find(&mut self, place: &Place) -> Vec<Symbol> {
        self.loaded
            .entry((place.file.clone(), place.build_id.clone()))
            .or_insert_with(|| load(&place.file, place.build_id.as_deref()))
            .as_ref()
            .map(|table| symbols(table, place.address))
            .unwrap_or_default()
    }
}

/// The build id of a program, a library or a file with its symbols, in hexadecimal; none if it has none or cannot be read.
#[must_use]
pub fn build_id(file: &Path) -> Option<String> {
    identity(file).build_id
}

fn load(file: &Path, wanted: Option<&str>) -> Option<Loader> {
    let own = identity(&opened(file));
    let wanted = wanted.or(own.build_id.as_deref());
    candidates(file, wanted, own.link.as_deref())
        .into_iter()
        // A file of another build has other things at the same addresses.
        .filter(|c| wanted.is_none() || identity(&opened(c)).build_id.as_deref() == wanted)
        .find_map(|c| Loader::new(opened(&c)).ok())
}

/// The files that may have the symbols of `file`, the best first.
fn candidates(file: &Path, build_id: Option<&str>, link: Option<&OsStr>) -> Vec<PathBuf> {
    let mut all = Vec::new();
    if let Some((first, rest)) = build_id.and_then(|id| id.split_at_checked(2)) {
        all.push(Path::new(DEBUG_FOLDER).join(format!(".build-id/{first}/{rest}.debug")));
    }
    if let (Some(link), Some(folder)) = (link, file.parent()) {
        all.push(folder.join(link));
        all.push(folder.join(".debug").join(link));
        let folder = folder.strip_prefix("/").unwrap_or(folder);
        all.push(Path::new(DEBUG_FOLDER).join(folder).join(link));
    }
    all.push(file.to_owned());
    all
}

/// How a file is to be opened: this program itself through /proc, where it is found even when an upgrade has
/// replaced or removed it.
fn opened(file: &Path) -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if std::fs::read_link(own).is_ok_and(|target| target == file) {
        own.to_owned()
    } else {
        file.to_owned()
    }
}

#[derive(Default)]
struct Identity {
    build_id: Option<String>,
    /// The name of the file with the symbols, if they were taken out.
    link: Option<std::ffi::OsString>,
}

/// What a file says of itself; nothing if it cannot be read.
fn identity(file: &Path) -> Identity {
    let Ok(file) = File::open(file) else {
        return Identity::default();
    };
    let cache = ReadCache::new(file);
    let Ok(object) = object::File::parse(&cache) else {
        return Identity::default();
    };
    let hex = |id: &[u8]| id.iter().map(|b| format!("{b:02x}")).collect();
    Identity {
        build_id: object.build_id().ok().flatten().map(hex),
        link: object
            .gnu_debuglink()
            .ok()
            .flatten()
            .map(|(name, _)| OsStr::from_bytes(name).to_owned()),
    }
}

fn symbols(table: &Loader, address: u64) -> Vec<Symbol> {
    let whole = table.find_symbol(address).map(readable);
    let mut found = Vec::new();
    if let Ok(mut frames) = table.find_frames(address) {
        while let Ok(Some(frame)) = frames.next() {
            let function = frame
                .function
                .as_ref()
                .and_then(|f| f.raw_name().ok())
                .map(|name| readable(&name));
            let location = frame.location.as_ref();
            found.push(Symbol {
                function: function.unwrap_or_else(|| "?".to_owned()),
                file: location.and_then(|l| l.file).map(ToOwned::to_owned),
                line: location.and_then(|l| l.line).filter(|l| *l > 0),
            });
        }
    }
    // The function that all others were inlined into. A release has its full name in the table of symbols alone.
    if let (Some(outermost), Some(whole)) = (found.last_mut(), &whole)
        && is_short_for(&outermost.function, whole)
    {
        outermost.function.clone_from(whole);
    }
    if found.is_empty()
        && let Some(function) = whole
    {
        found.push(Symbol {
            function,
            file: None,
            line: None,
        });
    }
    found
}

/// Whether `name` is the last part of `whole`, as line tables without full names have it. Two functions of the same code
/// may have been merged into one, and then the table of symbols may have the other one's name.
fn is_short_for(name: &str, whole: &str) -> bool {
    let name = name.split('<').next().unwrap_or(name);
    let last = whole.rsplit("::").next().unwrap_or(whole);
    name == "?" || name == last || (name.starts_with("{closure") && last.starts_with("{{closure"))
}

/// The name without the compilers' marks; the hash that Rust puts behind a name says nothing to people.
fn readable(name: &str) -> String {
    let name = addr2line::demangle_auto(Cow::Borrowed(name), None).into_owned();
    match name.rsplit_once("::h") {
        Some((front, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            front.to_owned()
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_and_cpp_become_readable() {
        let legacy = "_ZN7facetap7service7Service3run17h0123456789abcdefE";
        assert_eq!(readable(legacy), "facetap::service::Service::run");
        assert_eq!(
            readable("_RNvNtCs1234_7mycrate3foo3bar"),
            "mycrate::foo::bar"
        );
        assert_eq!(readable("_ZN2cv3Mat7releaseEv"), "cv::Mat::release()");
        assert_eq!(readable("malloc"), "malloc");
    }

    #[test]
    fn a_short_name_is_completed_and_another_one_kept() {
        assert!(is_short_for("run", "facetap::follow::vision::run"));
        assert!(is_short_for("run<u8>", "facetap::follow::vision::run"));
        assert!(is_short_for(
            "{closure#1}",
            "facetap::follow::vision::run::{{closure}}"
        ));
        assert!(is_short_for("?", "malloc"));
        assert!(!is_short_for("run", "facetap::follow::vision::runs"));
        assert!(!is_short_for("facetap::a::run", "facetap::b::run"));
    }

    #[test]
    fn the_symbols_are_looked_for_by_build_id_then_by_name_then_in_the_file() {
        let link = OsStr::new("facetap.debug");
        assert_eq!(
            candidates(Path::new("/usr/bin/facetap"), Some("abcdef"), Some(link)),
            [
                "/usr/lib/debug/.build-id/ab/cdef.debug",
                "/usr/bin/facetap.debug",
                "/usr/bin/.debug/facetap.debug",
                "/usr/lib/debug/usr/bin/facetap.debug",
                "/usr/bin/facetap"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(
            candidates(Path::new("lib"), Some("a"), None),
            [PathBuf::from("lib")]
        );
    }

    #[test]
    fn a_file_of_another_build_is_not_asked() {
        let own = Place {
            file: std::env::current_exe().unwrap(),
            build_id: Some("00".repeat(20)),
            address: 0x1000,
        };
        assert!(Tables::default().find(&own).is_empty());
    }
}
