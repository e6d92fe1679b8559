//! How the board and this process do: temperature, throttling, memory, storage, descriptors.
//!
//! Here: [`lan_address`], whom the box trusts ([`Trust`]), and [`System`], which reads what the kernel says below `/proc` and `/sys`, at most once a second
//! however many ask; `kernel` knows what those files look like. Not here: what follows from it.
//!
//! What a board doesn't tell is `None` or left out: no number is made up.

#![allow(clippy::disallowed_methods, reason = "shell: says how long it has been up")]

mod kernel;
mod lan;
#[cfg(test)]
mod tests;
mod trust;

pub use lan::{addresses, lan_address};
pub use trust::{Trust, TrustError};

use crate::time::MonoTime;
use rustix::fs::StatVfsMountFlags;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A reading stays good for this long: nothing here changes faster than people look.
const FRESH: Duration = Duration::from_secs(1);
/// The files read here have a page at most. Bytes.
const MAX_FILE_LEN: u64 = 64 << 10;
/// More thermal zones, cooling devices and firmware nodes than any board has.
const MAX_ENTRIES: usize = 64;

/// One reading.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub board: Board,
    pub process: Process,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Board {
    /// `Raspberry Pi 4 Model B Rev 1.4`, where the board says it.
    pub model: Option<String>,
    pub host_name: Option<String>,
    pub uptime_s: Option<u64>,
    /// Tasks that run or wait to, over the last minute.
    pub load_1m: Option<f64>,
    pub memory_total_bytes: Option<u64>,
    /// What can be had without swapping.
    pub memory_available_bytes: Option<u64>,
    pub temperatures: Vec<Temperature>,
    pub throttling: Option<Throttling>,
    pub storage: Vec<Storage>,
    /// Of cards that tell it: eMMC does, SD cards rarely.
    pub wear: Vec<Wear>,
}

/// How much of its life a card has behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wear {
    /// `mmcblk0`.
    pub device: String,
    /// Of the writes that it is made for, in steps of ten.
    pub used_percent: u8,
    /// It says itself that its spare blocks are nearly used up.
    pub near_its_end: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Temperature {
    /// The kernel's name: `cpu-thermal`, `x86_pkg_temp`.
    pub zone: String,
    pub celsius: f64,
}

/// Whether the board runs slower than it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Throttling {
    /// It is held back now, by heat or for want of power.
    pub now: bool,
    /// `None` where the board doesn't tell: the supply's voltage is too low now.
    pub under_voltage: Option<bool>,
    /// `None` where the board doesn't tell: either happened since it was switched on.
    pub since_boot: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Storage {
    pub path: PathBuf,
    pub total_bytes: u64,
    /// What a user who isn't root may still write.
    pub available_bytes: u64,
    /// Nobody may write there.
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Process {
    pub uptime_s: u64,
    pub resident_bytes: Option<u64>,
    /// Processor time since the start, of all threads.
    pub cpu_s: f64,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    /// `None`: no limit.
    pub max_open_files: Option<u64>,
}

/// Reads the status. Shared by all who ask.
pub struct System {
    /// `/`, or a folder that looks like it.
    root: PathBuf,
    storage: Vec<PathBuf>,
    started: MonoTime,
    last: Mutex<Option<(MonoTime, Arc<Status>)>>,
}

impl System {
    /// `storage` are folders on the file systems that matter.
    pub fn new(storage: Vec<PathBuf>) -> Self {
        Self::below("/".into(), storage)
    }

    fn below(root: PathBuf, storage: Vec<PathBuf>) -> Self {
        Self { root, storage, started: MonoTime::now(), last: Mutex::new(None) }
    }

    /// How it is now, or was within the last second. Reads files, which a sensor may make wait some
    /// milliseconds for: nothing for a network thread.
    pub fn status(&self) -> Arc<Status> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = MonoTime::now();
        if let Some((read, status)) = &*last
            && read.until(now) < FRESH
        {
            return Arc::clone(status);
        }
        let status = Arc::new(Status { board: self.board(), process: self.process(now) });
        *last = Some((now, Arc::clone(&status)));
        status
    }

    fn board(&self) -> Board {
        let memory = self.text("proc/meminfo").unwrap_or_default();
        Board {
            // A string of the device tree ends with a zero.
            model: self.text("proc/device-tree/model").map(|model| kernel::line(&model)),
            host_name: self.text("proc/sys/kernel/hostname").map(|name| kernel::line(&name)),
            uptime_s: self.text("proc/uptime").and_then(|text| kernel::first_number(&text)).map(|s| s as u64),
            load_1m: self.text("proc/loadavg").and_then(|text| kernel::first_number(&text)),
            memory_total_bytes: kernel::kilobytes(&memory, "MemTotal"),
            memory_available_bytes: kernel::kilobytes(&memory, "MemAvailable"),
            temperatures: self.temperatures(),
            throttling: self.throttling(),
            storage: self.storage(),
            wear: self.wear(),
        }
    }

    /// The file systems that matter, each once; what a folder is on that can't be read is left out.
    pub fn storage(&self) -> Vec<Storage> {
        let mut devices = BTreeSet::new();
        let mut first_of_its_device = |path: &Path| fs::metadata(path).is_ok_and(|found| devices.insert(found.dev()));
        self.storage.iter().filter(|path| first_of_its_device(path)).filter_map(|path| storage(path)).collect()
    }

    fn temperatures(&self) -> Vec<Temperature> {
        let zones = self.entries("sys/class/thermal", "thermal_zone").into_iter();
        zones
            .filter_map(|zone| {
                let celsius = kernel::celsius(&read(&zone.join("temp"))?)?;
                Some(Temperature { zone: kernel::line(&read(&zone.join("type"))?), celsius })
            })
            .collect()
    }

    fn wear(&self) -> Vec<Wear> {
        let cards = self.entries("sys/block", "mmcblk").into_iter();
        cards
            .filter_map(|card| {
                let used_percent = kernel::life_used_percent(&read(&card.join("device/life_time"))?)?;
                let near_its_end =
                    read(&card.join("device/pre_eol_info")).is_some_and(|text| kernel::is_near_its_end(&text));
                Some(Wear { device: card.file_name()?.to_string_lossy().into_owned(), used_percent, near_its_end })
            })
            .collect()
    }

    /// A Raspberry Pi's sensor of the supply, for kernels that don't show what the firmware says.
    fn voltage_is_low(&self) -> Option<bool> {
        let sensors = self.entries("sys/class/hwmon", "hwmon").into_iter();
        let mut supply =
            sensors.filter(|sensor| read(&sensor.join("name")).is_some_and(|name| kernel::line(&name) == "rpi_volt"));
        let alarm = read(&supply.next()?.join("in0_lcrit_alarm"))?;
        Some(kernel::line(&alarm) == "1")
    }

    /// A Raspberry Pi's firmware knows best; elsewhere, whether the kernel holds the processors back.
    fn throttling(&self) -> Option<Throttling> {
        let firmware = self.entries("sys/devices/platform", "soc").into_iter();
        let firmware =
            firmware.flat_map(|soc| entries(&soc, "soc:firmware").into_iter().chain(entries(&soc, "firmware")));
        let said = firmware.filter_map(|node| read(&node.join("get_throttled"))).next();
        if let Some(throttling) = said.and_then(|text| kernel::throttled(&text)) {
            return Some(throttling);
        }
        let coolers = self.entries("sys/class/thermal", "cooling_device").into_iter();
        let states: Vec<u64> = coolers
            .filter(|cooler| read(&cooler.join("type")).is_some_and(|kind| kernel::cools_processors(&kind)))
            .filter_map(|cooler| kernel::line(&read(&cooler.join("cur_state"))?).parse().ok())
            .collect();
        let under_voltage = self.voltage_is_low();
        (!states.is_empty() || under_voltage.is_some()).then(|| Throttling {
            now: states.iter().any(|state| *state > 0),
            under_voltage,
            since_boot: None,
        })
    }

    fn process(&self, now: MonoTime) -> Process {
        let status = self.text("proc/self/status").unwrap_or_default();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let files = fs::read_dir(self.root.join("proc/self/fd")).ok();
        Process {
            uptime_s: self.started.until(now).as_secs(),
            resident_bytes: kernel::kilobytes(&status, "VmRSS"),
            cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            threads: kernel::field(&status, "Threads").and_then(|text| text.parse().ok()),
            // One of them is the folder that is being read.
            open_files: files.map(|files| (files.count() as u64).saturating_sub(1)),
            max_open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        }
    }

    fn text(&self, path: &str) -> Option<String> {
        read(&self.root.join(path))
    }

    fn entries(&self, folder: &str, prefix: &str) -> Vec<PathBuf> {
        entries(&self.root.join(folder), prefix)
    }
}

/// Paths in `folder` whose name starts with `prefix`, in order; none when it isn't there.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries =
        entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let mut entries: Vec<_> = entries.take(MAX_ENTRIES).map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// A small file; `None` when it isn't there or can't be read, as sensors that are asleep can't.
fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_FILE_LEN).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn storage(path: &Path) -> Option<Storage> {
    let found = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Storage {
        path: path.to_owned(),
        total_bytes: bytes(found.f_blocks),
        available_bytes: bytes(found.f_bavail),
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}
