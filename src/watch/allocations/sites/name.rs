//! What the name of a function says about whether people want to read it as the place of an allocation.

use crate::watch::symbols::Symbol;

/// What a function is, for the question who has allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Allocates for others: the allocator, containers, standard libraries, bindings.
    Helper,
    /// Allocates for others as well, but says something about OpenCV where nothing better is found (`cv::Mat::clone`).
    Vague,
    /// A function of a C library, or glue: better than nothing.
    Weak,
    /// A C++ function that has a reason of its own to allocate.
    Cpp,
    /// Rust, of a library.
    Library,
    /// Rust, of this program.
    Own,
}

/// Parts of the paths of Rust's standard library and what it brings along, as its builders named them.
const STANDARD_LIBRARY: [&str; 5] = [
    "/rustc/",
    "/library/alloc/",
    "/library/core/",
    "/library/std/",
    "/rust/deps/",
];

/// Where cargo keeps libraries.
const REGISTRY: &str = "registry/src/";

/// The generated bindings of OpenCV, which only pass on.
const BINDINGS: &str = "/out/opencv/";

/// This module. By its folder, for a release knows of inlined functions the file, but not the path in the crate.
const RECORDER: &str = "src/watch/allocations/";

/// What `record_allocations!` makes, wherever it was said.
const HOOKS: [&str; 10] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "free",
    "memalign",
    "aligned_alloc",
    "posix_memalign",
    "valloc",
    "pvalloc",
];

/// C++ that allocates for others and whose name would tell nothing.
const HELPERS: [&str; 15] = [
    "operator new",
    "std::",
    "__gnu_cxx::",
    "cv::fastMalloc",
    "cv::StdMatAllocator::",
    "cv::MatAllocator::",
    "cv::Mat::create",
    "cv::UMat::create",
    "cv::AutoBuffer",
    "cv::allocSingleton",
    "cv::Ptr",
    "cv::makePtr",
    "cv::MatSize",
    "cv::_OutputArray",
    "cv::utils::",
];

/// C++ that makes matrices for others.
const VAGUE: [&str; 2] = ["cv::Mat::", "cv::Mat_"];

pub(super) fn role(symbol: &Symbol) -> Role {
    match symbol.file.as_deref() {
        Some(file) if file.ends_with(".rs") => rust(symbol, file),
        _ if !symbol.function.contains("::") && !symbol.function.contains("operator new") => {
            Role::Weak
        }
        None if !symbol.function.contains('(') && is_standard(&symbol.function) => Role::Helper,
        _ => cpp(bare(&symbol.function).as_str()),
    }
}

fn rust(symbol: &Symbol, file: &str) -> Role {
    if STANDARD_LIBRARY.iter().any(|p| file.contains(p))
        || file.contains(BINDINGS)
        || file.contains(RECORDER)
        || HOOKS.contains(&symbol.function.as_str())
    {
        Role::Helper
    } else if file.contains(REGISTRY) {
        if file.contains("/opencv-") {
            Role::Helper
        } else {
            Role::Library
        }
    } else {
        Role::Own
    }
}

/// A name of Rust's standard library, where its files are not known.
fn is_standard(function: &str) -> bool {
    let name = function.trim_start_matches(['<', '&']);
    ["alloc::", "core::", "std::", "__rustc::", "hashbrown::"]
        .iter()
        .any(|p| name.starts_with(p))
}

fn cpp(name: &str) -> Role {
    let is_one = |of: &[&str]| of.iter().any(|p| name.starts_with(p));
    if is_one(&HELPERS) {
        Role::Helper
    } else if is_one(&VAGUE) {
        Role::Vague
    } else {
        Role::Cpp
    }
}

/// A C++ function's name without its parameters, template arguments and result:
/// `void std::vector<int, A>::push<int>(int&&)` is `std::vector::push`.
pub(super) fn bare(function: &str) -> String {
    const ANONYMOUS: &str = "(anonymous namespace)";
    let mut name = String::new();
    let mut depth = 0usize;
    let mut rest = function;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with(ANONYMOUS) {
            if depth == 0 {
                name.push_str("anonymous");
            }
            rest = &rest[ANONYMOUS.len()..];
            continue;
        }
        let after_operator = name.ends_with("operator") || name.ends_with("operator<");
        match c {
            '<' if after_operator && depth == 0 => name.push(c),
            '<' => depth += 1,
            '>' if depth > 0 => depth -= 1,
            '(' if depth == 0 && !name.is_empty() && !name.ends_with("operator") => break,
            _ if depth == 0 => name.push(c),
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    let name = name.trim_end();
    // "operator new" and conversions have a space of their own.
    let end = name.find("operator").unwrap_or(name.len());
    let start = name[..end].rfind(' ').map_or(0, |space| space + 1);
    // The name space that holds the version of the networks' interface says nothing.
    name[start..]
        .split("::")
        .filter(|part| !part.starts_with("dnn4_v"))
        .collect::<Vec<_>>()
        .join("::")
}

/// Where a function of Rust lies, without the folders that only the machine that built it knew.
pub(super) fn place(symbol: &Symbol) -> String {
    let Some(file) = symbol.file.as_deref().filter(|f| f.ends_with(".rs")) else {
        return bare(&symbol.function);
    };
    let file = if let Some((_, library)) = file.split_once(REGISTRY) {
        // Behind the name of the registry.
        library.split_once('/').map_or(library, |(_, file)| file)
    } else {
        let of_ours = ["/src/", "/tests/", "/benches/"]
            .iter()
            .filter_map(|folder| file.rfind(folder))
            .max();
        of_ours.map_or(file, |at| &file[at + 1..])
    };
    let mut function = symbol.function.as_str();
    let front = function.split('<').next().unwrap_or_default();
    if !front.is_empty() && !front.contains("::") {
        // Of an inlined function a release knows the last name alone, with types that make it long.
        function = front;
    }
    match symbol.line {
        Some(line) => format!("{file}:{line} ({function})"),
        None => format!("{file} ({function})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(function: &str, file: &str, line: u32) -> Symbol {
        Symbol {
            function: function.to_owned(),
            file: (!file.is_empty()).then(|| file.to_owned()),
            line: (line > 0).then_some(line),
        }
    }

    #[test]
    fn the_names_of_cpp_lose_what_nobody_reads() {
        for (whole, name) in [
            ("cv::imdecode(cv::_InputArray const&, int)", "cv::imdecode"),
            (
                "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>(int&&)",
                "std::vector::_M_realloc_insert",
            ),
            ("operator new(unsigned long)", "operator new"),
            (
                "cv::(anonymous namespace)::parse(char const*)",
                "cv::anonymous::parse",
            ),
            ("cv::Mat::operator=(cv::Mat const&)", "cv::Mat::operator="),
            (
                "cv::MatExpr::operator cv::Mat() const",
                "cv::MatExpr::operator cv::Mat",
            ),
            (
                "std::shared_ptr<cv::dnn::Layer> cv::make(std::function<void (int)>)",
                "cv::make",
            ),
            ("operator<<(std::ostream&, int)", "operator<<"),
            ("cv_Mat_Mat", "cv_Mat_Mat"),
            (
                "cv::dnn::dnn4_v20240521::Net::setInput(int)",
                "cv::dnn::Net::setInput",
            ),
            ("<<((", ""),
            ("", ""),
        ] {
            assert_eq!(bare(whole), name, "{whole}");
        }
    }

    #[test]
    fn each_function_has_its_role() {
        for (function, file, expected) in [
            (
                "alloc::raw_vec::finish_grow",
                "/rustc/abc/library/alloc/src/raw_vec.rs",
                Role::Helper,
            ),
            (
                "<alloc::vec::Vec<u8> as core::clone::Clone>::clone",
                "",
                Role::Helper,
            ),
            (
                "hashbrown::raw::RawTable<T>::resize",
                "/rust/deps/hashbrown-0.15/src/raw/mod.rs",
                Role::Helper,
            ),
            (
                "facetap::watch::allocations::interpose::malloc",
                "facetap/src/watch/allocations/interpose.rs",
                Role::Helper,
            ),
            ("malloc", "facetap/src/main.rs", Role::Helper),
            ("read_all<u8>", "facetap/src/ledger/store.rs", Role::Own),
            (
                "alone<facetap::T>",
                "facetap/src/watch/allocations/sampling.rs",
                Role::Helper,
            ),
            (
                "facetap::attend::ledger::store::Store::open",
                "facetap/src/ledger/store.rs",
                Role::Own,
            ),
            (
                "<facetap::follow::camera::Picture as core::clone::Clone>::clone",
                "src/camera/mod.rs",
                Role::Own,
            ),
            (
                "rusqlite::statement::Statement::column",
                "cargo/registry/src/index-1/rusqlite-0.41.0/src/statement.rs",
                Role::Library,
            ),
            (
                "opencv::core::Mat::new_rows_cols",
                "/b/target/debug/build/opencv-1/out/opencv/core.rs",
                Role::Helper,
            ),
            ("sqlite3MemMalloc", "sqlite3/sqlite3.c", Role::Weak),
            ("alloc_small", "", Role::Weak),
            ("cv_Mat_Mat_const_MatR", "", Role::Weak),
            ("malloc", "", Role::Weak),
            ("operator new(unsigned long)", "", Role::Helper),
            ("std::vector<int>::resize(unsigned long)", "", Role::Helper),
            ("cv::fastMalloc(unsigned long)", "", Role::Helper),
            ("cv::Mat::create(int, int const*, int)", "", Role::Helper),
            ("cv::Mat::clone() const", "", Role::Vague),
            ("cv::Mat::Mat(int, int, int)", "", Role::Vague),
            ("cv::imdecode(cv::_InputArray const&, int)", "", Role::Cpp),
            ("cv::dnn::Net::Impl::forward(int)", "dnn/net.cpp", Role::Cpp),
        ] {
            assert_eq!(role(&symbol(function, file, 1)), expected, "{function}");
        }
    }

    #[test]
    fn a_place_names_no_folder_of_the_machine_that_built_it() {
        for (function, file, line, expected) in [
            (
                "facetap::a::b",
                "facetap/src/a.rs",
                7,
                "src/a.rs:7 (facetap::a::b)",
            ),
            (
                "facetap::a::b",
                "/home/src/you/facetap/src/a/b.rs",
                7,
                "src/a/b.rs:7 (facetap::a::b)",
            ),
            (
                "csv::read",
                "cargo/registry/src/index.crates.io-1/csv-1.4.0/src/reader.rs",
                9,
                "csv-1.4.0/src/reader.rs:9 (csv::read)",
            ),
            ("facetap::a::b", "src/a.rs", 0, "src/a.rs (facetap::a::b)"),
            (
                "b<facetap::T, {closure#0}>",
                "facetap/src/a.rs",
                7,
                "src/a.rs:7 (b)",
            ),
            (
                "<facetap::T as Clone>::clone",
                "src/a.rs",
                7,
                "src/a.rs:7 (<facetap::T as Clone>::clone)",
            ),
            ("cv::resize(int)", "", 0, "cv::resize"),
        ] {
            assert_eq!(place(&symbol(function, file, line)), expected);
        }
    }
}
