//! The headings of `docs/troubleshooting.md` are what people search for after they have read the log: each has to be
//! something that the program can say.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// Stands for what differs from case to case, in a heading.
const PLACEHOLDERS: [&str; 5] = ["...", "AXIS", "ID", "N", "S"];

/// Headings from here on tell of what is seen, not of what is said.
const SEEN: &str = "## Without a message";

/// Every text in the sources that is not for tests, in pieces: a message is made of several, with values in between.
fn texts(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "tests" {
                texts(&path, into);
            }
        } else if path.extension().is_some_and(|e| e == "rs") && !name.ends_with("tests") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            literals(text.parse().unwrap(), into);
        }
    }
}

fn literals(tokens: TokenStream, into: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => literals(group.stream(), into),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    into.push(text.value());
                }
            }
            _ => (),
        }
    }
}

/// The parts of a heading between its placeholders.
fn parts(heading: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in heading.split(' ') {
        let bare = word.trim_matches(|c: char| ":;()\"".contains(c));
        let at = parts.len() - 1;
        if PLACEHOLDERS.contains(&bare) {
            let (before, after) = word.split_once(bare).unwrap();
            parts[at].push_str(before);
            parts.push(format!("{after} "));
        } else {
            parts[at].push_str(word);
            parts[at].push(' ');
        }
    }
    let parts = parts.iter().map(|p| p.trim().to_owned());
    // Punctuation alone is found anywhere.
    parts
        .filter(|p| p.chars().any(char::is_alphabetic))
        .collect()
}

/// Whether one text of the program has all parts of this piece of a message, in order.
fn is_said(piece: &str, texts: &[String]) -> bool {
    let parts = parts(piece);
    let has_all = |text: &String| {
        let mut rest = text.as_str();
        parts.iter().all(|part| {
            rest.find(part)
                .map(|at| rest = &rest[at + part.len()..])
                .is_some()
        })
    };
    // Nothing but placeholders: what stands there comes from outside.
    parts.is_empty() || texts.iter().any(has_all)
}

/// What of the heading the program never says. Behind a colon stands the cause, a message of its own; a comma may part
/// two messages.
fn unsaid<'a>(heading: &'a str, texts: &[String]) -> Vec<&'a str> {
    let whole = |h: &str| h.split(": ").all(|piece| is_said(piece, texts));
    if whole(heading) || is_said(heading, texts) {
        return Vec::new();
    }
    heading.split(", ").filter(|h| !whole(h)).collect()
}

fn program() -> Vec<String> {
    let mut found = Vec::new();
    texts(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found
}

#[test]
fn every_heading_is_what_the_program_says() {
    let texts = program();
    assert!(texts.len() > 2000, "only {} texts were found", texts.len());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (messages, _) = page.split_once(SEEN).unwrap();
    let headings: Vec<&str> = messages
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    assert!(headings.len() > 30, "{headings:?}");
    let wrong: Vec<_> = headings
        .iter()
        .flat_map(|h| unsaid(h, &texts).into_iter().map(move |part| (h, part)))
        .collect();
    assert!(wrong.is_empty(), "nothing in src says this: {wrong:#?}");
}

#[test]
fn a_heading_that_nothing_says_is_noticed() {
    let texts = program();
    for heading in [
        "the camera has gone for a walk",
        "waiting for the camera, waiting for Godot",
        "servo ID (AXIS) does not sing",
    ] {
        assert!(!unsaid(heading, &texts).is_empty(), "{heading}");
    }
}
