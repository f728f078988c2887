//! What the store promises, on both engines.

mod read;
mod told;
mod writing;
