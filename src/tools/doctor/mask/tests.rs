use proptest::prelude::*;

use super::*;

fn by_form(text: &str) -> String {
    Mask::new(&Secrets::default()).apply(text)
}

fn knowing(names: &[&str], cards: &[&str], tokens: &[&str]) -> Mask {
    let own = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect();
    Mask::new(&Secrets {
        names: own(names),
        cards: own(cards),
        tokens: own(tokens),
    })
}

#[test]
fn cards_are_recognised_by_their_form_and_keep_their_number() {
    assert_eq!(
        by_form("card reader R: 04A1B2C3 counted (tap 1)\nx 012E44A7A5185C01, 04a1b2c3.\n"),
        "card reader R: [card 1] counted (tap 1)\nx [card 2], [card 1].\n"
    );
    assert_eq!(by_form("04:A1:B2:C3 04-a1-b2-c3-d4"), "[card 1] [card 2]");
    assert_eq!(by_form("UID 04 A1 B2 C3 90 00"), "UID [card 1]");
    assert_eq!(by_form(r"a\n04A1B2C3\n"), r"a\n[card 1]\n");
    assert_eq!(by_form(&"ab".repeat(20)), "[hex]");
}

#[test]
fn what_looks_similar_stays() {
    for text in [
        "2025-11-21 14:30:00 - facetap::attend::ledger - INFO - ready in 1732.123456789 s",
        "  10: 0x7f12345678 std::rt::lang_start at src/rt.rs:12345",
        "facetap::run::h0123456789abcdef",
        "7f0000000000-7f0000021000 r-xp 00012000 fd:01 1234567 /usr/bin/facetap",
        "  7f0000000000-7f0000021000 00112233445566778899aabbccddeeff00112233 /usr/bin/facetap",
        "boot 6f1b0c6e-6c0e-4b7e-9d52-0f6c2a3c9a11",
        "2026-11-21T09:00:05.123456789Z, 14:30:00, diagnosis_20251121_143000.log",
        "[1234567] 4567890 kB, 1a86:7523, fe80::1, 192.168.1.31:5000",
        "http://192.168.1.31:5000/api/health",
        "the PC/SC daemon does not run (8010001D)",
        "山田商店",
    ] {
        assert_eq!(by_form(text), text);
    }
    assert_eq!(
        by_form("terminal AA:BB:CC:DD:EE:FF"),
        "terminal AA:BB:CC:xx:xx:xx"
    );
}

#[test]
fn secrets_are_recognised_by_their_form() {
    for (text, masked) in [
        ("mqtt://me:p@ss@host:1883", "mqtt://[secret]@host:1883"),
        ("Authorization: Bearer abc.def", "Authorization: [secret]"),
        ("sent Bearer abc.def-x, then", "sent Bearer [secret], then"),
        (
            "http://h/x?token=abc&n=1",
            "http://h/x?token=[secret]&n=[secret]",
        ),
        (
            r#"{"api_token": "abc", "n": 1}"#,
            r#"{"api_token": "[secret]", "n": 1}"#,
        ),
        (
            "camera: http://cam/v.cgi?user=admin&pwd=x",
            "camera: http://cam/v.cgi?user=[secret]&pwd=[secret]",
        ),
        (
            "read 123456789 and 10485760 bytes",
            "read 123456789 and 10485760 bytes",
        ),
        ("card 20180012 counted", "card [card 1] counted"),
        (r#"{"name": "Taro Yamada"}"#, r#"{"name": "[person]"}"#),
        (
            r#""auth_token_file": "/etc/t""#,
            r#""auth_token_file": "/etc/t""#,
        ),
    ] {
        assert_eq!(by_form(text), masked);
    }
}

#[test]
fn what_is_known_is_found_however_it_is_written() {
    let mask = knowing(
        &["Groß Jürgen", "山田 太郎", "Jo"],
        &["04A1B2C3D4E5"],
        &["abcd"],
    );
    for text in [
        "groß jürgen",
        "GROSS JÜRGEN",
        "Gro\u{df} Ju\u{308}rgen",
        "GroßJürgen",
    ] {
        assert_eq!(mask.apply(text), "[person 1]", "{text}");
    }
    assert_eq!(mask.apply("x山田 太郎x山田太郎"), "x[person 2]x[person 2]");
    assert_eq!(
        mask.apply("Jo said: journal, major\\nJo"),
        "[person 3] said: journal, major\\n[person 3]"
    );
    assert_eq!(
        mask.apply("04:a1:b2:c3:d4:e5 ff04A1B2C3D4E59000"),
        "[card 1] ff[card 1]9000"
    );
    assert_eq!(mask.apply("０４ａ１Ｂ２Ｃ３Ｄ４Ｅ５"), "[card 1]");
    assert_eq!(mask.apply("xABCDx"), "x[secret]x");
}

#[test]
fn one_within_another_leaves_nothing() {
    let mask = knowing(&["Anna Lee", "Lee Anna Li"], &[], &[]);
    let masked = mask.apply("Anna Lee Anna Li");
    assert!(
        !masked.contains("Anna") && !masked.contains("Li"),
        "{masked}"
    );
}

/// The texts of this program in which a card or a name may stand.
fn sentence(what: &str, form: usize) -> String {
    match form % 7 {
        0 => format!(
            "2026-11-21 10:00:00 - facetap::attend::ledger - INFO - card reader R: {what} counted (tap 1)"
        ),
        1 => format!("カードリーダー R: {what} を記録しました（1 件目）"),
        2 => format!(
            "the server rejected tap 5 ({what}); it stays in the ledger: 400 {{\"idm\":\"{what}\"}}"
        ),
        3 => format!("{{\"tap\":3,\"uid\":\"{what}\",\"reader\":\"R\"}}"),
        4 => format!("\"line\\n{what}\\n\""),
        5 => format!("名簿 /etc/r.csv: 3 行目: カード {what} に名前がありません"),
        _ => what.to_owned(),
    }
}

proptest! {
    #[test]
    fn no_card_is_left(
        bytes in proptest::collection::vec(any::<u8>(), 4..=10),
        form in 0usize..7,
        upper in any::<bool>(),
        separator in prop_oneof![Just(""), Just(":"), Just("-")],
        known in any::<bool>(),
    ) {
        // Six bytes with separators are a MAC address to whoever does not know better.
        prop_assume!(known || separator.is_empty() || bytes.len() != 6);
        let pairs: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let digits = pairs.join("").to_uppercase();
        // A code of the PC/SC daemon is no card of anybody.
        prop_assume!(known || !digits.starts_with("801000"));
        let mut written = pairs.join(separator);
        if upper {
            written = written.to_uppercase();
        }
        let mask = if known { knowing(&[], &[&digits], &[]) } else { knowing(&[], &[], &[]) };
        let masked = mask.apply(&sentence(&written, form));
        prop_assert!(masked.contains("[card 1]"), "{}", masked);
        prop_assert!(!masked.to_lowercase().contains(&written.to_lowercase()), "{}", masked);
        prop_assert!(!masked.to_uppercase().contains(&digits), "{}", masked);
    }

    #[test]
    fn no_name_is_left(
        name in "[A-Z][a-zé]{3,9} [A-Z][a-zß]{3,9}|\\PC{4,12}|[山田佐藤鈴木太郎花子]{1,3} ?[一二三四]{1,2}",
        form in 0usize..7,
        change in 0usize..3,
    ) {
        prop_assume!(name.trim().chars().filter(|c| c.is_alphanumeric()).count() >= 2);
        let written = match change {
            0 => name.clone(),
            1 => name.to_uppercase(),
            _ => name.to_lowercase(),
        };
        let written = written.trim();
        let mask = knowing(&[&name], &[], &[]);
        let masked = mask.apply(&sentence(written, form));
        prop_assert!(!masked.to_lowercase().contains(&written.to_lowercase()), "{}", masked);
    }

    #[test]
    fn no_token_is_left(token in "[A-Za-z0-9._~+/=-]{4,60}", form in 0usize..7) {
        let masked = knowing(&[], &[], &[&token]).apply(&sentence(&token, form));
        prop_assert!(!masked.replace("[secret]", "").contains(&token), "{}", masked);
    }

    #[test]
    fn no_password_of_an_address_is_left(password in "[!-~&&[^\"'<>/]]{1,20}") {
        let masked = by_form(&format!("x mqtt://me:{password}@broker:1883 y"));
        prop_assert_eq!(masked, "x mqtt://[secret]@broker:1883 y");
    }

    #[test]
    fn any_text_is_taken(text in "\\PC{0,200}", name in "\\PC{0,8}") {
        let _ = knowing(&[&name], &[], &[&name]).apply(&text);
    }
}
