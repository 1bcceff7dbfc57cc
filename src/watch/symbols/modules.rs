//! What is loaded into this process: the program itself and its libraries.

use std::ffi::{CStr, OsStr};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::libc;

use super::Place;

/// The program, or a library.
#[derive(Debug, Clone)]
pub struct Module {
    /// Where it was loaded from.
    pub file: PathBuf,
    /// The identity that the linker gave it, in hexadecimal.
    pub build_id: Option<String>,
    /// What is to be added to an address of the file to get that in this process.
    pub bias: u64,
    /// The addresses from the first to the last segment, in this process.
    pub range: Range<u64>,
    /// The tables by which the callers of its functions are found.
    pub unwind: Option<UnwindTables>,
}

/// The tables of a module by which the caller of a function is found, in this process.
#[derive(Debug, Clone)]
pub struct UnwindTables {
    /// `.eh_frame_hdr`, sorted by address.
    pub index: Range<u64>,
    /// `.eh_frame`, or a little more: it ends with its segment at the latest.
    pub frames: Range<u64>,
}

/// Every module of this process. Takes the dynamic linker's lock, so never from a signal handler.
#[must_use]
pub fn loaded() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: the callback gets the vector back that is given here, and nobody else has it meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut modules).cast()) };
    modules
}

/// The address in terms of the file that it lies in.
pub(super) fn place(modules: &[Module], address: u64) -> Option<Place> {
    let module = modules.iter().find(|m| m.range.contains(&address))?;
    Some(Place {
        file: module.file.clone(),
        build_id: module.build_id.clone(),
        address: address - module.bias,
    })
}

unsafe extern "C" fn note(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    modules: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `loaded` gave the vector, the dynamic linker the description; both live during this call.
    let (info, modules) = unsafe { (&*info, &mut *modules.cast::<Vec<Module>>()) };
    // SAFETY: the dynamic linker's own table of program headers and its length.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let name = if info.dlpi_name.is_null() {
        &[][..]
    } else {
        // SAFETY: a C string of the dynamic linker.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes()
    };
    if let Some(module) = module(info.dlpi_addr, name, headers) {
        modules.push(module);
    }
    0
}

fn module(bias: u64, name: &[u8], headers: &[libc::Elf64_Phdr]) -> Option<Module> {
    let place = |h: &libc::Elf64_Phdr| {
        let start = bias.wrapping_add(h.p_vaddr);
        start..start + h.p_memsz
    };
    let of_type = |wanted: u32| headers.iter().filter(move |h| h.p_type == wanted);
    let range = of_type(libc::PT_LOAD)
        .map(place)
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
    // The program itself has no name here.
    let file = if name.is_empty() {
        program()
    } else {
        PathBuf::from(OsStr::from_bytes(name))
    };
    let build_id = of_type(libc::PT_NOTE).find_map(|h| {
        let at = place(h);
        let length = usize::try_from(at.end - at.start).ok()?;
        // SAFETY: a segment of a module that is loaded, and stays so while the dynamic linker's lock is held.
        let notes = unsafe { std::slice::from_raw_parts(at.start as *const u8, length) };
        build_id(notes, usize::try_from(h.p_align).unwrap_or(4))
    });
    Some(Module {
        file,
        build_id,
        bias,
        range,
        unwind: of_type(libc::PT_GNU_EH_FRAME)
            .map(place)
            .find_map(|index| unwind_tables(index, of_type(libc::PT_LOAD).map(place))),
    })
}

/// Where the index says that the table is. Its first bytes are the version, 1, and how the pointer to the table is
/// written: always as a distance of 32 bits from itself (0x1b), by all linkers of these days.
fn unwind_tables(
    index: Range<u64>,
    mut segments: impl Iterator<Item = Range<u64>>,
) -> Option<UnwindTables> {
    if index.end - index.start < 8 {
        return None;
    }
    // SAFETY: the segment is loaded, has at least eight bytes, and the linker aligns it to four.
    let [head, distance] = unsafe { *(index.start as *const [i32; 2]) };
    let [version, encoding, ..] = head.to_ne_bytes();
    if (version, encoding) != (1, 0x1b) {
        return None;
    }
    let start = (index.start + 4).wrapping_add_signed(distance.into());
    let segment = segments.find(|s| s.contains(&start))?;
    Some(UnwindTables {
        index,
        frames: start..segment.end,
    })
}

/// The file of this process; also when it has been replaced meanwhile, as an upgrade does.
fn program() -> PathBuf {
    std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| Path::new("/proc/self/exe").to_owned())
}

/// The build id among ELF notes: `NT_GNU_BUILD_ID`, 3, of the owner "GNU".
fn build_id(mut notes: &[u8], align: usize) -> Option<String> {
    let align = if align == 8 { 8 } else { 4 };
    let number = |bytes: &[u8]| {
        let bytes = bytes.first_chunk::<4>()?;
        usize::try_from(u32::from_ne_bytes(*bytes)).ok()
    };
    loop {
        let (name, content) = (number(notes)?, number(notes.get(4..)?)?);
        let kind = number(notes.get(8..)?)?;
        let start = 12usize.checked_add(name)?.checked_next_multiple_of(align)?;
        let end = start.checked_add(content)?;
        if kind == 3 && notes.get(12..15) == Some(b"GNU") {
            let id = notes.get(start..end)?;
            return Some(id.iter().map(|b| format!("{b:02x}")).collect());
        }
        notes = notes.get(end.checked_next_multiple_of(align)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_and_the_c_library_are_found_with_their_tables() {
        let modules = loaded();
        let own = place(&modules, loaded as *const () as u64).expect("this very test");
        assert_eq!(own.file, std::env::current_exe().unwrap());
        let c = modules
            .iter()
            .find(|m| m.file.to_string_lossy().contains("libc.so"))
            .expect("the C library");
        assert!(c.unwind.is_some());
        assert!(
            c.build_id.as_ref().is_some_and(|id| id.len() == 40),
            "{c:?}"
        );
        assert_eq!(place(&modules, 0), None);
    }

    #[test]
    fn notes_that_are_cut_or_lie_about_their_length_are_survived() {
        let mut notes = Vec::new();
        for n in [4u32, 2, 3] {
            notes.extend(n.to_ne_bytes());
        }
        notes.extend(b"GNU\0\xab\xcd");
        assert_eq!(build_id(&notes, 4), Some("abcd".to_owned()));
        for cut in 0..notes.len() {
            assert_eq!(build_id(&notes[..cut], 4), None);
        }
        assert_eq!(build_id(&[0xff; 64], 4), None);
    }
}
