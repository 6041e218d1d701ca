//! Any bytes, read as either weights format, must come back as tensors or as an error.
#![no_main]

use irreplens::checkpoint::{safetensors, torch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = "fuzz".as_ref();
    let entry = torch::read_entry(bytes, path, "model");
    for read in [torch::read_bytes(bytes, path), entry, safetensors::read_bytes(bytes, path)] {
        if let Err(error) = read {
            assert!(error.to_string().starts_with("fuzz: "));
        }
    }
});
