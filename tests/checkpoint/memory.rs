//! An allocator that counts, per thread, and the bound that reading must keep.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use irreplens::Error;
use irreplens::checkpoint::{Tensors, safetensors, torch};

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(change: isize) {
    // the cells have no destructor, so they can be used at any time in a thread's life
    NOW.with(|now| {
        now.set(now.get() + change);
        PEAK.with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: every method passes its arguments to `System` unchanged, which keeps the trait's contract; counting allocates
// nothing and cannot panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes `work` holds at once beyond what was held before.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = work();
    (result, (PEAK.with(Cell::get) - before) as usize)
}

/// Which reader.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    Torch,
    Safetensors,
}

/// Reads `bytes` as the file `hostile` and asserts the bound on memory.
pub fn read(reader: Reader, bytes: &[u8]) -> Result<Tensors, Error> {
    let path = Path::new("hostile");
    let (result, peak) = peak(|| match reader {
        Reader::Torch => torch::read_bytes(bytes, path),
        Reader::Safetensors => safetensors::read_bytes(bytes, path),
    });
    let limit = 64 * bytes.len() + (1 << 20);
    assert!(peak <= limit, "{reader:?}: {peak} bytes held for a file of {} (limit {limit})", bytes.len());
    result
}

#[test]
fn the_allocator_counts() {
    assert!(peak(|| vec![1u8; 1 << 20].len()).1 >= 1 << 20);
}
