//! The `tertulia` program: parses its arguments and does what they say.

use std::process::ExitCode;

fn main() -> ExitCode {
    tertulia::cli::main()
}
