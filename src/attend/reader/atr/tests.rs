use super::*;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    hex.split(' ')
        .map(|b| u8::from_str_radix(b, 16).unwrap())
        .collect()
}

fn of(atr: &str, uid: &[u8]) -> CardType {
    CardType::of(&bytes(atr), &Uid::new(uid).unwrap())
}

const SHORT: &[u8] = &[0x5A, 0x11, 0x22, 0x33];
const LONG: &[u8] = &[0x04, 1, 2, 3, 4, 5, 6];
const IDM: &[u8] = &[0x01, 0x2E, 0x44, 0xA7, 0xA5, 0x18, 0xAB, 0xCD];

#[test]
fn storage_cards_are_named_by_standard_and_name() {
    use CardType as T;
    for (end, uid, want) in [
        ("03 F0 11 00 00 00 00 8A", IDM, T::Felica),
        ("03 F0 12 00 00 00 00 89", IDM, T::Felica),
        ("11 00 3B 00 00 00 00 42", IDM, T::Felica),
        ("03 00 3B 00 00 00 00 50", IDM, T::Felica),
        ("03 00 01 00 00 00 00 6A", SHORT, T::MifareClassic1k),
        ("03 00 02 00 00 00 00 69", SHORT, T::MifareClassic4k),
        ("03 00 03 00 00 00 00 68", LONG, T::MifareUltralight),
        ("03 00 3A 00 00 00 00 51", LONG, T::MifareUltralight),
        ("03 00 3D 00 00 00 00 56", LONG, T::MifareUltralight),
        ("03 00 26 00 00 00 00 4D", SHORT, T::TypeA),
        ("03 00 36 00 00 00 00 5D", LONG, T::TypeA),
        ("03 FF 88 00 00 00 00 1C", SHORT, T::TypeA),
        ("06 00 06 00 00 00 00 68", SHORT, T::TypeB),
        ("07 00 00 00 00 00 00 6F", SHORT, T::TypeB),
        ("0A 00 1C 00 00 00 00 7E", IDM, T::Vicinity),
        ("0B 00 14 00 00 00 00 77", IDM, T::Vicinity),
        ("00 00 00 00 00 00 00 68", SHORT, T::Unknown),
    ] {
        let atr = format!("3B 8F 80 01 80 4F 0C A0 00 00 03 06 {end}");
        assert_eq!(of(&atr, uid), want, "{atr}");
    }
}

/// Lines of the public list of ATRs, whose owners say what card it was.
#[test]
fn processor_cards_of_type_b_are_known_by_the_fields_of_atqb() {
    for atr in [
        // Nothing.
        "3B 80 80 01 01",
        // Navigo, KBC Maestro, CartaFreccia, the driving licences of Japan, My Number and JPKI cards, Apple Pay.
        "3B 88 80 01 00 00 00 00 00 71 81 00 F9",
        "3B 88 80 01 00 00 00 00 00 81 77 00 FF",
        "3B 88 80 01 00 00 00 00 00 81 87 00 0F",
        "3B 88 80 01 00 00 00 00 00 81 91 10 09",
        "3B 88 80 01 00 00 00 00 00 41 91 00 D9",
        "3B 88 80 01 00 00 00 00 91 81 C1 00 D8",
        "3B 88 80 01 00 00 00 00 33 81 81 00 3A",
        "3B 88 80 01 00 00 41 E0 B3 81 A1 00 3B",
        "3B 88 80 01 00 00 05 E0 B3 81 A1 00 7F",
        "3B 88 80 01 00 00 14 E0 B3 81 91 00 5E",
        "3B 88 80 01 00 00 00 00 80 81 71 00 79",
        // Other times between frames than the shortest: 83, 87.
        "3B 88 80 01 00 00 00 00 77 83 95 00 00",
        "3B 88 80 01 E1 F3 5E 11 77 83 D7 00 77",
        "3B 88 80 01 E1 F3 5E 11 77 87 95 00 31",
        "3B 88 80 01 32 F3 5E 11 33 87 95 00 A6",
        "3B 88 80 01 1B E1 F3 5E 11 77 81 00 B9",
        // Passports, larger buffers, CEPAS.
        "3B 88 80 01 E1 F3 5E 11 77 81 C7 20 45",
        "3B 88 80 01 11 00 00 11 33 81 A3 80 98",
        "3B 88 80 01 04 02 00 20 00 71 C1 40 DF",
        "3B 88 80 01 1C 2D 94 11 F7 71 85 00 BE",
        "3B 88 80 01 10 00 00 00 00 81 70 00 E8",
        // Letters where the application is named do not make it text.
        "3B 88 80 01 52 74 4D 43 00 81 C1 00 61",
        "3B 88 80 01 52 74 53 43 77 81 83 20 6A",
        // The whole of ATQB.
        "3B 8C 80 01 50 C1 41 64 E3 00 00 00 00 00 71 71 5A",
        "3B 8C 80 01 50 18 61 88 CE E1 F3 5E 11 77 81 C7 0E",
        "3B 8C 80 01 50 2C 8D 21 4B 23 18 01 00 77 81 97 CD",
        "3B 8C 80 01 50 00 05 02 2D 02 06 00 00 00 81 91 63",
    ] {
        assert_eq!(of(atr, SHORT), CardType::TypeB, "{atr}");
        // That reader read a type A card: type B has no such identifier.
        assert_eq!(of(atr, LONG), CardType::TypeA, "{atr}");
    }
}

#[test]
fn historical_bytes_of_type_a_cards_are_not_taken_for_type_b() {
    for atr in [
        // "SmartApp" (an identity card), "BAEID2.0", "LIBERPIV".
        "3B 88 80 01 53 6D 61 72 74 41 70 70 11",
        "3B 88 80 01 42 41 45 49 44 31 2E 30 6D",
        "3B 88 80 01 4C 49 42 45 52 50 49 56 12",
        // Tags and lengths that come out even; with a status behind them.
        "3B 88 80 01 80 66 B0 07 01 01 07 70 D6",
        "3B 88 80 01 80 57 53 6F 6C 6F 20 42 83",
        "3B 88 80 01 00 73 C8 40 00 00 90 00 62",
        "3B 88 80 01 00 73 C8 40 13 00 90 00 71",
        "3B 88 80 01 00 73 C8 40 00 01 90 00 63",
        // Fields with bits that type B has not.
        "3B 88 80 01 00 00 00 00 00 00 00 00 09",
        "3B 88 80 01 31 01 09 00 00 00 00 00 30",
        "3B 88 80 01 30 41 56 54 00 00 00 07 7D",
        "3B 88 80 01 00 00 01 07 01 72 90 00 EC",
        "3B 88 80 01 43 44 31 69 A9 00 00 00 FF",
        // DESFire, JCOP, MIFARE Plus, bank cards, JMRTD, OTID, a whole answer to select.
        "3B 81 80 01 80 80",
        "3B 86 80 01 06 75 77 81 02 80 00",
        "3B 85 80 01 20 63 CB A5 20 09",
        "3B 87 80 01 C1 05 2F 2F 01 BC D6 A9",
        "3B 89 80 01 4A 43 4F 50 32 34 32 52 33 4B",
        "3B 8C 80 01 4F 54 49 44 28 94 B3 C0 01 00 90 00 45",
        "3B 8C 80 01 80 91 E1 65 D0 00 43 00 00 82 90 00 19",
        "3B 8E 80 01 0E 78 33 C4 02 00 64 04 15 01 02 00 90 FF 95",
        "3B 84 80 01 01 11 20 03 36 90 00",
    ] {
        assert_eq!(of(atr, SHORT), CardType::TypeA, "{atr}");
    }
}

#[test]
fn a_card_that_says_nothing_is_told_by_its_identifier() {
    let silent = "3B 80 80 01 01";
    assert_eq!(of(silent, SHORT), CardType::TypeB);
    // A phone that emulates a card of type A.
    assert_eq!(of(silent, &[0x08, 1, 2, 3]), CardType::TypeA);
    assert_eq!(of(silent, LONG), CardType::TypeA);
    assert_eq!(of(silent, IDM), CardType::Unknown);
}

#[test]
fn what_is_no_contactless_card_is_unknown() {
    for atr in [
        "3B 00",
        "3B",
        "3B 8F",
        "3B FC 13 00 00 81 31 FE 15 59 75 62 69 6B 65 79 4E 45 4F 72 33 E1",
        "3F 88 80 01 00 00 00 00 33 81 81 00 3A",
    ] {
        assert_eq!(of(atr, SHORT), CardType::Unknown, "{atr}");
    }
    let none = Uid::new(SHORT).unwrap();
    assert_eq!(CardType::of(&[], &none), CardType::Unknown);
}

proptest! {
    #[test]
    fn no_atr_panics(atr in proptest::collection::vec(any::<u8>(), 0..40), t0 in any::<u8>()) {
        let uid = Uid::new(SHORT).unwrap();
        prop_assert!(!CardType::of(&atr, &uid).word().is_empty());
        let processor = [&[0x3B, t0, 0x80, 0x01], &atr[..]].concat();
        prop_assert!(!CardType::of(&processor, &uid).word().is_empty());
    }
}
