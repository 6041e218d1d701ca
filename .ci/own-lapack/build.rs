//! For the feature `static`: the linker's static OpenBLAS, and the run-time library of Fortran that it needs.

use std::process::Command;

fn main() {
    if std::env::var_os("CARGO_FEATURE_STATIC").is_some() {
        let found = Command::new("cc").arg("-print-file-name=libopenblas.a").output().expect("cc").stdout;
        // After all that refers to it.
        println!("cargo:rustc-link-arg={}", String::from_utf8(found).expect("a path").trim());
        println!("cargo:rustc-link-arg=-l:libgfortran.so.5");
    }
}
