//! A `/proc` that shows each user only his own processes (`hidepid=`), as hardened boards have it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use nix::mount::{MsFlags, mount};

use crate::harness::{Scene, facetap};
use crate::mounts::isolated;

/// `nobody`, wherever there are users at all.
const NOBODY: u32 = 65534;

fn as_nobody(program: &Path, scene: &Scene, command: &[&str]) -> Output {
    Command::new(program)
        .args(command)
        .arg("--config")
        .arg(scene.path("config.json"))
        .current_dir("/")
        .env("RUNTIME_DIRECTORY", scene.path("run"))
        .env("LANG", "C.UTF-8")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap()
}

#[test]
fn a_proc_that_hides_processes_is_not_the_end_of_the_service() {
    isolated(|| {
        let flags = MsFlags::empty();
        if let Err(e) = mount(
            Some("proc"),
            "/proc",
            Some("proc"),
            flags,
            Some("hidepid=2"),
        ) {
            eprintln!("SKIPPED: no /proc of one's own can be mounted here: {e}");
            return;
        }
        let scene = Scene::new();
        // Whoever asks may read what there is, and start the program.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(scene.path("."), open.clone()).unwrap();
        let program = scene.path("facetap");
        std::fs::copy(facetap().get_program(), &program).unwrap();
        std::fs::set_permissions(&program, open).unwrap();
        let running = scene.run(&[]);
        running.wait_for_log("[SERVER_START]");

        let asked = || {
            let out = as_nobody(&program, &scene, &["status"]);
            (out.status.code(), String::from_utf8(out.stdout).unwrap())
        };
        // The file of the first moments says that it is not ready yet.
        crate::harness::wait_until("the service is well", || asked().0 == Some(0), || asked().1);
        assert!(asked().1.starts_with("FaceTap "), "{}", asked().1);
        let doctor = as_nobody(&program, &scene, &["doctor", "--no-file"]);
        let doctor = String::from_utf8(doctor.stdout).unwrap();
        assert!(!doctor.contains("not there any more"), "{doctor}");

        assert_eq!(running.stop().0.code(), Some(0));
        let (status, shown) = asked();
        assert_eq!(status, Some(1), "{shown}");
        assert!(shown.starts_with("THE SERVICE IS NOT RUNNING"), "{shown}");
    });
}
