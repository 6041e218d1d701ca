//! Writes launches to files: what a kernel was given, and what it left.
//!
//! A file is named `NNNNNN-<kernel>.launch`, and holds, in little-endian order: the bytes `PTXLAUNCH1\n`; the kernel's
//! name and `\n`; seven `u32` (grid, block, dynamic shared bytes); a `u32` count of parameters, then for each its size
//! as `u32` and its bytes; a `u32` count of allocations, then for each its address and length as `u64`, its bytes
//! before the launch, and its bytes after. The allocations are those that an 8-byte parameter points into.

use std::ops::Range;
use std::path::PathBuf;

use super::launch::KernelCall;
use super::settings;
use super::state::Driver;

/// A recording between the start and the end of a launch.
pub struct Recording {
    directory: PathBuf,
    allocations: Vec<(Range<u64>, Vec<u8>)>,
}

fn contents(range: &Range<u64>) -> Vec<u8> {
    let (start, length) = (range.start as usize, (range.end - range.start) as usize);
    // SAFETY: the range is a live allocation, and no kernel runs now.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(start), length) }.to_vec()
}

impl Recording {
    /// Takes down what a launch is given, if launches are to be recorded and this one is not too large.
    pub fn begin(driver: &Driver, call: &KernelCall) -> Option<Self> {
        let directory = settings::record()?;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (offset, bytes) in &call.function.kernel().parameters {
            if let Ok(pointer) = call.parameters[*offset..offset + bytes].try_into() {
                ranges.extend(driver.allocation(u64::from_le_bytes(pointer)));
            }
        }
        ranges.sort_by_key(|range| range.start);
        ranges.dedup();
        let size: u64 = ranges.iter().map(|range| 16 + 2 * (range.end - range.start)).sum();
        let header = 64 + call.function.kernel().name.len() + 12 * call.parameters.len();
        if size + header as u64 > settings::record_limit() {
            return None;
        }
        let allocations = ranges.into_iter().map(|range| (range.clone(), contents(&range))).collect();
        Some(Self { directory, allocations })
    }

    /// Writes the file, now that the kernel has run.
    pub fn finish(self, driver: &mut Driver, call: &KernelCall) {
        let kernel = call.function.kernel();
        let mut file = b"PTXLAUNCH1\n".to_vec();
        let number = |file: &mut Vec<u8>, value: usize| file.extend((value as u32).to_le_bytes());
        file.extend(kernel.name.as_bytes());
        file.push(b'\n');
        for value in call.grid.iter().chain(&call.block).chain([&call.dynamic_shared]) {
            number(&mut file, *value as usize);
        }
        number(&mut file, kernel.parameters.len());
        for (offset, bytes) in &kernel.parameters {
            number(&mut file, *bytes);
            file.extend(&call.parameters[*offset..offset + bytes]);
        }
        number(&mut file, self.allocations.len());
        for (range, before) in &self.allocations {
            file.extend(range.start.to_le_bytes());
            file.extend((before.len() as u64).to_le_bytes());
            file.extend(before);
            file.extend(contents(range));
        }
        let path = self.directory.join(format!("{:06}-{}.launch", driver.recorded, kernel.name));
        driver.recorded += 1;
        let written = std::fs::create_dir_all(&self.directory).and_then(|()| std::fs::write(&path, file));
        if let Err(error) = written {
            eprintln!("emulator: cannot write {}: {error}", path.display());
        }
    }
}
