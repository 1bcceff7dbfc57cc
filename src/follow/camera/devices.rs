//! The V4L2 cameras of this machine, by stable name.
//!
//! `/dev/videoN` depends on the order of plugging; the links that udev makes under `/dev/v4l` do not.
//! One camera has several nodes (pictures, metadata): the pictures are those of index 0.

use std::path::{Path, PathBuf};

use crate::base::outside::plain;

/// A node that may give pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its node, such as `/dev/video0`.
    pub node: PathBuf,
    /// A name that stays when it is plugged elsewhere or after a restart, if udev made one.
    pub stable: Option<PathBuf>,
    /// What the driver calls it.
    pub name: String,
    /// The kernel's driver, such as "uvcvideo", if it is known.
    pub driver: Option<String>,
    /// Whether it is a camera: the first node of its device, and no codec or image processor.
    pub camera: bool,
}

/// Drivers of nodes that process pictures instead of taking them, by the beginning of their names:
/// codecs and image processors of the Raspberry Pi, whose camera connector V4L2 cannot read directly.
const PROCESSORS: [&str; 5] = ["bcm2835-codec", "bcm2835-isp", "pispbe", "rpi", "rp1-cfe"];

/// Everything that this machine has, lowest number first.
#[must_use]
pub fn list() -> Vec<Device> {
    list_below(Path::new("/"))
}

/// The camera that `"auto"` means now: the first one by stable name, else the one with the lowest number.
#[must_use]
pub fn automatic() -> Option<PathBuf> {
    automatic_below(Path::new("/"))
}

fn automatic_below(root: &Path) -> Option<PathBuf> {
    ["dev/v4l/by-id", "dev/v4l/by-path"]
        .iter()
        .find_map(|folder| links(&root.join(folder)).into_iter().next())
        .or_else(|| {
            list_below(root)
                .into_iter()
                .find(|d| d.camera)
                .map(|d| d.node)
        })
}

/// The same of the machine whose files lie below `root`.
#[must_use]
pub fn list_below(root: &Path) -> Vec<Device> {
    let stable: Vec<PathBuf> = ["dev/v4l/by-id", "dev/v4l/by-path"]
        .iter()
        .flat_map(|folder| links(&root.join(folder)))
        .collect();
    let mut numbers: Vec<u32> = entries(&root.join("dev"))
        .iter()
        .filter_map(|path| {
            path.file_name()?
                .to_str()?
                .strip_prefix("video")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| {
            let node = root.join(format!("dev/video{number}"));
            let about = root.join(format!("sys/class/video4linux/video{number}"));
            let read = |file: &str| {
                std::fs::read_to_string(about.join(file))
                    .map_or_else(|_| String::new(), |t| plain(&t))
            };
            let name = read("name");
            let driver = about.join("device/driver").canonicalize().ok();
            let same = |link: &&PathBuf| link.canonicalize().ok() == node.canonicalize().ok();
            Device {
                stable: stable.iter().find(same).cloned(),
                camera: matches!(read("index").as_str(), "0" | "")
                    && !PROCESSORS.iter().any(|p| name.starts_with(p)),
                driver: driver.and_then(|d| Some(d.file_name()?.to_str()?.to_owned())),
                name,
                node,
            }
        })
        .collect()
}

/// The links of index 0 in a folder of udev that lead to something that is no processor, sorted.
fn links(folder: &Path) -> Vec<PathBuf> {
    let mut links = entries(folder);
    links.retain(|path| {
        path.to_str().is_some_and(|p| p.ends_with("-video-index0")) && path.exists() && {
            let node = path.canonicalize().unwrap_or_default();
            let number = node.file_name().unwrap_or_default();
            // <root>/dev/v4l/by-id lies three below the root.
            let name = folder
                .ancestors()
                .nth(3)
                .map(|root| root.join("sys/class/video4linux").join(number).join("name"));
            let name = name
                .and_then(|n| std::fs::read_to_string(n).ok())
                .unwrap_or_default();
            !PROCESSORS.iter().any(|p| name.starts_with(p))
        }
    });
    links.sort();
    links
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).map_or_else(
        |_| Vec::new(),
        |entries| entries.flatten().map(|e| e.path()).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A machine with these nodes: number, index, name.
    fn machine(nodes: &[(u32, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("dev")).unwrap();
        for (number, index, name) in nodes {
            let about = root
                .path()
                .join(format!("sys/class/video4linux/video{number}"));
            fs::create_dir_all(&about).unwrap();
            fs::write(about.join("index"), format!("{index}\n")).unwrap();
            fs::write(about.join("name"), format!("{name}\n")).unwrap();
            fs::write(root.path().join(format!("dev/video{number}")), "").unwrap();
        }
        root
    }

    fn link(root: &Path, folder: &str, name: &str, number: u32) {
        let folder = root.join("dev/v4l").join(folder);
        fs::create_dir_all(&folder).unwrap();
        symlink(format!("../../video{number}"), folder.join(name)).unwrap();
    }

    #[test]
    fn without_cameras_there_is_none() {
        assert_eq!(automatic_below(machine(&[]).path()), None);
        assert_eq!(automatic_below(Path::new("/nowhere")), None);
        assert_eq!(list_below(Path::new("/nowhere")), []);
    }

    #[test]
    fn the_lowest_number_that_is_a_camera() {
        let root = machine(&[
            (19, "0", "rpi-hevc-dec"),
            (10, "0", "bcm2835-codec-decode"),
            (2, "1", "UVC Camera"),
            (11, "0", "UVC Camera"),
            (20, "0", "pispbe-input"),
        ]);
        let want = root.path().join("dev/video11");
        assert_eq!(automatic_below(root.path()), Some(want));
        let numbers: Vec<bool> = list_below(root.path()).iter().map(|d| d.camera).collect();
        assert_eq!(
            numbers,
            [false, false, true, false, false],
            "2, 10, 11, 19, 20"
        );
    }

    #[test]
    fn a_stable_name_is_preferred_and_metadata_nodes_are_not() {
        let root = machine(&[(0, "0", "A"), (1, "1", "A"), (2, "0", "B")]);
        link(root.path(), "by-path", "pci-video-index0", 0);
        let by_path = root.path().join("dev/v4l/by-path/pci-video-index0");
        assert_eq!(automatic_below(root.path()), Some(by_path));
        link(root.path(), "by-id", "usb-B-video-index0", 2);
        link(root.path(), "by-id", "usb-A-video-index1", 1);
        link(root.path(), "by-id", "usb-0-video-index0", 77);
        let by_id = root.path().join("dev/v4l/by-id/usb-B-video-index0");
        assert_eq!(automatic_below(root.path()), Some(by_id.clone()));
        assert_eq!(list_below(root.path())[2].stable, Some(by_id));
    }
}
