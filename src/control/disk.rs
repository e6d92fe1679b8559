//! Whether storage that is written to runs full, told once each way. Sans-IO.

use super::events::What;
use crate::system::Storage;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Less than this is little on any card: a few minutes of recording. Bytes.
const LOW_BYTES: u64 = 500_000_000;
/// Less than a 20th of it is little of a large disk.
const LOW_PART: u64 = 20;
/// A file system of less than four times [`LOW_BYTES`] would be low for ever: there it is a quarter.
const LOW_PART_OF_SMALL: u64 = 4;
/// What must be free again, in fifths of what is low, so that a file which comes and goes isn't news each time.
const CLEAR_FIFTHS: u64 = 6;

/// Paths of file systems on which little is left.
#[derive(Debug, Default)]
pub(super) struct Disks {
    low: BTreeSet<PathBuf>,
}

impl Disks {
    /// What has changed since the last look.
    pub fn look(&mut self, now: &[Storage]) -> Vec<What> {
        // What nobody can write to isn't getting fuller.
        now.iter().filter(|storage| !storage.read_only).filter_map(|storage| self.change(storage)).collect()
    }

    pub fn is_any_low(&self) -> bool {
        !self.low.is_empty()
    }

    fn change(&mut self, storage: &Storage) -> Option<What> {
        let free_bytes = storage.available_bytes;
        let low = (storage.total_bytes / LOW_PART).max(LOW_BYTES.min(storage.total_bytes / LOW_PART_OF_SMALL));
        let path = storage.path.display().to_string();
        if free_bytes < low && self.low.insert(storage.path.clone()) {
            return Some(What::DiskLow { path, free_bytes });
        }
        let clear = free_bytes >= (low / 5).saturating_mul(CLEAR_FIFTHS);
        (clear && self.low.remove(&storage.path)).then_some(What::DiskOk { path, free_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn storage(total_mb: u64, free_mb: u64) -> Storage {
        Storage { path: "/".into(), total_bytes: total_mb * MB, available_bytes: free_mb * MB, read_only: false }
    }

    fn told(disks: &mut Disks, storage: Storage) -> Option<&'static str> {
        disks.look(&[storage]).first().map(What::name)
    }

    #[test]
    fn low_and_enough_are_told_once_and_not_at_every_file() {
        let mut disks = Disks::default();
        let free_mb = [2_000, 501, 499, 480, 510, 490, 599, 601, 501, 499];
        let said: Vec<_> = free_mb.map(|free| told(&mut disks, storage(8_000, free))).to_vec();
        assert!(disks.is_any_low());
        let (low, ok) = (Some("disk_low"), Some("disk_ok"));
        assert_eq!(said, [None, None, low, None, None, None, None, ok, None, low]);
    }

    #[test]
    fn large_disks_by_their_part_and_small_ones_too() {
        let low = |total, free| told(&mut Disks::default(), storage(total, free)).is_some();
        assert!(low(1_000_000, 49_000) && !low(1_000_000, 51_000), "5 % of a terabyte");
        assert!(low(200, 49) && !low(200, 51), "a small partition isn't low when it is empty");
        assert!(!low(0, 0), "and what has no size isn't either");
    }

    #[test]
    fn what_can_not_be_written_to_is_not_low() {
        let full = Storage { read_only: true, ..storage(1_000, 0) };
        assert_eq!(told(&mut Disks::default(), full), None);
    }
}
