//! The command `irreplens`.

use std::process::ExitCode;

fn main() -> ExitCode {
    irreplens_cli::main(std::env::args_os())
}
