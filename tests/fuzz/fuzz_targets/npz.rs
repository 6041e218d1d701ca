//! Any bytes, read as recorded activations, must come back as a model or as an error that names the file.
#![no_main]

use irreplens::checkpoint::read_precomputed_bytes;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = read_precomputed_bytes(bytes, "fuzz".as_ref(), "hidden") {
        let message = error.to_string();
        assert!(message.starts_with("fuzz: ") && message.len() <= 4096);
    }
});
