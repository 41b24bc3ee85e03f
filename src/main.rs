//! The `tertulia` program: parses its arguments and does what they say.

use std::process::ExitCode;

/// Tasks are aligned to cache lines, and glibc leaves holes beside what is: half a kilobyte for each connection that came.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    tertulia::cli::main()
}
