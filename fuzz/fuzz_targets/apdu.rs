//! What a card says of itself: its answer to reset (length in the first byte) and its answer to the question for
//! its identifier.

#![no_main]

use facetap::attend::reader::atr::CardType;
use facetap::attend::reader::{apdu, refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let (atr, answer) = rest.split_at(usize::from(*length).min(rest.len()));
    match apdu::uid(answer) {
        Ok(uid) => {
            assert_eq!([uid.bytes(), &[0x90, 0x00]].concat(), answer);
            let text = uid.to_string();
            assert_eq!(text.len(), 2 * uid.bytes().len());
            if let Some(why) = refusal::refusal(&uid, CardType::of(atr, &uid)) {
                assert!(!why.to_string().is_empty());
            }
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
});
