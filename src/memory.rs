//! How much memory may be asked for: what needs more than the budget is refused before it is tried.
//!
//! The budget is what the machine has left when something is about to be allocated: `MemAvailable` of Linux, what the
//! process's control groups (both versions) and its address-space limit leave, whichever is least, less an eighth. The
//! environment variable `IRREPLENS_MEMORY` (bytes, or a number with K, M, G or T) or [`set_budget`] put a number of the
//! caller's in its place. Where the system does not say what is left it is [`FALLBACK`].
//!
//! A refusal is [`Error::Memory`] with the bytes needed. No result depends on the budget, only whether there is one.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The variable with the budget.
pub const VARIABLE: &str = "IRREPLENS_MEMORY";

/// The budget where neither the caller nor the system names one: 2 GiB.
pub const FALLBACK: usize = 1 << 31;

/// Requests up to this are granted without asking the system what is left: 1 MiB.
const SMALL: usize = 1 << 20;

/// The budget set by [`set_budget`]; 0 for none.
static SET: AtomicUsize = AtomicUsize::new(0);

/// Sets the budget of this process in bytes, or, with `None`, leaves it to [`VARIABLE`] and the machine again.
///
/// ```standalone_crate
/// use irreplens::{Error, memory, task::Split};
/// memory::set_budget(Some(1 << 20));
/// let error = Split::random(1000, 0.3, 1).unwrap_err();
/// assert!(matches!(error, Error::Memory { needed: 13_600_000, budget: 1_048_576, .. }), "{error}");
/// memory::set_budget(None);
/// ```
pub fn set_budget(bytes: Option<usize>) {
    SET.store(bytes.map_or(0, |bytes| bytes.max(1)), Ordering::Relaxed);
}

/// Bytes that may be asked for now.
#[must_use]
pub fn budget() -> usize {
    chosen().unwrap_or_else(|| available().map_or(FALLBACK, |left| left - left / 8))
}

/// The caller's own number.
fn chosen() -> Option<usize> {
    match SET.load(Ordering::Relaxed) {
        0 => std::env::var(VARIABLE).ok().and_then(|text| parse_size(&text)),
        set => Some(set),
    }
}

/// Bytes, or a number of binary units: `24G`, `1.5 GiB`, `800M`; `None` for anything else.
///
/// ```
/// use irreplens::memory::parse_size;
/// assert_eq!((parse_size("1.5G"), parse_size("some")), (Some(3 << 29), None));
/// ```
#[must_use]
pub fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim().trim_end_matches(['B', 'b', 'i']);
    let unit = text.chars().last().and_then(|c| "KMGT".find(c.to_ascii_uppercase()));
    let digits = if unit.is_some() { &text[..text.len() - 1] } else { text };
    let unit = 1usize << (10 * unit.map_or(0, |unit| unit + 1));
    match digits.trim().parse::<usize>() {
        Ok(number) => number.checked_mul(unit),
        Err(_) => {
            let number: f64 = digits.trim().parse().ok()?;
            let bytes = number * unit as f64;
            (number.is_finite() && (0.0..usize::MAX as f64).contains(&bytes)).then_some(bytes as usize)
        }
    }
}

/// [`Error::Memory`] if `needed` bytes are more than the [`budget`].
///
/// ```
/// use irreplens::{Error, memory};
/// assert!(memory::check("a number", 8).is_ok());
/// assert!(matches!(memory::check("everything", usize::MAX), Err(Error::Memory { needed: usize::MAX, .. })));
/// ```
///
/// # Errors
/// [`Error::Memory`] with `what`, `needed` and the budget; [`Error::Format`] if the environment variable of the budget is no
/// size.
pub fn check(what: &'static str, needed: usize) -> Result<()> {
    if needed <= SMALL && chosen().is_none() {
        return Ok(());
    }
    if SET.load(Ordering::Relaxed) == 0
        && let Some(got) = std::env::var(VARIABLE).ok().filter(|text| parse_size(text).is_none())
    {
        let expected = "bytes, or a number with K, M, G or T, as in 24G";
        return Err(Error::Format { path: VARIABLE.into(), expected, got });
    }
    let budget = budget();
    if needed <= budget { Ok(()) } else { Err(Error::Memory { what, needed, budget }) }
}

/// Bytes of an array of `T` of these extents; `usize::MAX` if that is less.
///
/// ```
/// use irreplens::memory;
/// assert_eq!(memory::bytes::<f32>(&[3, 5]), 60);
/// assert_eq!(memory::bytes::<f64>(&[1 << 40, 1 << 40]), usize::MAX);
/// ```
#[must_use]
pub fn bytes<T>(extents: &[usize]) -> usize {
    if extents.contains(&0) { 0 } else { extents.iter().fold(size_of::<T>(), |product, &n| product.saturating_mul(n)) }
}

/// What the system has left for this process; `None` where it does not say.
fn available() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemAvailable:"));
    [machine, control_groups(), address_space()].into_iter().flatten().min()
}

/// The number of a line `name: number kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// What is left of the address space where it is limited (`ulimit -v`).
fn address_space() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: usize = line.split_whitespace().next()?.parse().ok()?;
    let used = kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(used))
}

/// What the control groups of this process leave, the least of all levels.
fn control_groups() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(|line| in_group(line, Path::new("/sys/fs/cgroup"))).min()
}

/// What the group of a line `number:controllers:path` leaves, and those it is in.
fn in_group(line: &str, root: &Path) -> Option<usize> {
    let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
    let (folder, limit, used) = match controllers {
        "" => (root.to_path_buf(), "memory.max", "memory.current"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
        }
        _ => return None,
    };
    let level = |level: PathBuf| {
        let number = |file: &str| fs::read_to_string(level.join(file)).ok()?.trim().parse::<usize>().ok();
        let (limit, used) = (number(limit)?, number(used)?);
        // Pages of files that the group would give back.
        let stat = fs::read_to_string(level.join("memory.stat")).unwrap_or_default();
        let name = if controllers.is_empty() { "inactive_file " } else { "total_inactive_file " };
        let cached = stat.lines().find_map(|line| line.strip_prefix(name)?.parse::<usize>().ok()).unwrap_or(0);
        Some(limit.saturating_sub(used.saturating_sub(cached)))
    };
    let path = Path::new(path.trim_start_matches('/'));
    path.ancestors().filter_map(|part| level(folder.join(part))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units() {
        let values = ["12", "3K", "2 M", "24G", "1GiB", "1tb", "x", "", "G", "99999999999T"].map(parse_size);
        let [k, m, g] = [1usize << 10, 1 << 20, 1 << 30];
        let expected = [Some(12), Some(3 * k), Some(2 * m), Some(24 * g), Some(g), Some(g * k), None, None, None, None];
        assert_eq!(values, expected);
    }

    #[test]
    fn sizes_do_not_overflow() {
        assert_eq!(bytes::<u32>(&[usize::MAX, 2, 0]), 0);
        assert_eq!(bytes::<u32>(&[usize::MAX, 2]), usize::MAX);
    }

    #[test]
    fn control_groups_of_both_versions_and_all_levels() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "10\n");
        write("a/memory.max", "1000\n");
        write("a/memory.current", "600\n");
        write("a/memory.stat", "anon 500\ninactive_file 50\n");
        write("memory/c/memory.limit_in_bytes", "300\n");
        write("memory/c/memory.usage_in_bytes", "100\n");
        assert_eq!(in_group("0::/a/b", root.path()), Some(450));
        assert_eq!(in_group("4:cpu,memory:/c", root.path()), Some(200));
        assert_eq!(in_group("5:cpuset:/c", root.path()), None);
        assert_eq!(in_group("0::/", root.path()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_says_what_is_left() {
        assert!(available().is_some_and(|left| left > SMALL));
        assert_eq!(kilobytes("MemFree: 1 kB\nMemAvailable:  24 kB\n", "MemAvailable:"), Some(24576));
    }
}
