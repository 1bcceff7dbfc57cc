//! The child process that reads symbols, seen from both sides.

use std::io::{BufRead, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::lookup::Tables;
use super::{Place, Symbol};

/// Whether this program has the command `symbolise`; a test of the library has not.
static SYMBOLISES: AtomicBool = AtomicBool::new(false);

/// Says that this program, called with `symbolise`, comes to [`answer`].
pub fn this_program_symbolises() {
    SYMBOLISES.store(true, Ordering::Relaxed);
}

/// Lets a child process find the symbols; where this program cannot be that child (a test, a benchmark), the search
/// is made here.
pub(super) fn ask(places: &[Place], limit: Duration) -> Result<Vec<Vec<Symbol>>> {
    if !SYMBOLISES.load(Ordering::Relaxed) {
        let mut tables = Tables::default();
        return Ok(places.iter().map(|p| tables.find(p)).collect());
    }
    // Through /proc, so that it is this very file, also after an upgrade has put another one in its place.
    let mut child = Command::new("/proc/self/exe")
        .args(["symbolise", "--limit", &limit.as_secs().max(1).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the child process that reads symbols")?;
    let questions = places
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<Vec<_>, _>>()?
        .join("\n");
    if let Some(mut input) = child.stdin.take() {
        // It reads everything before it answers, so this cannot block for good. A child that has died is seen below.
        let _ = input.write_all(questions.as_bytes());
    }
    let done = child.wait_with_output()?;
    let mut found = done
        .stdout
        .split_inclusive(|b| *b == b'\n')
        // The last line may be cut where its time was up.
        .filter(|l| l.ends_with(b"\n"))
        .map(serde_json::from_slice)
        .collect::<Result<Vec<Vec<Symbol>>, _>>()?;
    let late = done.status.signal() == Some(nix::libc::SIGALRM) && !found.is_empty();
    ensure!(
        done.status.success() || late,
        "the child process that reads symbols ended with {}",
        done.status
    );
    // What came in time is worth having: the innermost functions are asked for first.
    found.resize(places.len(), Vec::new());
    Ok(found)
}

/// The child: reads a [`Place`] a line as JSON, answers with a list of [`Symbol`]s a line.
///
/// # Errors
/// A question that cannot be read, or nobody to answer to.
pub fn answer(questions: impl BufRead, mut answers: impl Write) -> Result<()> {
    let places = questions
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<Result<Vec<Place>>>()
        .context("each line has to be {\"file\":..., \"build_id\":..., \"address\":...}")?;
    let mut tables = Tables::default();
    for place in &places {
        let found = serde_json::to_string(&tables.find(place))?;
        writeln!(answers, "{found}")?;
        answers.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_lines_of_json() {
        let question = br#"{"file":"/nowhere","build_id":null,"address":16}"#;
        let mut answers = Vec::new();
        answer(&question[..], &mut answers).unwrap();
        assert_eq!(answers, b"[]\n");
        assert!(answer(&b"junk\n"[..], Vec::new()).is_err());
    }

    #[test]
    fn addresses_of_this_process_are_found_with_file_and_line() {
        let function = addresses_of_this_process_are_found_with_file_and_line as fn();
        let found = crate::watch::symbols::resolve(&[function as usize as u64 + 1, 1]).unwrap();
        let innermost = &found[0][0];
        assert!(
            innermost
                .function
                .ends_with("addresses_of_this_process_are_found_with_file_and_line"),
            "{innermost}"
        );
        assert!(
            innermost
                .file
                .as_ref()
                .is_some_and(|f| f.ends_with("src/watch/symbols/child.rs"))
        );
        assert!(innermost.line.is_some_and(|l| l > 90));
        assert!(found[1].is_empty());
    }

    #[test]
    fn a_function_of_cpp_is_found_by_the_table_of_symbols() {
        let modules = crate::watch::symbols::loaded();
        let Some(core) = modules
            .iter()
            .find(|m| m.file.to_string_lossy().contains("opencv_core"))
        else {
            eprintln!("SKIPPED: OpenCV is no library of its own here");
            return;
        };
        // SAFETY: a lookup of a name; nothing is called.
        let function = unsafe {
            nix::libc::dlsym(nix::libc::RTLD_DEFAULT, c"_ZN2cv13setNumThreadsEi".as_ptr())
        };
        assert!(core.range.contains(&(function as u64)));
        let found = crate::watch::symbols::resolve(&[function as u64 + 1]).unwrap();
        assert_eq!(found[0][0].function, "cv::setNumThreads(int)");
    }
}
