//! A crash in the middle of the allocator, with its lock held: a handler that allocated anything would hang there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use facetap::watch::crash;

/// The system's allocator behind one lock for all, which crashes while it holds it, once it is told to.
struct Doomed;

static LOCKED: AtomicBool = AtomicBool::new(false);
static CRASH: AtomicBool = AtomicBool::new(false);

impl Doomed {
    fn enter() {
        while LOCKED.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        if CRASH.load(Ordering::Relaxed) {
            // SAFETY: none; the fault is what is wanted.
            unsafe { (std::hint::black_box(8) as *mut u64).write_volatile(1) };
        }
    }

    fn leave() {
        LOCKED.store(false, Ordering::Release);
    }
}

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Doomed {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::enter();
        // SAFETY: as the caller promises.
        let memory = unsafe { System.alloc(layout) };
        Self::leave();
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::enter();
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) };
        Self::leave();
    }
}

#[global_allocator]
static ALLOCATOR: Doomed = Doomed;

/// Tells the child, which is this very test, what it is and where its report goes.
const CHILD: &str = "CRASH_IN_ALLOCATOR";

#[test]
fn the_report_is_whole() {
    if let Some(file) = std::env::var_os(CHILD) {
        crash::trap(file.as_ref()).unwrap();
        // Another thread, which wants memory too.
        std::thread::spawn(|| {
            loop {
                std::hint::black_box(Box::new(1));
            }
        });
        CRASH.store(true, Ordering::Relaxed);
        loop {
            std::hint::black_box(Box::new(2));
        }
    }
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("crash.log");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_report_is_whole", "--nocapture"])
            .env(CHILD, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(nix::libc::SIGSEGV));
        let report = std::fs::read_to_string(&file).unwrap();
        // Written to the end: the three seconds were not needed.
        assert!(report.contains("\n==== end "), "{report}");
        let frames = crash::last(&file).unwrap().frames;
        assert!(frames.len() > 5, "{frames:?}");
    }
}
