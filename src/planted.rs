//! Faults that the tests have to find. Compiled only with the feature `planted`, which no program that
//! people use has; `RINGCARD_PLANTED` names the one that is switched on. `tests/sim/README.md` lists
//! them and where they sit.

use std::sync::OnceLock;

/// Whether the fault of this name is switched on.
pub fn is(name: &str) -> bool {
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN
        .get_or_init(|| std::env::var("RINGCARD_PLANTED").ok())
        .as_deref()
        == Some(name)
}
