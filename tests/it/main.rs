//! Stories through the real parts: one file per story, one binary so that it links once.

mod store;
mod support;
