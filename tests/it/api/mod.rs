//! Stories of other programs: tokens, what they may see and do, and the document that says so.

mod calls;
mod client;
mod document;
mod rights;
mod tokens;
