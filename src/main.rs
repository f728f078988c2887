//! The `ringcard` command. Everything is in the library; see `cli`.

fn main() -> std::process::ExitCode {
    ringcard::cli::main()
}
