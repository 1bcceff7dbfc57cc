//! Which disks the service lives on: those below its data, its log and the system.

use std::collections::BTreeSet;
use std::path::Path;

use super::kernel_lines::disk_of;
use super::machine::Machine;
use super::root::Root;

/// A line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted: `/dev/mmcblk0p2`, `tmpfs`.
    pub source: String,
    /// The kind of file system.
    pub kind: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// The mount that holds this path of the machine.
#[must_use]
pub fn mount_of(root: &Root, path: &Path) -> Option<Mount> {
    let mounts = root.text("/proc/self/mounts")?;
    // The last of the longest mount points that it lies below.
    let (_, fields) = mounts
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let at = *fields.get(1)?;
            path.starts_with(at).then_some((at.len(), fields))
        })
        .max_by_key(|(length, _)| *length)?;
    Some(Mount {
        source: (*fields.first()?).to_owned(),
        kind: (*fields.get(2)?).to_owned(),
        read_only: fields.get(3)?.split(',').any(|o| o == "ro"),
    })
}

/// The names of the disks below data, log and system.
#[must_use]
pub fn disks(machine: &Machine) -> BTreeSet<String> {
    let root = &machine.root;
    let log = machine.log_file.parent().unwrap_or(Path::new("."));
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let places = [
        Path::new("/").to_owned(),
        root.own(&real(&machine.data_dir)),
        root.own(&real(log)),
    ];
    let mut disks = BTreeSet::new();
    for mount in places.iter().filter_map(|path| mount_of(root, path)) {
        match device(root, &mount.source) {
            Some(name) => add(root, &name, &mut disks),
            // A system in memory above one on a disk: any disk that is mounted may be the one below.
            None if mount.kind == "overlay" => {
                let mounts = root.text("/proc/self/mounts").unwrap_or_default();
                let sources = mounts.lines().filter_map(|line| line.split(' ').next());
                for name in sources.filter_map(|source| device(root, source)) {
                    add(root, &name, &mut disks);
                }
            }
            None => {}
        }
    }
    disks
}

/// The kernel's name of what is mounted; none where that is no disk.
fn device(root: &Root, source: &str) -> Option<String> {
    let name = source.strip_prefix("/dev/")?;
    if name == "root" {
        let line = root.text("/proc/cmdline")?;
        let given = line
            .split(' ')
            .find_map(|word| word.strip_prefix("root="))?;
        let links = match given.split_once('=') {
            Some((kind, value)) => format!("/dev/disk/by-{}/{value}", kind.to_lowercase()),
            None => given.to_owned(),
        };
        return target(root, &links);
    }
    target(root, source)
}

/// The name behind links: /dev/mapper/vg-data is dm-0.
fn target(root: &Root, path: &str) -> Option<String> {
    let linked = std::fs::read_link(root.path(path)).unwrap_or_else(|_| path.into());
    Some(linked.file_name()?.to_str()?.to_owned())
}

/// A disk, and the disks that it is made of.
fn add(root: &Root, name: &str, disks: &mut BTreeSet<String>) {
    let disk = disk_of(name);
    if disks.insert(disk.to_owned()) {
        for below in root.names(format!("/sys/block/{disk}/slaves")) {
            add(root, &below, disks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files and links.
    fn root(files: &[(&str, &str)], links: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let place = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for (path, text) in files {
            std::fs::write(place(path), text).unwrap();
        }
        for (path, to) in links {
            std::os::unix::fs::symlink(to, place(path)).unwrap();
        }
        let root = Root::below(dir.path());
        (dir, root)
    }

    #[test]
    fn the_longest_mount_point_counts() {
        let table = "/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/sda1 /var/lib ext4 ro,noatime 0 0\n";
        let (_dir, root) = root(&[("proc/self/mounts", table)], &[]);
        let at = |path: &str| mount_of(&root, Path::new(path)).unwrap();
        assert_eq!(at("/var/log").source, "/dev/mmcblk0p2");
        assert_eq!(at("/var/lib/facetap").source, "/dev/sda1");
        assert!(at("/var/lib/facetap").read_only && !at("/").read_only);
        assert_eq!(at("/var/library").source, "/dev/mmcblk0p2");
    }

    #[test]
    fn what_is_behind_a_name_is_found() {
        let files = [
            (
                "proc/cmdline",
                "console=tty1 root=PARTUUID=738a4d67-02 rootwait",
            ),
            ("sys/block/dm-0/slaves/sda2", ""),
        ];
        let links = [
            ("dev/disk/by-partuuid/738a4d67-02", "../../mmcblk0p2"),
            ("dev/mapper/vg-data", "../dm-0"),
        ];
        let (_dir, root) = root(&files, &links);
        assert_eq!(device(&root, "/dev/root").as_deref(), Some("mmcblk0p2"));
        assert_eq!(device(&root, "tmpfs"), None);
        let mapped = device(&root, "/dev/mapper/vg-data").unwrap();
        let mut disks = BTreeSet::new();
        add(&root, &mapped, &mut disks);
        assert_eq!(disks.into_iter().collect::<Vec<_>>(), ["dm-0", "sda"]);
    }
}
