//! What one look at process and system found.

use super::readings::power::Power;
use super::readings::usb::Usb;

/// A reading of everything; what could not be read is none. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
    /// Virtual memory of the process.
    pub vms_bytes: Option<u64>,
    /// What the kernel tells of the process beyond that.
    pub process: Option<Process>,
    /// Per cent of one core that the process used since the last reading.
    pub cpu_percent: Option<f32>,
    /// Open descriptors of the process.
    pub descriptors: Option<Descriptors>,
    /// Memory of the system.
    pub system: Option<SystemMemory>,
    /// Processes that run or wait, on average over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Room on the disk of the log that this user may take.
    pub log_free_bytes: Option<u64>,
    /// Room on the disk of the ledger that this user may take.
    pub data_free_bytes: Option<u64>,
    /// Degrees Celsius of the processor.
    pub celsius: Option<f64>,
    /// Supply and throttling, where the board tells.
    pub power: Option<Power>,
    /// The USB bus, where there is one.
    pub usb: Option<Usb>,
    /// Memory of the GPU, where there is one.
    pub gpu: Option<GpuMemory>,
}

/// The process, from `/proc/self/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Process {
    /// Resident memory without a file behind it: heap and stacks.
    pub anonymous_bytes: u64,
    /// Resident memory of files: program, libraries, mappings.
    pub file_bytes: u64,
    /// Highest resident memory so far.
    pub peak_bytes: u64,
    /// Threads.
    pub threads: u64,
}

/// Open descriptors by what stands behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptors {
    /// Ordinary files and folders.
    pub files: u64,
    /// Sockets.
    pub sockets: u64,
    /// Pipes.
    pub pipes: u64,
    /// Devices: cameras, serial ports, terminals.
    pub devices: u64,
    /// What the kernel makes up: event counters, timers, poll sets.
    pub anonymous: u64,
}

impl Descriptors {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.files + self.sockets + self.pipes + self.devices + self.anonymous
    }
}

/// Memory of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SystemMemory {
    /// All of it.
    pub total_bytes: u64,
    /// What programs can still get.
    pub available_bytes: u64,
}

impl SystemMemory {
    /// The part that is not available, in per cent.
    #[must_use]
    pub fn used_percent(&self) -> f64 {
        percent(
            self.total_bytes.saturating_sub(self.available_bytes),
            self.total_bytes,
        )
    }
}

/// Memory of the GPU: that of NVIDIA boards, or on a Raspberry Pi the kernel's contiguous memory, out of which
/// camera and GPU take theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GpuMemory {
    /// In use.
    pub used_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
    /// The kernel's contiguous memory. It lends what nobody needs to programs, and takes it back when it is asked for:
    /// that little of it is free says nothing.
    pub contiguous: bool,
}

impl GpuMemory {
    /// The part in use, in per cent.
    #[must_use]
    pub fn used_percent(&self) -> f64 {
        percent(self.used_bytes, self.total_bytes)
    }
}

#[allow(clippy::cast_precision_loss)] // exact up to 8 PiB
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

/// Bytes as MiB, which the old programs called MB.
#[allow(clippy::cast_precision_loss)] // exact up to 8 PiB
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
