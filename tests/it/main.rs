//! Stories through real sockets: one file per story, one binary so that it links once.

mod dialled;
mod hooks;
mod ops;
mod support;
