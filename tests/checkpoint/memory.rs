//! An allocator that counts, per thread, and the bound that reading must keep.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use irreplens::Error;
use irreplens::checkpoint::{Run, Tensors, safetensors, torch};

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
    /// A PyTorch file as the weights of a run, so that its state dicts are searched for an architecture's names.
    Run,
}

/// A folder with a run's settings and, in `hostile`, `bytes`; kept from call to call.
fn with_run<T>(bytes: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    thread_local!(static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap());
    FOLDER.with(|folder| {
        let config = r#"{"model": "OneLayerMLPwithBias", "group": "CyclicGroup", "group_parameter": 3}"#;
        let [settings, path] = ["cfg.json", "hostile"].map(|name| folder.path().join(name));
        if !settings.exists() {
            std::fs::write(settings, config).unwrap();
        }
        std::fs::write(&path, bytes).unwrap();
        work(&path)
    })
}

/// Reads `bytes` as the file `hostile` and asserts the bound on memory.
pub fn read(reader: Reader, bytes: &[u8]) -> Result<Tensors, Error> {
    let path = Path::new("hostile");
    let (result, peak) = match reader {
        Reader::Run => with_run(bytes, |path| peak(|| Run::open(path).map(|run| run.tensors))),
        _ => peak(|| match reader {
            Reader::Safetensors => safetensors::read_bytes(bytes, path),
            _ => torch::read_bytes(bytes, path),
        }),
    };
    let limit = 64 * bytes.len() + (1 << 20);
    assert!(peak <= limit, "{reader:?}: {peak} bytes held for a file of {} (limit {limit})", bytes.len());
    result
}

#[test]
fn the_allocator_counts() {
    assert!(peak(|| vec![1u8; 1 << 20].len()).1 >= 1 << 20);
}
