//! Stories of other programs: tokens, what they may see and do, and the document that says so.

mod calls;
mod cards;
pub mod client;
mod document;
mod named;
mod people;
mod postgres;
mod rights;
mod sound;
mod tokens;
mod touches;
