//! Holds the layout of the sources: which room may know which, and that no files stand in a circle (`CONTRIBUTING.md`).
//!
//! Reads the paths in the code itself, `use` lines and whole paths alike; tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Each room and what it may import; itself goes without saying. A room that is not here fails the test: whoever adds
/// one decides what it stands on.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("watch", &["base", "config"]),
    ("follow", &["base", "config"]),
    ("attend", &["base", "config"]),
    ("show", &["base", "config", "watch", "follow", "attend"]),
    (
        "service",
        &["base", "config", "watch", "follow", "attend", "show"],
    ),
    ("tools", &["base", "config", "watch", "follow", "attend"]),
    (
        "cli",
        &[
            "base", "config", "watch", "follow", "attend", "service", "tools",
        ],
    ),
];

/// The path of a module from the top: `["follow", "camera"]`.
type Module = Vec<String>;

/// The sources: the file of each module, below `src`, and what is in it.
struct Sources {
    files: BTreeMap<Module, (String, TokenStream)>,
    /// Where each macro that is called as `crate::name!` is defined.
    macros: BTreeMap<String, Module>,
}

impl Sources {
    fn read(top: &Path) -> Self {
        let mut files = Vec::new();
        collect(top, top, &mut files);
        Self::of(files)
    }

    fn of(files: Vec<(String, String)>) -> Self {
        let mut sources = Self {
            files: BTreeMap::new(),
            macros: BTreeMap::new(),
        };
        for (file, text) in files {
            // The binary is a call of the library; the library's top only names the rooms.
            if matches!(file.as_str(), "main.rs" | "lib.rs") || is_of_tests(&file) {
                continue;
            }
            let tokens: TokenStream = text
                .parse()
                .unwrap_or_else(|e| panic!("src/{file} is not Rust: {e}"));
            let module = module_of(&file);
            for name in exported_macros(&tokens) {
                sources.macros.insert(name, module.clone());
            }
            sources.files.insert(module, (file, tokens));
        }
        sources
    }

    /// The files that each file imports.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut all = BTreeMap::new();
        for (module, (file, tokens)) in &self.files {
            let mut paths = Vec::new();
            paths_in(tokens.clone(), &mut paths);
            let imported: BTreeSet<&str> = paths
                .iter()
                .filter_map(|path| self.resolve(module, path))
                .map(|target| self.files[target].0.as_str())
                .filter(|target| target != file)
                .collect();
            all.insert(file.as_str(), imported);
        }
        all
    }

    /// The module that a path in `from` leads to, as far as it names modules.
    fn resolve<'a>(&'a self, from: &Module, path: &[String]) -> Option<&'a Module> {
        let (mut full, rest): (Module, &[String]) = match path.first()?.as_str() {
            "crate" => {
                let target = path.get(1).and_then(|name| self.macros.get(name));
                if target.is_some() {
                    return target;
                }
                (Vec::new(), &path[1..])
            }
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let ups = path.iter().take_while(|p| *p == "super").count();
                let above = from[..from.len().saturating_sub(ups)].to_vec();
                (above, &path[ups..])
            }
            // A child by its bare name; anything else is another crate or a name of this file.
            name => {
                let mut child = from.clone();
                child.push(name.to_owned());
                if !self.files.contains_key(&child) {
                    return None;
                }
                (from.clone(), path)
            }
        };
        full.extend_from_slice(rest);
        // Behind the module stand the names of what is in it.
        while !full.is_empty() {
            if let Some((module, _)) = self.files.get_key_value(&full) {
                return Some(module);
            }
            full.pop();
        }
        None
    }
}

fn collect(top: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(top, &path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let file = path.strip_prefix(top).unwrap().display().to_string();
            into.push((file, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// `mod tests;` and what it is divided into, `x_tests.rs` included by `#[cfg(test)] mod`.
fn is_of_tests(file: &str) -> bool {
    file.trim_end_matches(".rs")
        .split('/')
        .any(|part| part == "tests" || part.ends_with("_tests"))
}

fn module_of(file: &str) -> Module {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

fn room(file: &str) -> &str {
    file.trim_end_matches(".rs").split('/').next().unwrap()
}

fn exported_macros(tokens: &TokenStream) -> Vec<String> {
    let words: Vec<String> = tokens.clone().into_iter().map(|t| t.to_string()).collect();
    let mut exported = false;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        exported |= word == "[macro_export]" || word == "[macro_export ]";
        if exported && word == "macro_rules" {
            // The name stands behind the exclamation mark.
            found.push(words[at + 2].clone());
            exported = false;
        }
    }
    found
}

/// Every path of two names or more, and every branch of each `use`; what is for tests alone is left out.
fn paths_in(tokens: TokenStream, into: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_for_tests(&tokens[at..]) {
            // The attribute, and the item behind it up to its body or its semicolon.
            at += 2;
            while at < tokens.len() {
                let end = match &tokens[at] {
                    TokenTree::Group(g) => g.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(p) => p.as_char() == ';',
                    _ => false,
                };
                at += 1;
                if end {
                    break;
                }
            }
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(_) => at += path_at(&tokens[at..], &[], into),
            TokenTree::Group(group) => {
                paths_in(group.stream(), into);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = tokens else {
        return false;
    };
    let attribute = attribute.stream().to_string().replace(' ', "");
    hash.as_char() == '#' && (attribute == "cfg(test)" || attribute.starts_with("cfg(all(test,"))
}

/// Reads the path that begins here, behind `prefix`. Returns how many tokens it takes.
fn path_at(tokens: &[TokenTree], prefix: &[String], into: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => {
                path.push(name.to_string().trim_start_matches("r#").to_owned());
                at += 1;
            }
            // The branches of a `use`.
            Some(TokenTree::Group(branches))
                if at > 0 && branches.delimiter() == Delimiter::Brace =>
            {
                let branches: Vec<TokenTree> = branches.stream().into_iter().collect();
                let mut next = 0;
                while next < branches.len() {
                    next += path_at(&branches[next..], &path, into).max(1);
                }
                return at + 1;
            }
            _ => break,
        }
        let colons =
            |t: Option<&TokenTree>| matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == ':');
        if colons(tokens.get(at)) && colons(tokens.get(at + 1)) {
            at += 2;
        } else {
            break;
        }
    }
    if path.len() > 1 {
        into.push(path);
    }
    at.max(1)
}

/// Imports from one room into another that the table does not allow.
fn forbidden(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, targets) in imports {
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room(file)) else {
            found.push(format!("src/{file} is in no room"));
            continue;
        };
        for target in targets {
            if room(target) != room(file) && !allowed.contains(&room(target)) {
                found.push(format!("src/{file} imports src/{target}"));
            }
        }
    }
    found
}

/// Files that import each other, directly or by way of others. A file may use what the `mod.rs` above it defines.
fn circles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let counts = |from: &str, to: &str| {
        let (from, to) = (module_of(from), module_of(to));
        !(to.len() < from.len() && from.starts_with(&to))
    };
    let mut found = BTreeSet::new();
    for start in imports.keys() {
        // The shortest way back to the start, if there is one.
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([*start]);
        while let Some(file) = queue.pop_front() {
            for next in imports.get(file).into_iter().flatten() {
                if counts(file, next) && !came_from.contains_key(next) {
                    came_from.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        if came_from.contains_key(start) {
            let mut circle = vec![came_from[start]];
            while circle.last() != Some(start) {
                circle.push(came_from[circle.last().unwrap()]);
            }
            circle.sort_unstable();
            found.insert(circle.join(" <-> "));
        }
    }
    found.into_iter().collect()
}

fn complaints(sources: &Sources) -> Vec<String> {
    let imports = sources.imports();
    let mut all = forbidden(&imports);
    all.extend(
        circles(&imports)
            .into_iter()
            .map(|c| format!("a circle: {c}")),
    );
    all
}

#[test]
fn the_rooms_know_only_what_lies_below_them_and_no_files_stand_in_a_circle() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let imports = sources.imports();
    let arrows: usize = imports.values().map(BTreeSet::len).sum();
    assert!(arrows > 500, "only {arrows} imports were found");
    let complaints = complaints(&sources);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn planted(files: &[(&str, &str)]) -> Vec<String> {
    complaints(&Sources::of(
        files
            .iter()
            .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
            .collect(),
    ))
}

const FOLLOW: (&str, &str) = ("follow/camera/mod.rs", "pub struct Frame;");
const BASE: (&str, &str) = ("base/clock.rs", "pub struct Clock;");

#[test]
fn the_loops_may_not_import_each_other() {
    for import in [
        "use crate::follow::camera::Frame;",
        "use crate::{base::clock::Clock, follow::{self, camera::{Frame as F}}};",
        "fn f() { g(|| match 1 { _ => crate::follow::camera::Frame }) }",
        "#[arg(value_parser = crate::follow::camera::parse)] struct S;",
    ] {
        let found = planted(&[FOLLOW, BASE, ("attend/keeper.rs", import)]);
        assert_eq!(
            found,
            ["src/attend/keeper.rs imports src/follow/camera/mod.rs"],
            "{import}"
        );
    }
}

#[test]
fn base_and_config_may_import_nothing_above_them() {
    let config = (
        "config/mod.rs",
        "use crate::base::clock::Clock; pub struct Config;",
    );
    assert_eq!(planted(&[BASE, config]), [""; 0]);
    let found = planted(&[config, ("base/clock.rs", "use crate::config::Config;")]);
    assert!(found.contains(&"src/base/clock.rs imports src/config/mod.rs".to_owned()));
    let found = planted(&[
        FOLLOW,
        BASE,
        ("config/mod.rs", "use crate::follow::camera;"),
    ]);
    assert_eq!(
        found,
        ["src/config/mod.rs imports src/follow/camera/mod.rs"]
    );
}

#[test]
fn a_circle_is_found_and_the_types_of_the_own_room_are_none() {
    let found = planted(&[
        ("attend/a.rs", "use super::b::B;"),
        ("attend/b.rs", "use super::c;"),
        ("attend/c.rs", "fn f() -> crate::attend::a::A { todo!() }"),
    ]);
    assert_eq!(
        found,
        ["a circle: attend/a.rs <-> attend/b.rs <-> attend/c.rs"]
    );
    let found = planted(&[
        ("attend/mod.rs", "mod a; pub use a::A; pub struct Tap;"),
        ("attend/a.rs", "use super::Tap; pub struct A;"),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn tests_may_import_what_they_like_and_a_new_room_has_to_be_entered() {
    let found = planted(&[
        FOLLOW,
        (
            "attend/keeper.rs",
            "#[cfg(test)] mod tests { use crate::follow::camera::Frame; } #[cfg(test)] use crate::follow::camera;",
        ),
        (
            "attend/keeper/tests.rs",
            "use crate::follow::camera::Frame;",
        ),
    ]);
    assert_eq!(found, [""; 0]);
    assert_eq!(
        planted(&[("attic/mod.rs", "")]),
        ["src/attic/mod.rs is in no room"]
    );
}
