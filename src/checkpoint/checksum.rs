//! The checksum of a file: CRC-64/XZ over all its bytes, in the metadata of a safetensors header.
//!
//! The checksum finds every flipped bit and every damaged stretch of up to 64 bits, and misses other damage once in 2^64. It is
//! no defence against forgery. Source: ECMA-182, annex B, in the reflected form of the `.xz` format.

use std::path::Path;

use crate::error::{Error, Result};

pub(super) const KEY: &str = "irreplens.crc64";

/// What stands for the checksum while it is computed.
pub(super) const BLANK: &str = "0000000000000000";

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// The file has no checksum.
    Missing,
    /// Its bytes have the checksum that it states.
    Holds,
}

/// Writes the checksum over its blank in the bytes of a file.
pub(super) fn fill_in(bytes: &mut [u8]) {
    if let Some(at) = place(bytes) {
        let sum = format!("{:016x}", crc64(&[bytes]));
        bytes[at..at + BLANK.len()].copy_from_slice(sum.as_bytes());
    }
}

/// Compares the checksum that a file states, if any, with its bytes.
///
/// # Errors
/// [`Error::Damaged`] if they differ.
pub(crate) fn verify(bytes: &[u8], path: &Path) -> Result<Checksum> {
    let Some(at) = place(bytes) else { return Ok(Checksum::Missing) };
    let (before, rest) = bytes.split_at(at);
    let (stated, after) = rest.split_at(BLANK.len());
    let got = format!("{:016x}", crc64(&[before, BLANK.as_bytes(), after]));
    if stated == got.as_bytes() {
        return Ok(Checksum::Holds);
    }
    Err(Error::Damaged { path: path.into(), expected: String::from_utf8_lossy(stated).into_owned(), got })
}

/// Where the digits stand. Within a text of the header a quote has a backslash before it, so nothing else looks like this.
fn place(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let header = bytes.get(8..length.checked_add(8)?)?;
    let key = format!("\"{KEY}\":\"");
    let at = header.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    (header.get(at + BLANK.len()) == Some(&b'"')).then_some(8 + at)
}

/// Tables of the remainders of a byte followed by 0 to 7 zero bytes.
const TABLES: [[u64; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u64, 0);
        while bit < 8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xc96c_5795_d787_0f42 } else { 0 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        byte = 0;
        while byte < 256 {
            let sum = tables[zeros - 1][byte];
            tables[zeros][byte] = sum >> 8 ^ tables[0][(sum & 255) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
};

/// The checksum of some bytes after one another.
fn crc64(parts: &[&[u8]]) -> u64 {
    let mut sum = u64::MAX;
    for part in parts {
        // Eight bytes at a time.
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            let mixed = (sum ^ u64::from_le_bytes(*word)).to_le_bytes();
            sum = (0..8).fold(0, |sum, i| sum ^ TABLES[7 - i][usize::from(mixed[i])]);
        }
        for &byte in rest {
            sum = sum >> 8 ^ TABLES[0][usize::from(sum as u8 ^ byte)];
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the catalogue of parametrised CRC algorithms, and the definition bit by bit.
    #[test]
    fn it_is_crc_64_xz() {
        assert_eq!(crc64(&[b"123456789"]), 0x995d_c9bb_df19_39fa);
        let bytes: Vec<u8> = (0..1000u32).map(|i| ((i * i) >> 3) as u8).collect();
        let mut slow = u64::MAX;
        for &byte in &bytes {
            slow ^= u64::from(byte);
            for _ in 0..8 {
                slow = slow >> 1 ^ if slow & 1 == 1 { 0xc96c_5795_d787_0f42 } else { 0 };
            }
        }
        for cut in [0, 1, 7, 8, 500, 1000] {
            assert_eq!(crc64(&[&bytes[..cut], &bytes[cut..]]), !slow, "{cut}");
        }
    }
}
