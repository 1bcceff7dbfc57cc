use super::*;
use proptest::prelude::*;

/// Cards and names in the order of the cards, and the problems.
fn read(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let contents = parse(text).unwrap();
    let mut names: Vec<_> = contents
        .names
        .into_iter()
        .map(|(card, name)| (card.to_string(), name))
        .collect();
    names.sort();
    (names, contents.problems)
}

fn pair(card: &str, name: &str) -> (String, String) {
    (card.to_owned(), name.to_owned())
}

#[test]
fn every_layout_gives_the_same_names() {
    let want = [
        pair("04A1B2C3", "山田 太郎"),
        pair("0102030405060708", "O'Neil, Ann"),
    ];
    let mut want = want.to_vec();
    want.sort();
    for text in [
        "04A1B2C3,山田 太郎\n0102030405060708,\"O'Neil, Ann\"\n",
        "04a1b2c3,山田 太郎\r\n0102030405060708,\"O'Neil, Ann\"\r\n",
        "04A1B2C3,山田 太郎\r0102030405060708,\"O'Neil, Ann\"",
        "uid,name\n04A1B2C3,山田 太郎\n0102030405060708,\"O'Neil, Ann\"\n",
        "04:A1:B2:C3;山田 太郎\n01-02-03-04-05-06-07-08;O'Neil, Ann\n",
        "04A1B2C3\t山田 太郎\n0102030405060708\tO'Neil, Ann\n",
        "氏名,カード番号\n山田 太郎,04A1B2C3\n\"O'Neil, Ann\",0102030405060708\n",
        "社員番号;氏名;部署;IDm\n1;山田 太郎;営業;04A1B2C3\n2;O'Neil, Ann;;0102030405060708\n",
        "Card No.,Full Name,Remark\n04A1B2C3,山田 太郎,x\n0102030405060708,\"O'Neil, Ann\"\n",
        "番号,人\n04A1B2C3, 山田\u{3000}太郎 ,more,columns\n\n  \n\"=\"\"0102030405060708\"\"\",\"O'Neil, Ann\"\n",
        "=\"04A1B2C3\",山田 太郎\n=\"0102030405060708\",\"O'Neil, Ann\"\n",
    ] {
        assert_eq!(read(text), (want.clone(), vec![]), "{text}");
    }
}

#[test]
fn bad_lines_are_named_by_their_number_and_the_good_ones_used() {
    let (names, problems) = read(
        "uid,name\n04A1B2C3,Ann\n4.01E+13,Bob\n4123456,Carl\n\nnonsense,Dora\n04A1B2C4,\n04A1B2C5\n\
         04A1B2C6,\u{fffd}\n04A1B2C7,\"Eve\n04A1B2C8,Fay\n",
    );
    assert_eq!(
        names,
        [
            pair("04A1B2C3", "Ann"),
            pair("04A1B2C7", "Eve"),
            pair("04A1B2C8", "Fay")
        ]
    );
    let starts = [
        ("line 3:", "4.01E+13"),
        ("line 4:", "odd count"),
        ("line 6:", "nonsense"),
        ("line 7:", "no name"),
        ("line 8:", "no name"),
        ("line 9:", "UTF-8"),
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:?}");
    for (problem, (line, why)) in problems.iter().zip(starts) {
        assert!(
            problem.starts_with(line) && problem.contains(why),
            "{problem}"
        );
    }
}

#[test]
fn a_first_line_that_was_spoiled_is_no_header() {
    let (names, problems) = read("4.01E+13,Bob\n04A1B2C3,Ann\n");
    assert_eq!(names, [pair("04A1B2C3", "Ann")]);
    assert!(problems[0].starts_with("line 1:"), "{problems:?}");
}

#[test]
fn of_a_card_that_is_there_twice_the_last_line_counts() {
    let (names, problems) = read("04A1B2C3,Ann\n04 a1 b2 c3,Bob\n");
    assert_eq!(names, [pair("04A1B2C3", "Bob")]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("line 2:") && problems[0].contains("twice"),
        "{problems:?}"
    );
}

#[test]
fn names_cannot_garble_what_they_are_shown_on() {
    let (names, _) = read("04A1B2C3,\"An\u{1b}[2Jn\"\n");
    assert_eq!(names, [pair("04A1B2C3", "An [2Jn")]);
    let (names, problems) = read(&format!("04A1B2C3,{}\n04A1B2C4,B\n", "x".repeat(201)));
    assert_eq!(names.len(), 1);
    assert!(problems[0].contains("longer"), "{problems:?}");
}

#[test]
fn there_are_limits() {
    assert!(parse(&"04A1B2C3,A\n".repeat(MOST_LINES)).is_ok());
    assert!(parse(&"04A1B2C3,A\n".repeat(MOST_LINES + 1)).is_err());
    assert_eq!(read(""), (vec![], vec![]));
    // More columns than are looked at.
    let (names, _) = read(&format!("04A1B2C3,Ann{}\n", ",x".repeat(1000)));
    assert_eq!(names, [pair("04A1B2C3", "Ann")]);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[0-9A-F,;\t\"=\r\nEx山 ]{0,200}") {
        let contents = parse(&text).unwrap();
        prop_assert!(contents.names.len() + contents.problems.len() <= text.len() + 1);
    }
}
