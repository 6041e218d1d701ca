//! Bytes of zip archives and pickles, written by hand so that they can be wrong.

/// A stored zip archive.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut central) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let at = (file.len() as u32).to_le_bytes();
        let size = (data.len() as u32).to_le_bytes();
        let name_len = (name.len() as u16).to_le_bytes();
        // version needed, flags, method, time, date, checksum
        let common = [&[0; 14][..], &size, &size, &name_len, &[0, 0]].concat();
        file.extend([b"PK\x03\x04", &common[..], name.as_bytes(), data].concat());
        central.extend([b"PK\x01\x02\0\0", &common[..], &[0; 10], &at, name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, at) = ((central.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    file.extend(central);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, &[0, 0]].concat());
    file
}

/// An archive as `torch.save` makes it, with this pickle and one storage `0`.
pub fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    zip(&[("m/data.pkl", pickle), ("m/byteorder", b"little"), ("m/data/0", storage), ("m/version", b"3\n")])
}

/// A pickle of protocol 2 around these opcodes.
pub fn pickle(opcodes: &[u8]) -> Vec<u8> {
    [b"\x80\x02", opcodes, b"."].concat()
}

pub fn text(s: &str) -> Vec<u8> {
    [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
}

pub fn int(n: i64) -> Vec<u8> {
    [&[0x8a, 8][..], &n.to_le_bytes()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

fn ints(values: &[i64]) -> Vec<u8> {
    tuple(&values.iter().map(|&n| int(n)).collect::<Vec<_>>())
}

/// A storage reference.
pub fn storage(kind: &str, key: &str, len: i64) -> Vec<u8> {
    let id = tuple(&[text("storage"), global("torch", kind), text(key), text("cpu"), int(len)]);
    [id, b"Q".to_vec()].concat()
}

/// A call of `_rebuild_tensor_v2`.
pub fn tensor(storage: &[u8], offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    let arguments = tuple(&[storage.to_vec(), int(offset), ints(shape), ints(stride), b"\x89".to_vec(), b"N".to_vec()]);
    [global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
}

/// `{"W": value}`.
pub fn dict(value: &[u8]) -> Vec<u8> {
    [b"}", &text("W")[..], value, b"s"].concat()
}

/// A file with one tensor `W` over a storage of six floats 0 to 5.
pub fn one(kind: &str, len: i64, offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    let floats: Vec<u8> = (0..6u8).flat_map(|k| f32::from(k).to_le_bytes()).collect();
    archive(&pickle(&dict(&tensor(&storage(kind, "0", len), offset, shape, stride))), &floats)
}

/// A safetensors file.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// `bytes` with the first occurrence of `from` replaced by `to`, of the same length.
pub fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    [&bytes[..at], to, &bytes[at + to.len()..]].concat()
}
