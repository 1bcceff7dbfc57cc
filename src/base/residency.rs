//! Releases memory that was needed only for a while.

use nix::libc;

/// Lets go of the pages of code and constants, of this program and of its libraries. What is needed again comes back page by
/// page from the file, which the kernel has in its cache; what only the start has needed (the registration of OpenCV's
/// layers, the reading of models and configuration: some megabytes) stays away. Nothing happens where that cannot be done.
pub fn drop_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    for (start, end) in clean(&maps) {
        // SAFETY: what is mapped from a file, may not be written and has no page of its own has only clean pages; dropped,
        // they are read from the file again.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}

/// The addresses of what `/proc/self/smaps` (proc_pid_smaps(5)) calls mapped from a file, not to be written, and without a
/// page that differs from the file's: relocated addresses and a debugger's breakpoints are such pages.
fn clean(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        let words: Vec<&str> = line.split_whitespace().take(6).collect();
        if let ["Anonymous:", kilobytes, ..] = words[..] {
            if kilobytes == "0" {
                found.extend(candidate);
            }
        } else if let Some(range) = words.first().and_then(|word| addresses(word)) {
            let fits =
                matches!(words[..], [_, "r--p" | "r-xp", _, _, _, file] if file.starts_with('/'));
            candidate = Some(range).filter(|(start, end)| fits && start < end);
        }
    }
    found
}

/// The first word of a mapping.
fn addresses(word: &str) -> Option<(usize, usize)> {
    let (start, end) = word.split_once('-')?;
    let number = |hex| usize::from_str_radix(hex, 16).ok();
    Some((number(start)?, number(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clean_pages_of_files_come_into_question() {
        let dropped = |line: &str, anonymous: &str| {
            clean(&format!(
                "{line}\nSize: 8 kB\nAnonymous: {anonymous}\nVmFlags: rd\n"
            ))
        };
        let code = "1000-3000 r-xp 00001000 08:01 42   /usr/bin/facetap";
        let constants = "1000-3000 r--p 00000000 08:01 42   /usr/lib/libc.so.6";
        assert_eq!(dropped(code, "0 kB"), [(0x1000, 0x3000)]);
        assert_eq!(dropped(constants, "0 kB"), [(0x1000, 0x3000)]);
        assert_eq!(dropped(constants, "4 kB"), [], "relocated");
        for other in [
            "1000-3000 rw-p 00001000 08:01 42 /usr/bin/facetap",
            "1000-3000 rwxp 00001000 08:01 42 /usr/bin/facetap",
            "1000-3000 rw-s 00001000 08:01 42 /var/lib/facetap/ledger.db-shm",
            "1000-3000 r--s 00001000 08:01 42 /var/lib/facetap/ledger.db",
            "1000-3000 r-xp 00000000 00:00 0  [vdso]",
            "1000-3000 r--p 00000000 00:00 0",
            "3000-1000 r--p 00000000 08:01 42 /usr/bin/facetap",
            "x-y r-xp 0 0 0 /usr/bin/facetap",
            "",
        ] {
            assert_eq!(dropped(other, "0 kB"), [], "{other}");
        }
        let both = format!("{code}\nAnonymous: 4 kB\n5000-6000 rw-p 0 00:00 0\nAnonymous: 0 kB\n");
        assert_eq!(clean(&both), []);
    }

    #[test]
    fn the_program_goes_on_afterwards() {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        assert!(clean(&maps).len() > 2, "{maps}");
        drop_code();
        assert_eq!("1,2".split(',').count(), 2);
    }
}
