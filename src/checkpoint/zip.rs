//! The entries of a zip archive that are stored as they are, borrowed from its bytes.
//!
//! `torch.save` compresses nothing that holds weights, so a compressed entry (TorchScript's code) is listed without its
//! bytes and there is nothing to decompress. Like PyTorch's own reader this one does not compare checksums. Format:
//! APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::{shown, twice};
use crate::error::{Error, Result};

pub(super) const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
const CENTRAL_SIGNATURE: &[u8] = b"PK\x01\x02";
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;

/// The entries by name; `None` for one that is compressed or encrypted.
pub(super) type Entries<'a> = BTreeMap<&'a str, Option<&'a [u8]>>;

/// The bytes of an entry that has to be stored as it is.
pub(super) fn stored<'a>(entry: Option<&'a [u8]>, name: &str, path: &Path) -> Result<&'a [u8]> {
    entry.ok_or_else(|| {
        let got = format!("`{}` compressed or encrypted", shown(name));
        Error::format(path, "stored zip entries, as torch.save writes them", got)
    })
}

pub(super) fn entries<'a>(bytes: &'a [u8], path: &Path) -> Result<Entries<'a>> {
    let bad = |expected, got: &str| Error::format(path, expected, got);
    let end = end_record(bytes).ok_or_else(|| {
        bad("a whole zip archive", "one without its end record: the file is cut short or something follows it")
    })?;
    let cut = || bad("a whole zip archive", "one whose central directory is damaged");
    let count = u16_at(bytes, end + 10).ok_or_else(cut)?;
    let mut at = u32_at(bytes, end + 16).ok_or_else(cut)?;
    if count == usize::from(u16::MAX) || at as u64 == u64::from(u32::MAX) {
        return Err(bad("an archive below 4 GiB and 65535 entries", "a Zip64 archive"));
    }
    let mut entries = Entries::new();
    for _ in 0..count {
        let header = bytes.get(at..end).filter(|h| h.starts_with(CENTRAL_SIGNATURE)).ok_or_else(cut)?;
        let u16_of = |i| u16_at(header, i).ok_or_else(cut);
        let u32_of = |i| u32_at(header, i).ok_or_else(cut);
        let (flags, method, name_len) = (u16_of(8)?, u16_of(10)?, u16_of(28)?);
        let next = 46 + name_len + u16_of(30)? + u16_of(32)?;
        let (packed, size, local) = (u32_of(20)?, u32_of(24)?, u32_of(42)?);
        let name = header.get(46..46 + name_len).ok_or_else(cut)?;
        let name = str::from_utf8(name).map_err(|_| bad("zip entries named in UTF-8", "another encoding"))?;
        let data = if method != 0 || packed != size || flags & 1 != 0 {
            None
        } else {
            let data = local_data(bytes, local, name, size);
            Some(data.ok_or_else(|| bad("zip entries inside the file", &format!("`{}` out of range", shown(name))))?)
        };
        if entries.insert(name, data).is_some() {
            return Err(twice(path, name));
        }
        at = at.checked_add(next).ok_or_else(cut)?;
    }
    Ok(entries)
}

/// Where the end record starts: the last place from which a comment of the stated length ends the file.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LEN)?;
    (last.saturating_sub(usize::from(u16::MAX))..=last)
        .rev()
        .find(|&i| bytes[i..].starts_with(END_SIGNATURE) && u16_at(bytes, i + 20) == Some(bytes.len() - i - END_LEN))
}

/// The bytes after the local header at `at`, which must repeat the entry's name.
fn local_data<'a>(bytes: &'a [u8], at: usize, name: &str, size: usize) -> Option<&'a [u8]> {
    let header = bytes.get(at..)?;
    let name_len = u16_at(header, 26)?;
    let data = header.get(30 + name_len + u16_at(header, 28)?..)?;
    let same = header.starts_with(LOCAL_SIGNATURE) && header.get(30..30 + name_len)? == name.as_bytes();
    if same { data.get(..size) } else { None }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?).try_into().ok()
}
