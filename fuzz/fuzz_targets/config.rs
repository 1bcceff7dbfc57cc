//! The configuration file.

#![no_main]

use facetap::config::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok((config, _)) => assert!((10.0..=3600.0).contains(&config.cards.repeat_seconds)),
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
});
