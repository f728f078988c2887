//! Every PBX in the registry against the same promises.
//!
//! A new provider writes no test code: it brings `tests/fixtures/pbx/<provider>/<situation>/` and its
//! line in the registry. What the folders hold is told in `conversation`.

mod calls;
mod conversation;
mod meaning;
mod promises;
