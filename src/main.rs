//! The `ringcard` command: arguments, then `app::run`.
fn main() {}
