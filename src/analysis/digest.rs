//! Digests, which tell weights and files from others.

/// The FNV-1a hash of some bytes, 128 bits as hexadecimal digits.
pub(crate) fn digest(bytes: impl IntoIterator<Item = u8>) -> String {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = bytes.into_iter().fold(START, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}
