//! Finds a `libcuda.so` to link: an empty one, since the driver is opened at run time (`src/device/driver.rs`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-search=native={root}/cuda/stub/lib64");
    }
}
