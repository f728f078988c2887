//! The `ringcard` command. Everything is in the library; see `cli`.

/// Messages are many small allocations on one thread that are freed on another; the system's allocator
/// spends a quarter of the intake's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ringcard::cli::main()
}
