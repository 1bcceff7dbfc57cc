//! A board as a tree of files in which nothing is wrong, for `--root`. Tests spoil one thing at a time.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use facetap::attend::ledger::Ledger;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The service's process on the board.
pub const PID: u32 = 4242;
pub const CAMERA: &str = "dev/v4l/by-id/usb-046d_C270-video-index0";
pub const PORT: &str = "dev/serial/by-id/usb-1a86_USB_Single_Serial-if00";
const BOOT: &str = "6f1b0c6e-6c0e-4b7e-9d52-0f6c2a3c9a11";
const ADAPTER: &str = "sys/devices/usb1/1-1";

const UNIT: &str = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nWatchdogSec=20\n\
    ExecStart=/usr/bin/facetap run --no-display\nRestart=always\nMemoryMax=70%\nLimitCORE=0\nUser=facetap\n\
    SupplementaryGroups=video dialout gpio i2c\nDeviceAllow=char-video4linux rw\n";
const MOUNTS: &str = "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n";

/// The tree. It goes when this is dropped.
pub struct Board(tempfile::TempDir);

impl Board {
    /// A board on which all is well.
    pub fn new() -> Self {
        let board = Self(tempfile::tempdir().unwrap());
        board.system();
        board.devices();
        board.service();
        board
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file that its group may read and write: that of the service.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    }

    /// Writes a file that only its owner may read and write, who is not the service's user.
    pub fn locked(&self, path: &str) {
        self.write(path, "");
        self.mode(path, 0o600);
    }

    pub fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// Changes a part of a file, which has to be there.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from}: {text}");
        self.write(path, text.replace(from, to));
    }

    /// Adds to the end of a file.
    pub fn append(&self, path: &str, text: &str) {
        let before = fs::read_to_string(self.path(path)).unwrap();
        self.write(path, before + text);
    }

    pub fn link(&self, path: &str, to: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    }

    /// Sets a key of a JSON file by its pointer.
    pub fn set(&self, path: &str, pointer: &str, value: Value) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        let (group, key) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(group).unwrap()[key] = value;
        self.write(path, json.to_string());
    }

    pub fn configure(&self, pointer: &str, value: Value) {
        self.set("etc/facetap/config.json", pointer, value);
    }

    pub fn health(&self, pointer: &str, value: Value) {
        self.set("run/facetap/health.json", pointer, value);
    }

    /// A device on the USB with the driver of its interface.
    pub fn plug(&self, name: &str, vendor: &str, product: &str, driver: &str) {
        let folder = format!("sys/bus/usb/devices/{name}");
        self.write(&format!("{folder}/idVendor"), vendor);
        self.write(&format!("{folder}/idProduct"), product);
        let interface = format!("{folder}:1.0/driver");
        self.link(&interface, &format!("../../../bus/usb/drivers/{driver}"));
    }

    /// A process that has a file open.
    pub fn process(&self, pid: u32, name: &str, open: &str) {
        self.write(&format!("proc/{pid}/comm"), name);
        self.link(&format!("proc/{pid}/fd/3"), open);
    }

    fn system(&self) {
        for (path, text) in [
            (
                "etc/os-release",
                "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n",
            ),
            ("proc/sys/kernel/osrelease", "6.6.51+rpt-rpi-2712\n"),
            ("proc/sys/kernel/core_pattern", "core\n"),
            ("proc/sys/kernel/random/boot_id", BOOT),
            ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
            (
                "proc/cmdline",
                "console=tty1 root=/dev/mmcblk0p2 cgroup_enable=memory\n",
            ),
            ("proc/uptime", "86400.00 300000.00\n"),
            ("proc/loadavg", "0.30 0.25 0.20 1/200 4321\n"),
            ("proc/stat", "cpu  1 2 3\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\n"),
            (
                "proc/meminfo",
                "MemTotal: 4051000 kB\nMemAvailable: 3100000 kB\nCmaFree: 60000 kB\n",
            ),
            (
                "proc/swaps",
                "Filename Type Size Used Priority\n/dev/zram0 partition 100 0 100\n",
            ),
            ("proc/self/mounts", MOUNTS),
            (
                "sys/fs/cgroup/cgroup.controllers",
                "cpuset cpu io memory pids\n",
            ),
            ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
            ("sys/class/rtc/rtc0/since_epoch", "1795000000\n"),
            ("sys/class/watchdog/watchdog0/state", "active\n"),
            ("sys/class/watchdog/watchdog0/timeout", "60\n"),
            (
                "sys/class/watchdog/watchdog0/identity",
                "Broadcom BCM2835 Watchdog timer\n",
            ),
            ("run/systemd/timesync/synchronized", ""),
            ("usr/lib/systemd/systemd", ""),
            ("var/log/journal/x/system.journal", ""),
            (
                "var/log/kern.log",
                "mmc0: new ultra high speed SDR104 SDHC card at address aaaa\n",
            ),
        ] {
            self.write(path, text);
        }
        self.link("etc/localtime", "/usr/share/zoneinfo/Asia/Tokyo");
        self.write("usr/share/zoneinfo/Asia/Tokyo", "TZif2");
        self.write("usr/share/zoneinfo/Etc/UTC", "TZif2");
    }

    fn devices(&self) {
        self.write("dev/video0", "");
        self.link(CAMERA, "../../video0");
        self.write("sys/class/video4linux/video0/name", "C270 HD WEBCAM\n");
        self.write("sys/class/video4linux/video0/index", "0\n");
        self.write("dev/ttyACM0", "");
        self.link(PORT, "../../ttyACM0");
        self.write(&format!("{ADAPTER}/idVendor"), "1a86\n");
        self.write(&format!("{ADAPTER}/1-1:1.0/x"), "");
        self.link(
            "sys/class/tty/ttyACM0/device",
            "../../../devices/usb1/1-1/1-1:1.0",
        );
        self.write("usr/lib/udev/rules.d/60-facetap.rules", "");
        self.plug("1-2", "072f", "2200", "usbfs");
        self.write("usr/sbin/pcscd", "");
        self.write("usr/lib/pcsc/drivers/ifd-ccid.bundle/x", "");
        self.write("run/pcscd/pcscd.comm", "");
        self.write("usr/share/polkit-1/actions/org.debian.pcsc-lite.policy", "");
        self.write(
            "usr/share/polkit-1/rules.d/facetap-pcsc.rules",
            "org.debian.pcsc-lite.access_card facetap",
        );
    }

    fn service(&self) {
        self.write("usr/lib/systemd/system/facetap.service", UNIT);
        self.link(
            "etc/systemd/system/multi-user.target.wants/facetap.service",
            "/usr/lib/systemd/system/facetap.service",
        );
        // The files here belong to whoever runs the test; their group is taken for the service's.
        let gid = fs::metadata(self.path("dev/video0")).unwrap().gid();
        self.write(
            "etc/passwd",
            format!("root:x:0:0::/root:/bin/sh\nfacetap:x:990:{gid}::/:/bin/false\n"),
        );
        self.write(
            "etc/group",
            "video:x:44:\ndialout:x:20:\ngpio:x:993:\ni2c:x:994:\n",
        );
        self.write("etc/facetap/token", "s3cr3t-T0ken.of-the_server\n");
        self.write(
            "etc/facetap/roster.csv",
            "UID,name\n04A1B2C3D4E5F6,山田 太郎\n",
        );
        let config = json!({
            "language": "en",
            "server_url": "http://192.168.1.31:5000",
            "auth_token_file": "/etc/facetap/token",
            "attendance": {"roster": "/etc/facetap/roster.csv"},
            "log": {"level": "INFO"},
            "cards": {"readers": "all"},
            "camera": {"source": format!("/{CAMERA}")},
            "servo": {"port": format!("/{PORT}")},
        });
        self.write("etc/facetap/config.json", config.to_string());
        let data = self.path("var/lib/facetap");
        drop(Ledger::open(&data).unwrap());
        self.mode("var/lib/facetap", 0o770);
        self.mode("var/lib/facetap/attendance.db", 0o660);
        self.mode("var/lib/facetap/attendance.lock", 0o660);
        self.write("var/lib/facetap/attendance.reserve", "room");
        self.write(
            "var/log/facetap/facetap.log",
            "2026-11-21 10:00:00 - facetap::service - INFO - [SERVER_START] ready\n",
        );
        self.mode("var/log/facetap", 0o770);
        self.write(&format!("proc/{PID}/comm"), "facetap\n");
        self.write(
            &format!("proc/{PID}/status"),
            "Name: facetap\nState: S\nPPid: 1\nVmRSS: 120000 kB\n",
        );
        let health = json!({
            "version": "0.3.0", "pid": PID, "state": "ready", "boot_id": BOOT,
            "updated": Timestamp::now().to_string(),
            "config": "/etc/facetap/config.json", "data_dir": "/var/lib/facetap",
            "log_file": "/var/log/facetap/facetap.log", "crash_file": "/var/log/facetap/crash.log",
            "loops": {"camera": {"alive": true, "silent_s": 0.03, "limit_s": 20, "restarts": 0}},
            "counters": {"camera_reinits": 0, "servo_reconnects": 1, "reader_reconnects": 0},
            "memory": {"rss_mb": 117.2, "limit_mb": 600.0},
            "last_exit": {"reason": "SIGTERM", "at": "2026-11-20T10:00:00Z", "boot_id": BOOT, "memory": false, "clean": true},
        });
        self.write("run/facetap/health.json", health.to_string());
    }
}
