//! Releases memory that was needed only during the start.

use nix::libc;

/// Lets go of the pages of this program's code. What is needed again comes back page by page from the file, which the
/// kernel has in its cache; what only the start has needed (the registration of OpenCV's layers, the reading of models
/// and configuration: some megabytes) stays away. Nothing happens where that cannot be done.
pub fn drop_code() {
    let Ok(program) = std::fs::read_link("/proc/self/exe") else {
        return;
    };
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, end) in maps
        .lines()
        .filter_map(|l| code(l, &program.to_string_lossy()))
    {
        // SAFETY: a private mapping of a file that may be executed and not be written has only clean pages; dropped, they
        // are read from the file again. A debugger's breakpoints would be lost, nothing else.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// The addresses of a line of `/proc/self/maps` that is code of the program.
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    if rights != "r-xp" || !line.ends_with(program) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |hex| usize::from_str_radix(hex, 16).ok();
    Some((number(start)?, number(end)?)).filter(|(start, end)| start < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_data() {
        let line = "1000-3000 r-xp 00001000 08:01 42 /usr/bin/facetap";
        assert_eq!(code(line, "/usr/bin/facetap"), Some((0x1000, 0x3000)));
        for other in [
            "1000-3000 r--p 00001000 08:01 42 /usr/bin/facetap",
            "1000-3000 rwxp 00001000 08:01 42 /usr/bin/facetap",
            "1000-3000 r-xp 00001000 08:01 42 /usr/lib/libc.so.6",
            "x-y r-xp 0 0 0 /usr/bin/facetap",
            "",
        ] {
            assert_eq!(code(other, "/usr/bin/facetap"), None, "{other}");
        }
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        drop_code();
        assert_eq!("1,2".split(',').count(), 2);
    }
}
