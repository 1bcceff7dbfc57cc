//! What a server, or whatever stands in its place, answers to a tap: status in the first two bytes, then the body.

#![no_main]

use facetap::attend::uplink::wire::{ServerVerdict, summary, verdict};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some((status, body)) = data.split_first_chunk() else {
        return;
    };
    let status = u16::from_be_bytes(*status);
    let body = String::from_utf8_lossy(body);
    let line = summary(status, &body);
    assert!(!line.contains('\n') && line.chars().count() < 320, "{line}");
    // A tap leaves the queue for the API's own words only, said with a fitting status.
    let word = match verdict(status, &body) {
        ServerVerdict::Stored => "success",
        ServerVerdict::Duplicate => "duplicate",
        ServerVerdict::Rejected => "error",
        ServerVerdict::Trouble => return,
    };
    let said: Value = serde_json::from_str(&body).unwrap();
    let range = if word == "error" { 400..500 } else { 200..300 };
    assert!(range.contains(&status));
    assert!(said["status"] == word);
});
