use super::*;
use crate::watch::allocations::live::DEPTH;

fn named(quality: Quality, name: &str) -> Meaning {
    Meaning {
        nameless: false,
        named: Some((quality, name.into())),
        own: None,
    }
}

fn own(place: &str) -> Meaning {
    Meaning {
        nameless: false,
        named: None,
        own: Some(place.into()),
    }
}

#[test]
fn the_place_is_the_innermost_function_with_a_reason_of_its_own() {
    let helper = Meaning::default();
    let weak = named(Quality::Weak, "malloc");
    let (size, clone) = (
        named(Quality::Vague, "cv::Mat::copySize"),
        named(Quality::Vague, "cv::Mat::clone"),
    );
    let resize = named(Quality::Strong, "cv::resize");
    let detect = named(Quality::Strong, "cv::detect");
    let (here, main) = (own("src/a.rs:1 (a)"), own("src/main.rs:9 (main)"));
    for (frames, expected) in [
        (vec![&helper, &here, &main], "src/a.rs:1 (a)"),
        (
            vec![&weak, &helper, &resize, &detect, &here, &main],
            "cv::resize <- src/a.rs:1 (a)",
        ),
        (
            vec![&weak, &size, &clone, &weak, &here],
            "cv::Mat::clone <- src/a.rs:1 (a)",
        ),
        (vec![&size, &clone, &resize], "cv::resize"),
        (vec![&here, &resize, &main], "src/a.rs:1 (a)"),
        (vec![&weak, &helper], "malloc"),
        (vec![&helper], "?"),
        (vec![], "?"),
    ] {
        assert_eq!(place(frames.into_iter()), expected);
    }
}

#[test]
fn what_was_inlined_counts_and_the_innermost_own_line_is_the_place() {
    let symbol = |function: &str, file: Option<&str>| Symbol {
        function: function.to_owned(),
        file: file.map(ToOwned::to_owned),
        line: Some(3),
    };
    let found = meaning(&[
        symbol(
            "alloc::vec::Vec<T>::push",
            Some("/rustc/1/library/alloc/src/vec/mod.rs"),
        ),
        symbol("facetap::inner", Some("facetap/src/a.rs")),
        symbol("facetap::outer", Some("facetap/src/b.rs")),
    ]);
    assert_eq!(found, own("src/a.rs:3 (facetap::inner)"));
    let found = meaning(&[
        symbol("csv::read", Some("cargo/registry/src/i/csv-1/src/r.rs")),
        symbol("facetap::outer", Some("facetap/src/b.rs")),
    ]);
    assert_eq!(
        found.named.unwrap().1.as_ref(),
        "csv-1/src/r.rs:3 (csv::read)"
    );
    assert_eq!(found.own.unwrap().as_ref(), "src/b.rs:3 (facetap::outer)");
    assert!(meaning(&[]).nameless);
}

#[test]
fn the_sums_of_a_place_are_those_of_all_its_stacks() {
    let names = HashMap::from([
        (1, Meaning::default()),
        (2, own("src/a.rs:1 (a)")),
        (3, own("src/b.rs:1 (b)")),
    ]);
    let one = |size: usize, addresses: &[usize]| {
        let mut frames = [0; DEPTH];
        frames[..addresses.len()].copy_from_slice(addresses);
        Recorded { size, frames }
    };
    let large = 16 << 20;
    let recorded = [
        one(large, &[1, 2]),
        one(large, &[2, 3]),
        one(large, &[1, 3]),
        one(16, &[3]),
        one(16, &[7]),
    ];
    let sites = add_up(&recorded, &names, 2);
    assert_eq!(sites.len(), 2);
    assert_eq!(sites[0].place, "src/a.rs:1 (a)");
    assert_eq!((sites[0].bytes, sites[0].count), (2 * (16 << 20), 2));
    assert_eq!(sites[1].place, "src/b.rs:1 (b)");
    // One of 16 bytes stands for 256 KiB of them.
    let small = sites[1].bytes - (16 << 20);
    assert!((small as f64 / 262_144.0 - 1.0).abs() < 0.01, "{small}");
    assert_eq!(sites[1].count, 1 + 16_385);
}

#[test]
fn a_site_is_written_as_the_old_systems_wrote_it() {
    let site = Site {
        place: "/path/to/file:123".to_owned(),
        bytes: 5_452_595,
        count: 1234,
    };
    assert_eq!(
        site.to_string(),
        "/path/to/file:123: size=5.2 MiB, count=1234, average=4.3 KiB"
    );
    assert_eq!(size(0.0), "0 B");
    assert_eq!(size(1023.0), "1023 B");
    assert_eq!(size(1023.9), "1.0 KiB");
    assert_eq!(size(1024.0 * 1023.99), "1.0 MiB");
    assert_eq!(size(150.0 * 1024.0), "150.0 KiB");
    assert_eq!(size(2e11), "186.3 GiB");
}

#[test]
fn a_program_without_symbols_is_not_mistaken_for_its_c_library() {
    let unknown = meaning(&[]);
    let start = Meaning {
        named: Some((Quality::Vague, "start_thread".into())),
        ..Meaning::default()
    };
    assert!(place([&unknown, &start].into_iter()).starts_with('?'));
    assert_eq!(place([&start].into_iter()), "start_thread");
}
