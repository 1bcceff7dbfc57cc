//! Which program is under test. Every test that starts it asks here.

use std::path::PathBuf;

/// Names the program; without it, the one that was built together with the tests is taken.
const VARIABLE: &str = "FACETAP_BINARY";

/// The program under test. Scripts look for it by its name, so it is called `facetap`.
pub fn facetap() -> PathBuf {
    let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) else {
        return env!("CARGO_BIN_EXE_facetap").into();
    };
    // Tests start it from folders of their own.
    let named = std::fs::canonicalize(&named)
        .unwrap_or_else(|e| panic!("{VARIABLE}={}: {e}", named.display()));
    assert_eq!(
        named.file_name().and_then(|name| name.to_str()),
        Some("facetap"),
        "{VARIABLE} must name a file that is called facetap"
    );
    named
}
