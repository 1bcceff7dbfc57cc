//! From recorded stacks to places that people can look up.

mod name;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use anyhow::Result;

use super::live::{Frames, Recorded};
use super::sampling::weight;
use crate::base::stop::lock;
use crate::watch::symbols::{self, Symbol};
use name::Role;

/// A place, and what is live of what it has allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// In Rust `file:line (function)`. In OpenCV the function, and behind ` <- ` where this program called it.
    pub place: String,
    /// Bytes, estimated from the recorded ones.
    pub bytes: u64,
    /// Allocations, estimated likewise; at least 1.
    pub count: u64,
}

impl std::fmt::Display for Site {
    /// As the old systems wrote it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let average = self.bytes as f64 / self.count.max(1) as f64;
        write!(
            f,
            "{}: size={}, count={}, average={}",
            self.place,
            size(self.bytes as f64),
            self.count,
            size(average)
        )
    }
}

/// A size in the unit that people would choose.
fn size(bytes: f64) -> String {
    // From here on one decimal would show 1024.0 of the smaller unit.
    const NEXT: f64 = 1023.95;
    if bytes < 1023.5 {
        return format!("{bytes:.0} B");
    }
    let mut value = bytes / 1024.0;
    for unit in ["KiB", "MiB"] {
        if value < NEXT {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

/// What an address means for the question who has allocated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Meaning {
    /// Nothing is known of the address.
    nameless: bool,
    /// How good the best name at this address is, and the name.
    named: Option<(Quality, Arc<str>)>,
    /// The place in this program's own code, if it lies there.
    own: Option<Arc<str>>,
}

/// How good a name is. Of equals the innermost is taken, but of vague ones the outermost: `cv::Mat::clone` rather than
/// the `cv::Mat::copySize` that it calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quality {
    Weak,
    Vague,
    Strong,
}

/// Names that were looked up. Bounded: forgotten as a whole when there are too many.
static NAMES: Mutex<Option<HashMap<usize, Meaning>>> = Mutex::new(None);

/// A few times the number of different callers of allocations that a day of the service shows.
const MOST_NAMES: usize = 8192;

/// The largest sites; symbols that are not known yet are asked for.
pub(super) fn largest(recorded: &[Recorded], n: usize) -> Result<Vec<Site>> {
    let mut names = lock(&NAMES).take().unwrap_or_default();
    let addresses: HashSet<usize> = recorded.iter().flat_map(|r| of(&r.frames)).collect();
    if names.len() + addresses.len() > MOST_NAMES {
        names.clear();
    }
    let unknown: Vec<u64> = addresses
        .into_iter()
        .filter(|a| !names.contains_key(a))
        .map(|a| a as u64)
        .collect();
    let found = symbols::resolve(&unknown);
    if let Ok(found) = &found {
        let meanings = found.iter().map(|symbols| meaning(symbols));
        names.extend(unknown.iter().map(|a| *a as usize).zip(meanings));
    }
    let sites = found.map(|_| add_up(recorded, &names, n));
    *lock(&NAMES) = Some(names);
    sites
}

fn of(frames: &Frames) -> impl Iterator<Item = usize> {
    frames.iter().copied().take_while(|a| *a != 0)
}

/// Adds up what was allocated at the same place.
fn add_up(recorded: &[Recorded], names: &HashMap<usize, Meaning>, n: usize) -> Vec<Site> {
    let mut places: HashMap<String, (f64, f64)> = HashMap::new();
    for one in recorded {
        let (bytes, count) = weight(one.size);
        let sum = places
            .entry(place(of(&one.frames).filter_map(|a| names.get(&a))))
            .or_default();
        sum.0 += bytes;
        sum.1 += count;
    }
    let mut sites: Vec<Site> = places
        .into_iter()
        .map(|(place, (bytes, count))| Site {
            place,
            bytes: bytes.round() as u64,
            count: (count.round() as u64).max(1),
        })
        .collect();
    // By name among equals, so that two looks at the same memory do not differ.
    sites.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.place.cmp(&b.place)));
    sites.truncate(n);
    sites
}

/// The place of an allocation, from the meanings of its frames, the innermost first.
fn place<'a>(frames: impl Iterator<Item = &'a Meaning>) -> String {
    let mut best: Option<(Quality, &Arc<str>)> = None;
    let mut own = None;
    let mut nameless = false;
    for frame in frames {
        nameless |= frame.nameless;
        if let Some((quality, name)) = &frame.named {
            let better = best.is_none_or(|(so_far, _)| {
                *quality > so_far || *quality == Quality::Vague && so_far == Quality::Vague
            });
            // Behind this program's own code come only its callers, which have nothing to do with it.
            if better {
                best = Some((*quality, name));
            }
        }
        if frame.own.is_some() {
            own = frame.own.as_ref();
            break;
        }
    }
    match (best, own) {
        // Of this program's functions none has a name: what is left are the library's beginnings of threads.
        (best, None) if nameless && best.is_none_or(|(quality, _)| quality < Quality::Strong) => {
            "? (the program's symbols are not here: facetap.debug)".to_owned()
        }
        (Some((_, name)), Some(own)) if name != own => format!("{name} <- {own}"),
        (Some((_, name)), _) => name.to_string(),
        (None, Some(own)) => own.to_string(),
        (None, None) => "?".to_owned(),
    }
}

/// What the functions at one address (inlined ones, the innermost first) mean.
fn meaning(symbols: &[Symbol]) -> Meaning {
    let mut all = Meaning {
        nameless: symbols.is_empty(),
        ..Meaning::default()
    };
    for symbol in symbols {
        let quality = match name::role(symbol) {
            Role::Helper => continue,
            Role::Weak => Quality::Weak,
            Role::Vague => Quality::Vague,
            Role::Cpp | Role::Library => Quality::Strong,
            Role::Own => {
                all.own = Some(name::place(symbol).into());
                break;
            }
        };
        if all
            .named
            .as_ref()
            .is_none_or(|(so_far, _)| quality > *so_far)
        {
            all.named = Some((quality, name::place(symbol).into()));
        }
    }
    all
}

#[cfg(test)]
mod tests;
