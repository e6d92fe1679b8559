//! The sample tables of a classic file (ISO/IEC 14496-12 §8.6, §8.7), walked from front to back.

use super::Mp4Error;

/// One sample: where it is in the file, and its times in ticks of the media's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub at: u64,
    pub size: u32,
    pub dts: i64,
    pub duration: u32,
    /// pts − dts.
    pub offset: i64,
}

#[derive(Debug)]
pub(super) enum Sizes {
    Same { size: u32, count: u32 },
    Each(Vec<u32>),
}

/// Run-length coded, as in the file: a run is a number of samples and what holds for each of them.
#[derive(Debug)]
pub(super) struct Tables {
    pub sizes: Sizes,
    pub durations: Vec<(u32, u32)>,
    pub offsets: Vec<(u32, i32)>,
    /// First chunk, counted from 1, and samples in each chunk from there on.
    pub chunk_runs: Vec<(u32, u32)>,
    pub chunk_offsets: Vec<u64>,
}

impl Tables {
    fn size(&self, sample: usize) -> Option<u32> {
        match &self.sizes {
            Sizes::Same { size, count } => (sample < *count as usize).then_some(*size),
            Sizes::Each(sizes) => sizes.get(sample).copied(),
        }
    }

    pub fn total_bytes(&self) -> u64 {
        match &self.sizes {
            Sizes::Same { size, count } => u64::from(*size) * u64::from(*count),
            Sizes::Each(sizes) => sizes.iter().map(|&size| u64::from(size)).sum(),
        }
    }

    /// Ticks.
    pub fn total_duration(&self) -> i64 {
        self.durations
            .iter()
            .fold(0_i64, |sum, &(count, delta)| sum.saturating_add(i64::from(count).saturating_mul(i64::from(delta))))
    }
}

/// Where a walk through [`Tables`] is.
#[derive(Debug, Default, Clone)]
pub(super) struct TableCursor {
    sample: usize,
    dts: i64,
    duration: Run,
    offset: Run,
    /// Index of the chunk run, of the chunk, how many samples of it are left, where the next one is.
    chunk_run: usize,
    chunk: usize,
    left_in_chunk: u32,
    at: u64,
}

/// Where in a run-length coded table.
#[derive(Debug, Default, Clone, Copy)]
struct Run {
    index: usize,
    used: u32,
}

impl Run {
    fn next<T: Copy>(&mut self, runs: &[(u32, T)]) -> Option<T> {
        loop {
            let &(count, value) = runs.get(self.index)?;
            if self.used < count {
                self.used += 1;
                return Some(value);
            }
            *self = Self { index: self.index + 1, used: 0 };
        }
    }
}

impl TableCursor {
    /// The next sample; `None` behind the last. Tables that disagree about how many there are, or where,
    /// are an error.
    pub fn next(&mut self, tables: &Tables) -> Result<Option<Sample>, Mp4Error> {
        let Some(size) = tables.size(self.sample) else { return Ok(None) };
        let missing = |table: &'static str, sample: usize| Mp4Error::Tables { table, sample };
        let duration = self.duration.next(&tables.durations).ok_or(missing("stts", self.sample))?;
        let offset = self.offset.next(&tables.offsets).unwrap_or(0);
        self.enter_chunk(tables).ok_or(missing("stsc or stco", self.sample))?;
        let sample = Sample { at: self.at, size, dts: self.dts, duration, offset: i64::from(offset) };
        self.sample += 1;
        self.left_in_chunk -= 1;
        self.at = self.at.saturating_add(u64::from(size));
        self.dts = self.dts.saturating_add(i64::from(duration));
        Ok(Some(sample))
    }

    /// Makes sure that a sample is left in the current chunk.
    fn enter_chunk(&mut self, tables: &Tables) -> Option<()> {
        while self.left_in_chunk == 0 {
            self.at = *tables.chunk_offsets.get(self.chunk)?;
            self.chunk += 1;
            let next_run_begins =
                |run: usize| tables.chunk_runs.get(run + 1).is_some_and(|&(first, _)| first as usize <= self.chunk);
            while next_run_begins(self.chunk_run) {
                self.chunk_run += 1;
            }
            self.left_in_chunk = tables.chunk_runs.get(self.chunk_run)?.1;
        }
        Some(())
    }
}
