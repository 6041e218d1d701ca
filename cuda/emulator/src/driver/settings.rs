//! The environment variables that describe the emulated machine. They are read when they are needed, so that a test
//! can change them between calls.

use std::path::PathBuf;

use crate::program::module::Limits;

fn read<T: std::str::FromStr>(name: &str) -> Option<T> {
    let name = format!("IRREPLENS_EMULATOR_{name}");
    let value = std::env::var(&name).ok()?;
    let parsed = value.parse().ok();
    if parsed.is_none() {
        eprintln!("emulator: {name} is not understood: {value:?}");
    }
    parsed
}

/// Device memory in bytes.
pub fn memory() -> usize {
    read("MEMORY").unwrap_or(8 << 30)
}

/// How many devices there are: none or one.
pub fn devices() -> i32 {
    read("DEVICES").unwrap_or(1)
}

/// Driver version, such as 13000.
pub fn driver() -> u32 {
    read("DRIVER").unwrap_or(Limits::default().driver)
}

/// Compute capability, as (major, minor).
pub fn capability() -> (u32, u32) {
    let text = read::<String>("CAPABILITY").unwrap_or_default();
    let parts = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parts.unwrap_or((9, 0))
}

/// What a PTX text may ask for.
pub fn limits() -> Limits {
    let (major, minor) = capability();
    Limits { driver: driver(), capability: 10 * major + minor }
}

/// Whether a faulty kernel leaves the context unusable.
pub fn sticky() -> bool {
    read::<u32>("STICKY") != Some(0)
}

/// Whether to print a line for every launch.
pub fn trace() -> bool {
    read::<u32>("TRACE") == Some(1)
}

/// Where to write launches, if at all.
pub fn record() -> Option<PathBuf> {
    read("RECORD").filter(|path: &PathBuf| !path.as_os_str().is_empty())
}

/// Size of the largest launch to write.
pub fn record_limit() -> u64 {
    read("RECORD_LIMIT").unwrap_or(64 << 20)
}

/// Most shared memory per block that a kernel can ask for.
pub fn shared_limit() -> usize {
    match capability() {
        (7, 5) => 64 << 10,
        (..=7, _) => 96 << 10,
        (8, 0 | 7) => 163 << 10,
        (8, _) | (12, _) => 99 << 10,
        _ => 227 << 10,
    }
}
